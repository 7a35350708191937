package checkpoint

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"unicode/utf8"
)

// A safetensors file is the length of a header as a little-endian uint64, the header (JSON, padded with
// spaces) and the bytes of the tensors without gaps (README of https://github.com/huggingface/safetensors).
// The limits are those of its reference implementation.

const maxHeader = 100_000_000 // bytes

// maxEntries is far more tensors, or metadata beside them, than any file has. Each takes some microseconds,
// here and wherever names are looked at.
const maxEntries = 1 << 16

// tensorHeader is one tensor's part of the header.
type tensorHeader struct {
	dtype      DType
	shape      []int
	begin, end int64 // in bytes, from the end of the header
}

func (f *File) decodeSafetensors(r io.ReaderAt, length uint64) error {
	switch {
	case length > maxHeader:
		return fmt.Errorf("safetensors header of %d bytes: the file has %d, the limit is %d", length, f.size, maxHeader)
	case int64(length) > f.size-8:
		return fmt.Errorf("safetensors file cut short or damaged: its header has %d bytes, the file %d", length, f.size)
	}
	if err := f.table.spend(int64(length)); err != nil {
		return fmt.Errorf("safetensors header: %w", err)
	}
	raw := make([]byte, length)
	if err := readFull(io.NewSectionReader(r, 8, int64(length)), raw); err != nil {
		return fmt.Errorf("safetensors header: %w", err)
	}
	headers, err := f.parseHeader(raw)
	if err != nil {
		return fmt.Errorf("safetensors header: %w", err)
	}
	start := 8 + int64(length)
	names := slices.SortedFunc(maps.Keys(headers), func(a, b string) int {
		x, y := headers[a], headers[b]
		// An empty tensor comes before the one that begins at the same place.
		return cmp.Or(cmp.Compare(x.begin, y.begin), cmp.Compare(x.end, y.end), cmp.Compare(a, b))
	})
	end := int64(0)
	for _, name := range names {
		h := headers[name]
		if err := h.check(end, f.size-start); err != nil {
			return fmt.Errorf("tensor %s: %w", Clean(name), err)
		}
		end = h.end
		f.entries[name] = &entry{dtype: h.dtype, shape: h.shape, storage: span{r, start + h.begin, h.end - h.begin}}
	}
	if end != f.size-start {
		return fmt.Errorf("tensors end at byte %d, the file at %d", start+end, f.size)
	}
	return nil
}

// check checks a tensor of a buffer of size bytes whose predecessor ends at byte last.
func (h tensorHeader) check(last, size int64) error {
	switch {
	case h.begin > h.end:
		return fmt.Errorf("offsets %d..%d are reversed", h.begin, h.end)
	case h.end > size:
		return fmt.Errorf("offsets %d..%d: the file holds %d bytes: cut short or damaged", h.begin, h.end, size)
	case h.begin < last:
		return fmt.Errorf("offsets %d..%d overlap the tensor before, which ends at %d", h.begin, h.end, last)
	case h.begin > last:
		return fmt.Errorf("offsets %d..%d leave a gap after %d", h.begin, h.end, last)
	}
	n, ok := elements(h.shape)
	if !ok {
		return fmt.Errorf("shape %s is not possible", brief(h.shape))
	}
	if s := h.dtype.Size(); s > 0 && h.end-h.begin != int64(n)*int64(s) {
		return fmt.Errorf("offsets %d..%d: %s %s takes %d bytes", h.begin, h.end, h.dtype, brief(h.shape), int64(n)*int64(s))
	}
	return nil
}

// brief prints a shape, at most its first eight sizes.
func brief(shape []int) string {
	if len(shape) > 8 {
		return fmt.Sprintf("%v of %d dimensions", shape[:8], len(shape))
	}
	return fmt.Sprint(shape)
}

