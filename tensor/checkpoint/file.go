package checkpoint

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/promptcam/promptcam/tensor"
)

// Info describes a tensor as the file holds it.
type Info struct {
	DType DType
	Shape []int
}

// File is an open checkpoint. Its methods may be called concurrently.
type File struct {
	path    string
	closer  io.Closer // nil for Decode
	size    int64
	entries map[string]*entry
	meta    map[string]string
}

// Open opens a safetensors file or a PyTorch file (zip archive, of TorchScript too, or legacy stream; see the
// package comment for which tensors of it) and reads its table of contents. The file stays open until Close.
func Open(path string) (*File, error) {
	s, err := os.Stat(path) // before opening: opening a pipe would wait
	if err != nil {
		return nil, fmt.Errorf("checkpoint: %w", err)
	}
	if !s.Mode().IsRegular() {
		return nil, fmt.Errorf("checkpoint: %s: not a regular file", path)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("checkpoint: %w", err)
	}
	c, err := Decode(f, s.Size(), path)
	if err != nil {
		f.Close()
		return nil, err
	}
	c.closer = f
	return c, nil
}

// Decode is Open for the size bytes of r, which must stay readable, concurrently if the File is used so.
// Errors refer to the file as name.
func Decode(r io.ReaderAt, size int64, name string) (*File, error) {
	f := &File{path: name, size: size, entries: map[string]*entry{}, meta: map[string]string{}}
	if err := f.decode(r); err != nil {
		return nil, fmt.Errorf("checkpoint: %s: %w", name, err)
	}
	return f, nil
}

func (f *File) decode(r io.ReaderAt) error {
	head := make([]byte, min(32, max(0, f.size)))
	if n, err := r.ReadAt(head, 0); n < len(head) {
		return fmt.Errorf("read: %w", err)
	}
	switch {
	case len(head) == 0:
		return errors.New("empty file")
	case len(head) >= 9 && head[8] == '{':
		return f.decodeSafetensors(r, binary.LittleEndian.Uint64(head))
	case strings.HasPrefix(string(head), zipMagic):
		return f.decodeZip(r)
	case isLegacy(head):
		return f.decodeLegacy(r)
	case head[0] == 0x80:
		return errors.New("a Python pickle, but not one of torch.save")
	}
	return fmt.Errorf("neither safetensors nor a PyTorch file: it begins with %q", head)
}

// Close closes the file. Tensors read from it stay valid.
func (f *File) Close() error {
	if f.closer == nil {
		return nil
	}
	if err := f.closer.Close(); err != nil {
		return fmt.Errorf("checkpoint: %w", err)
	}
	return nil
}

// Path returns the path given to Open, or the name given to Decode.
func (f *File) Path() string { return f.path }

// Names returns the tensors' names, sorted.
func (f *File) Names() []string { return slices.Sorted(maps.Keys(f.entries)) }

// Info describes the named tensor; ok is false if there is none.
func (f *File) Info(name string) (info Info, ok bool) {
	e, ok := f.entries[name]
	if !ok {
		return Info{}, false
	}
	return Info{e.dtype, slices.Clone(e.shape)}, true
}

// Place returns the offset and size in bytes of a tensor's elements in the file, for callers that read or
// write parts of it. ok is false if there is no such tensor, or if its elements are compressed or not in
// row-major order, which only happens in PyTorch files.
func (f *File) Place(name string) (offset, size int64, ok bool) {
	e, ok := f.entries[name]
	if !ok {
		return 0, 0, false
	}
	s, ok := e.storage.(span)
	if !ok || !e.contiguous() {
		return 0, 0, false
	}
	n, _ := elements(e.shape)
	return s.at + e.offset, int64(n) * int64(e.dtype.Size()), true
}

// Metadata returns a copy of the file's metadata: the __metadata__ of safetensors, or the strings, integers,
// floats and bools beside a PyTorch state dict or in a TorchScript module, as text.
func (f *File) Metadata() map[string]string { return maps.Clone(f.meta) }

// Tensor reads the named tensor, of any DType above, as a contiguous float32 copy: F64 and wide integers are
// rounded to nearest, Bool gives 0 and 1.
func (f *File) Tensor(name string) (*tensor.Tensor, error) {
	var data []float32
	e, ok := f.entries[name]
	err := fmt.Errorf("not there: the file holds %d others", len(f.entries))
	if ok {
		if err = e.dtype.check(); err == nil {
			data, err = e.read()
		}
	}
	if err != nil {
		return nil, fmt.Errorf("checkpoint: %s: tensor %s: %w", f.path, clean(name), err)
	}
	return tensor.FromSlice(data, e.shape...), nil
}

// readFull is io.ReadFull with an error that says how much is missing.
func readFull(r io.Reader, p []byte) error {
	n, err := io.ReadFull(r, p)
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return fmt.Errorf("%d of %d bytes are there: %w", n, len(p), io.ErrUnexpectedEOF)
	}
	return err
}

// elements returns the product of a shape. It returns false if a size is negative or the product, zeros left
// out, is more than any machine holds.
func elements(shape []int) (int, bool) {
	n, some := 1, true
	for _, s := range shape {
		switch {
		case s < 0 || s > maxElements || (s > 0 && n > maxElements/s):
			return 0, false
		case s == 0:
			some = false
		default:
			n *= s
		}
	}
	if !some {
		return 0, true
	}
	return n, true
}

const maxElements = 1 << 46 // times 8 bytes is far from overflow
