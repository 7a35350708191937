package checkpoint

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"

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
	ctx     context.Context
	size    int64
	entries map[string]*entry
	names   []string // sorted
	meta    map[string]string
	want    string // key asked for; empty means any
	key     string
	others  []string
	table   *budget // for the table of contents
	tensors *budget // for what Tensor returns

	mu   sync.Mutex
	paid map[string]bool // names whose tensors have been taken from the budget
}

// Open opens a safetensors file or a PyTorch file (zip archive, of TorchScript too, or legacy stream; see the
// package comment for which tensors of it) and reads its table of contents. The file stays open until Close.
//
// If path is a folder, Open takes its model.safetensors or pytorch_model.bin, or else its only weights file.
// PATH#KEY asks for the state dict under a dotted key of a PyTorch file, such as checkpoint.pth#teacher, or for
// the tensors whose names begin with the key and a dot, which are cut off.
func Open(path string) (*File, error) {
	return OpenContext(context.Background(), path, Limits{})
}

// OpenContext is Open with other limits. Once ctx is done, reading fails: that of the table of contents, and
// that of tensors later.
func OpenContext(ctx context.Context, path string, limits Limits) (*File, error) {
	path, key, s, err := locate(path)
	if err != nil {
		return nil, fmt.Errorf("checkpoint: %w", err)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("checkpoint: %w", err)
	}
	c, err := decode(ctx, f, s.Size(), path, key, limits)
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
	return DecodeContext(context.Background(), r, size, name, Limits{})
}

// DecodeContext is Decode with a context and limits as for OpenContext.
func DecodeContext(ctx context.Context, r io.ReaderAt, size int64, name string, limits Limits) (*File, error) {
	return decode(ctx, r, size, name, "", limits)
}

func decode(ctx context.Context, r io.ReaderAt, size int64, name, key string, limits Limits) (*File, error) {
	f := &File{path: name, ctx: ctx, size: size, entries: map[string]*entry{}, meta: map[string]string{}, want: key, paid: map[string]bool{}}
	f.table, f.tensors = limits.budgets(size)
	if err := f.decode(heard{ctx, r}); err != nil {
		return nil, fmt.Errorf("checkpoint: %s: %w", name, blame(err))
	}
	f.names = slices.Sorted(maps.Keys(f.entries))
	return f, nil
}

func (f *File) decode(r io.ReaderAt) error {
	head := make([]byte, min(512, max(0, f.size)))
	if n, err := r.ReadAt(head, 0); n < len(head) {
		return fmt.Errorf("read: %w", err)
	}
	switch {
	case len(head) == 0:
		return errors.New("empty file")
	case len(head) >= 9 && head[8] == '{' && (binary.LittleEndian.Uint64(head) <= maxHeader || whatIs(head, f.path) == ""): // not {"meta":{
		if err := f.decodeSafetensors(r, binary.LittleEndian.Uint64(head)); err != nil {
			return err
		}
		if f.want != "" && f.under(f.want+".") == 0 {
			return fmt.Errorf("no tensors whose names begin with %s.", Clean(f.want))
		}
		return nil
	case strings.HasPrefix(string(head), zipMagic):
		return f.decodeZip(r)
	case isLegacy(head):
		return f.decodeLegacy(r)
	}
	return other(head, f.path)
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

// Path returns the file's path, as given to Open or found in the folder, without a key; or the name given to
// Decode.
func (f *File) Path() string { return f.path }

// Key returns the dotted key under which the state dict was found in a PyTorch file, such as state_dict_ema,
// or that which Open was asked for. It is empty if the tensors are at the top.
func (f *File) Key() string { return f.key }

// Others returns the dotted keys, sorted, of further dicts of a PyTorch file that hold tensors, but for those
// of its optimizers. Open takes one of them if its path ends in # and the key.
func (f *File) Others() []string { return slices.Clone(f.others) }

// Names returns the tensors' names, sorted.
func (f *File) Names() []string { return slices.Clone(f.names) }

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
// rounded to nearest, Bool gives 0 and 1. All that it returns for different names is limited, as Limits says.
func (f *File) Tensor(name string) (*tensor.Tensor, error) {
	var data []float32
	e, ok := f.entries[name]
	err := fmt.Errorf("not there: the file holds %d others", len(f.entries))
	if ok {
		if err = e.dtype.check(); err == nil {
			err = f.pay(name, e)
		}
		if err == nil {
			data, err = e.read(f.ctx)
		}
		err = blame(err)
	}
	if err != nil {
		return nil, fmt.Errorf("checkpoint: %s: tensor %s: %w", f.path, Clean(name), err)
	}
	return tensor.FromSlice(data, e.shape...), nil
}

// pay takes the memory of a tensor from the budget, once for each name.
func (f *File) pay(name string, e *entry) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.paid[name] {
		return nil
	}
	if err := f.tensors.spend(e.cost()); err != nil {
		return err
	}
	f.paid[name] = true
	return nil
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