// parseHeader reads the JSON by tokens, because json.Unmarshal accepts duplicate keys and keys in any case.
func (f *File) parseHeader(raw []byte) (map[string]tensorHeader, error) {
	if !utf8.Valid(raw) {
		return nil, errors.New("not UTF-8")
	}
	d := json.NewDecoder(io.NewSectionReader(heard{f.ctx, bytes.NewReader(raw)}, 0, int64(len(raw))))
	d.UseNumber()
	headers := map[string]tensorHeader{}
	sawMeta := false
	err := eachKey(d, func(key string) (err error) {
		if key == "__metadata__" {
			if sawMeta {
				return errors.New("given twice")
			}
			sawMeta = true
			return eachKey(d, func(k string) error {
				if _, ok := f.meta[k]; ok {
					return errors.New("given twice")
				}
				s, err := token[string](d, "a string")
				if err == nil {
					err = few("values of metadata", len(f.meta))
				}
				if err == nil {
					err = f.table.spend(int64(len(k)+len(s)) + keyBytes)
				}
				f.meta[k] = s
				return err
			})
		}
		if _, ok := headers[key]; ok {
			return errors.New("given twice")
		}
		if len(key) > maxName {
			return fmt.Errorf("a name of %d bytes, want at most %d", len(key), maxName)
		}
		if err := cmp.Or(few("tensors", len(headers)), f.table.spend(int64(len(key))+keyBytes+tensorBytes)); err != nil {
			return err
		}
		headers[key], err = parseTensor(d, f.table)
		return err
	})
	if err != nil {
		return nil, err
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, errors.New("something follows the JSON object")
	}
	return headers, nil
}

// few returns an error unless one more of what a file holds is within maxEntries.
func few(what string, held int) error {
	if held >= maxEntries {
		return fmt.Errorf("%w: more than %d %s", ErrTooLarge, maxEntries, what)
	}
	return nil
}

func parseTensor(d *json.Decoder, table *budget) (h tensorHeader, err error) {
	seen := map[string]bool{}
	err = eachKey(d, func(key string) error {
		if seen[key] {
			return errors.New("given twice")
		}
		seen[key] = true
		switch key {
		case "dtype":
			s, err := token[string](d, "a string")
			h.dtype = DType(s)
			return err
		case "shape":
			h.shape, err = integers(d, table)
			return err
		case "data_offsets":
			o, err := integers(d, table)
			if err == nil && len(o) != 2 {
				err = fmt.Errorf("want 2 numbers, got %d", len(o))
			}
			if err != nil {
				return err
			}
			h.begin, h.end = int64(o[0]), int64(o[1])
			return nil
		}
		var skipped json.RawMessage
		return d.Decode(&skipped)
	})
	for _, key := range []string{"dtype", "shape", "data_offsets"} {
		if err == nil && !seen[key] {
			err = fmt.Errorf("no %s", key)
		}
	}
	return h, err
}

// eachKey reads a JSON object. It calls value to read each key's value.
func eachKey(d *json.Decoder, value func(key string) error) error {
	if err := opening(d, '{', "an object"); err != nil {
		return err
	}
	for d.More() {
		key, err := token[string](d, "a key")
		if err != nil {
			return err
		}
		if err := value(key); err != nil {
			return fmt.Errorf("%s: %w", Clean(key), err)
		}
	}
	_, err := token[json.Delim](d, "}")
	return err
}

// integers reads a JSON array of numbers from 0 to 2^63-1, into memory of table.
func integers(d *json.Decoder, table *budget) ([]int, error) {
	if err := opening(d, '[', "an array"); err != nil {
		return nil, err
	}
	out := []int{}
	for d.More() {
		if len(out) == maxRank {
			return nil, fmt.Errorf("more than %d numbers", maxRank)
		}
		s, err := token[json.Number](d, "a number")
		if err != nil {
			return nil, err
		}
		n, err := strconv.ParseUint(s.String(), 10, 63)
		if err != nil {
			return nil, fmt.Errorf("want a whole number below 2^63, got %.40s", s)
		}
		if err := table.spend(smallBytes); err != nil {
			return nil, err
		}
		out = append(out, int(n))
	}
	_, err := token[json.Delim](d, "]")
	return out, err
}

// opening reads the bracket that begins an object or array.
func opening(d *json.Decoder, bracket json.Delim, want string) error {
	t, err := token[json.Delim](d, want)
	if err == nil && t != bracket {
		err = fmt.Errorf("want %s, got %v", want, t)
	}
	return err
}

// token reads a JSON token of type T.
func token[T any](d *json.Decoder, want string) (v T, err error) {
	t, err := d.Token()
	if err != nil {
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return v, err
	}
	v, ok := t.(T)
	if !ok {
		return v, fmt.Errorf("want %s, got %.40q", want, fmt.Sprint(t))
	}
	return v, nil
}
