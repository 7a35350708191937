package checkpoint

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"unicode/utf8"

	"github.com/promptcam/promptcam/tensor"
)

// Save writes tensors and metadata to a safetensors file of F32, whole or not
// at all: see WriteFile.
func Save(path string, tensors map[string]*tensor.Tensor, metadata map[string]string) error {
	if err := WriteFile(path, func(w io.Writer) error { return write(w, tensors, metadata) }); err != nil {
		return fmt.Errorf("checkpoint: save %w", err)
	}
	return nil
}

// Write writes what Save writes. The bytes depend on nothing but the
// arguments: names are sorted, and the header is padded so that the tensors
// begin at a multiple of 8 bytes. Names and metadata must be UTF-8, and no
// tensor may be named __metadata__.
func Write(w io.Writer, tensors map[string]*tensor.Tensor, metadata map[string]string) error {
	if err := write(w, tensors, metadata); err != nil {
		return fmt.Errorf("checkpoint: write: %w", err)
	}
	return nil
}

func write(w io.Writer, tensors map[string]*tensor.Tensor, metadata map[string]string) error {
	names := slices.Sorted(maps.Keys(tensors))
	h, err := header(names, tensors, metadata)
	if err != nil {
		return err
	}
	if _, err := w.Write(append(binary.LittleEndian.AppendUint64(nil, uint64(len(h))), h...)); err != nil {
		return err
	}
	buf := make([]byte, 0, chunk)
	for _, name := range names {
		for part := range slices.Chunk(tensors[name].Contig().Data(), chunk/4) {
			buf = buf[:0]
			for _, v := range part {
				buf = binary.LittleEndian.AppendUint32(buf, math.Float32bits(v))
			}
			if _, err := w.Write(buf); err != nil {
				return err
			}
		}
	}
	return nil
}

// header returns the JSON header, padded with spaces to a multiple of 8 bytes.
func header(names []string, tensors map[string]*tensor.Tensor, metadata map[string]string) ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	if len(metadata) > 0 {
		b.WriteString(`"__metadata__":{`)
		for i, key := range slices.Sorted(maps.Keys(metadata)) {
			if i > 0 {
				b.WriteByte(',')
			}
			if err := quote(&b, key); err != nil {
				return nil, fmt.Errorf("metadata %q: %w", key, err)
			}
			b.WriteByte(':')
			if err := quote(&b, metadata[key]); err != nil {
				return nil, fmt.Errorf("metadata %q: %w", key, err)
			}
		}
		b.WriteByte('}')
	}
	offset := 0
	for _, name := range names {
		if b.Len() > 1 {
			b.WriteByte(',')
		}
		if name == "__metadata__" {
			return nil, fmt.Errorf("tensor %s: the name is taken by the format", name)
		}
		if err := quote(&b, name); err != nil {
			return nil, fmt.Errorf("tensor %q: %w", name, err)
		}
		t := tensors[name]
		shape, err := json.Marshal(append([]int{}, t.Shape()...)) // a scalar's shape is [], not null
		if err != nil {
			return nil, err
		}
		end := offset + 4*t.Len()
		fmt.Fprintf(&b, `:{"dtype":"F32","shape":%s,"data_offsets":[%d,%d]}`, shape, offset, end)
		offset = end
	}
	b.WriteByte('}')
	for b.Len()%8 != 0 {
		b.WriteByte(' ')
	}
	if b.Len() > maxHeader {
		return nil, fmt.Errorf("header of %d bytes: the format's limit is %d", b.Len(), maxHeader)
	}
	return b.Bytes(), nil
}

// quote writes s as a JSON string.
func quote(b *bytes.Buffer, s string) error {
	if !utf8.ValidString(s) {
		return errors.New("not UTF-8")
	}
	q, err := json.Marshal(s)
	b.Write(q)
	return err
}
