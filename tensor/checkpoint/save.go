package checkpoint

import (
	"cmp"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"unicode/utf8"

	"github.com/promptcam/promptcam/tensor"
	"github.com/promptcam/promptcam/tensor/machine"
)

// Save writes what Write does to a file, atomically as WriteFile does.
func Save(path string, tensors map[string]*tensor.Tensor, metadata map[string]string) error {
	if err := WriteFile(path, func(w io.Writer) error { return write(w, always(F32), tensors, metadata) }); err != nil {
		return fmt.Errorf("checkpoint: save %w", err)
	}
	return nil
}

// Write writes tensors and metadata as a safetensors file of F32. The bytes depend only on the arguments:
// names are sorted, and the header is padded so that the tensors begin at a multiple of 8 bytes. Names and
// metadata must be UTF-8, and no tensor may be named __metadata__.
func Write(w io.Writer, tensors map[string]*tensor.Tensor, metadata map[string]string) error {
	return WriteAs(w, F32, tensors, metadata)
}

// WriteAs is Write for elements of type t, F32 or F16, rounded as DType.Encode does.
func WriteAs(w io.Writer, t DType, tensors map[string]*tensor.Tensor, metadata map[string]string) error {
	return WriteEach(w, always(t), tensors, metadata)
}

// WriteEach is WriteAs for tensors of several types: as returns that of each.
func WriteEach(w io.Writer, as func(name string) DType, tensors map[string]*tensor.Tensor, metadata map[string]string) error {
	if err := write(w, as, tensors, metadata); err != nil {
		return fmt.Errorf("checkpoint: write: %w", err)
	}
	return nil
}

func always(t DType) func(string) DType { return func(string) DType { return t } }

func write(w io.Writer, as func(name string) DType, tensors map[string]*tensor.Tensor, metadata map[string]string) error {
	infos := make(map[string]Info, len(tensors))
	for name, x := range tensors {
		infos[name] = Info{as(name), x.Shape()}
	}
	h, _, err := header(infos, metadata)
	if err != nil {
		return err
	}
	if _, err := w.Write(h); err != nil {
		return err
	}
	buf := make([]byte, chunk)
	for _, name := range slices.Sorted(maps.Keys(tensors)) {
		t := infos[name].DType
		size := t.Size()
		for part := range slices.Chunk(tensors[name].Contig().Data(), chunk/size) {
			t.Encode(buf[:size*len(part)], part)
			if _, err := w.Write(buf[:size*len(part)]); err != nil {
				return err
			}
		}
	}
	return nil
}

// Create makes a safetensors file, atomically, of tensors with the given contents; tensors without contents
// are zero, for the caller to write in place, at File.Place. Where the file system allows it, zeros take no
// room on disk. Names and metadata are as for Write.
func Create(path string, tensors map[string]Info, contents map[string][]byte, metadata map[string]string) error {
	if err := machine.Replace(path, func(f *os.File) error { return create(f, tensors, contents, metadata) }); err != nil {
		return fmt.Errorf("checkpoint: create %w", err)
	}
	return nil
}

// CreateAt is Create in w, which must be empty and read as zero where nothing was written. It writes the last
// byte even if that is zero.
func CreateAt(w io.WriterAt, tensors map[string]Info, contents map[string][]byte, metadata map[string]string) error {
	if err := create(w, tensors, contents, metadata); err != nil {
		return fmt.Errorf("checkpoint: create: %w", err)
	}
	return nil
}

func create(w io.WriterAt, tensors map[string]Info, contents map[string][]byte, metadata map[string]string) error {
	h, size, err := header(tensors, metadata)
	if err != nil {
		return err
	}
	if size > 0 {
		if _, err := w.WriteAt([]byte{0}, int64(len(h))+size-1); err != nil {
			return err
		}
	}
	if _, err := w.WriteAt(h, 0); err != nil {
		return err
	}
	at := int64(len(h))
	for _, name := range slices.Sorted(maps.Keys(tensors)) {
		n, _ := elements(tensors[name].Shape)
		size := n * tensors[name].DType.Size()
		if b, ok := contents[name]; ok && len(b) != size {
			return fmt.Errorf("tensor %s: %d bytes, want %d", name, len(b), size)
		} else if ok {
			if _, err := w.WriteAt(b, at); err != nil {
				return err
			}
		}
		at += int64(size)
	}
	return nil
}

// header returns all that comes before the tensors: the length of the JSON header and the header, padded with
// spaces to a multiple of 8 bytes. size is the bytes of the tensors, which follow in the order of their
// names.
func header(tensors map[string]Info, metadata map[string]string) (h []byte, size int64, err error) {
	for key, value := range metadata {
		if !utf8.ValidString(key) || !utf8.ValidString(value) {
			return nil, 0, fmt.Errorf("metadata %q: not UTF-8", key)
		}
	}
	type place struct {
		DType   DType    `json:"dtype"`
		Shape   []int    `json:"shape"`
		Offsets [2]int64 `json:"data_offsets"`
	}
	places := make(map[string]place, len(tensors))
	for _, name := range slices.Sorted(maps.Keys(tensors)) {
		t := tensors[name]
		n, ok := elements(t.Shape)
		switch err := t.DType.check(); {
		case name == "__metadata__":
			return nil, 0, fmt.Errorf("tensor %s: the name is taken by the format", name)
		case !utf8.ValidString(name):
			return nil, 0, fmt.Errorf("tensor %q: not UTF-8", name)
		case err != nil:
			return nil, 0, fmt.Errorf("tensor %s: %w", name, err)
		case !ok:
			return nil, 0, fmt.Errorf("tensor %s: shape %s is not possible", name, brief(t.Shape))
		}
		end := size + int64(n)*int64(t.DType.Size())
		places[name] = place{t.DType, append([]int{}, t.Shape...), [2]int64{size, end}} // a scalar's shape is [], not null
		size = end
	}
	first, err1 := json.Marshal(metadata)
	rest, err2 := json.Marshal(places) // sorted by name
	if err := cmp.Or(err1, err2); err != nil {
		return nil, 0, err
	}
	h = append(make([]byte, 8), '{') // room for the length
	if len(metadata) > 0 {
		h = append(append(h, `"__metadata__":`...), first...)
		if len(tensors) > 0 {
			h = append(h, ',')
		}
	}
	h = append(h, rest[1:]...)
	for len(h)%8 != 0 {
		h = append(h, ' ')
	}
	if len(h)-8 > maxHeader {
		return nil, 0, fmt.Errorf("header of %d bytes: the format's limit is %d", len(h)-8, maxHeader)
	}
	binary.LittleEndian.PutUint64(h, uint64(len(h)-8))
	return h, size, nil
}
