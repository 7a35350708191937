package checkpoint

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"
)

// legacyMagic is in the first pickle of the stream that torch.save wrote before PyTorch 1.6: the integer
// 0x1950a86a20f9469cfc6c (torch/serialization.py, MAGIC_NUMBER). The protocol, and since protocol 4 a frame,
// precede it.
const legacyMagic = "\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19."

const legacyProtocol = 1001 // in the second pickle

// decodeLegacy reads pickles of the magic number, the protocol, the writer's machine, the object and the
// storages' keys; then, for each key, the number of elements in 8 bytes and the elements.
func (f *File) decodeLegacy(r io.ReaderAt) error {
	s := newSource(io.NewSectionReader(r, 0, f.size), f.size)
	none := &storages{fileSize: f.size, table: f.table, byKey: map[string]*torchStorage{}}
	st := &storages{fileSize: f.size, table: f.table, byKey: map[string]*torchStorage{}}
	var err error
	next := func(what string, in *storages) (v any) {
		if err == nil {
			if v, err = unpickle(f.ctx, s, in); err != nil {
				err = fmt.Errorf("%s: %w", what, err)
			}
		}
		return v
	}
	next("magic number", none)
	protocol := next("protocol", none)
	system, _ := next("system", none).(*dict)
	object := next("object", st)
	keys := next("keys of storages", none)
	switch {
	case err != nil:
	case protocol != any(int64(legacyProtocol)):
		err = fmt.Errorf("protocol is not %d", legacyProtocol)
	case system == nil || system.items["little_endian"] != any(true):
		err = errors.New("byte order is not little")
	default:
		err = st.locate(r, s.pos, keys)
	}
	if err != nil {
		return fmt.Errorf("legacy stream: %w", err)
	}
	return f.collect(object)
}

// locate finds the storages, which follow each other from byte at in the order of keys.
func (st *storages) locate(r io.ReaderAt, at int64, keys any) error {
	l, ok := keys.(*list)
	if !ok {
		return fmt.Errorf("keys of storages are %s, want a list", kind(keys))
	}
	for _, k := range l.items {
		key, _ := k.(string)
		s, ok := st.byKey[key]
		if !ok || s.place != nil {
			return fmt.Errorf("key %s of a storage is unknown or given twice", Clean(key))
		}
		var count [8]byte
		if n, err := r.ReadAt(count[:], at); n < len(count) {
			return fmt.Errorf("storage %s: %w", Clean(key), err)
		}
		at += 8
		if n := binary.LittleEndian.Uint64(count[:]); n != uint64(s.bytes/s.width) {
			return fmt.Errorf("storage %s holds %d elements, the pickle says %d", Clean(key), n, s.bytes/s.width)
		}
		if s.bytes > st.fileSize-at {
			return fmt.Errorf("storage %s: %d of %d bytes are there: %w", Clean(key), st.fileSize-at, s.bytes, io.ErrUnexpectedEOF)
		}
		s.place = span{r, at, s.bytes}
		at += s.bytes
	}
	for key, s := range st.byKey {
		if s.place == nil {
			return fmt.Errorf("storage %s is not in the file", Clean(key))
		}
	}
	return nil
}

// isLegacy reports whether a file that begins with head is a legacy stream.
func isLegacy(head []byte) bool {
	return len(head) > 0 && head[0] == 0x80 && strings.Contains(string(head), legacyMagic)
}
