package checkpoint

import (
	"archive/zip"
	"compress/flate"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
	"sync"
)

// zipMagic begins a zip archive's first member.
const zipMagic = "PK\x03\x04"

// unpacking is how many times larger a zip's members together may be than the archive. torch.save does not
// compress, and trained weights hardly compress; deflate itself reaches 1032.
const unpacking = 100

// decodeZip reads an archive of torch.save or torch.jit.save: NAME/data.pkl, NAME/data/KEY for each storage,
// and perhaps NAME/byteorder. Other members of torch.jit.save's (code, constants.pkl, constants/KEY) hold no
// attributes.
func (f *File) decodeZip(r io.ReaderAt) error {
	z, err := zip.NewReader(r, f.size)
	if err != nil {
		// An interrupted download lacks the directory, which is at the end.
		return fmt.Errorf("zip archive cut short or damaged: %w", err)
	}
	members := make(map[string]*zip.File, len(z.File))
	pickle := ""
	most := uint64(unpacking)*uint64(f.size) + 1<<20
	for _, m := range z.File {
		if m.UncompressedSize64 > most {
			return fmt.Errorf("%w: zip archive: member %s: members take more than %d times the archive's %d bytes", ErrTooLarge, Clean(m.Name), unpacking, f.size)
		}
		most -= m.UncompressedSize64
		if members[m.Name] != nil {
			return fmt.Errorf("zip archive: two members %s", Clean(m.Name))
		}
		members[m.Name] = m
		if path.Base(m.Name) == "data.pkl" {
			if pickle != "" {
				return fmt.Errorf("zip archive: both %s and %s", Clean(pickle), Clean(m.Name))
			}
			pickle = m.Name
		}
	}
	if pickle == "" {
		return otherZip(z.File)
	}
	root := strings.TrimSuffix(pickle, "data.pkl")
	if m, ok := members[root+"byteorder"]; ok {
		order := make([]byte, min(16, m.UncompressedSize64))
		rc, err := f.member(r, m)
		if err == nil {
			err = readFull(rc, order)
		}
		if err == nil && string(order) != "little" {
			err = fmt.Errorf("byte order %q, want little", order)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", Clean(m.Name), err)
		}
	}
	st := &storages{fileSize: f.size, table: f.table, byKey: map[string]*torchStorage{}}
	rc, err := f.member(r, members[pickle])
	if err != nil {
		return fmt.Errorf("%s: %w", Clean(pickle), err)
	}
	v, err := unpickle(f.ctx, newSource(rc, int64(members[pickle].UncompressedSize64)), st)
	if err != nil {
		return fmt.Errorf("%s: %w", Clean(pickle), err)
	}
	for key, s := range st.byKey {
		m, ok := members[root+"data/"+key]
		if !ok {
			return fmt.Errorf("zip archive: storage %s has no member", Clean(key))
		}
		if m.UncompressedSize64 != uint64(s.bytes) {
			return fmt.Errorf("zip archive: member %s holds %d bytes, its storage %d", Clean(m.Name), m.UncompressedSize64, s.bytes)
		}
		where, err := f.place(r, m)
		if err != nil {
			return fmt.Errorf("zip archive: member %s: %w", Clean(m.Name), err)
		}
		if s.place = where; m.Method == zip.Deflate {
			s.place = &packed{compressed: where, size: s.bytes, tensors: f.tensors}
		}
	}
	return f.collect(v)
}

// member returns a reader of a member's bytes.
func (f *File) member(r io.ReaderAt, m *zip.File) (io.Reader, error) {
	p, err := f.place(r, m)
	if err != nil {
		return nil, err
	}
	if m.Method == zip.Deflate {
		return flate.NewReader(p.reader()), nil
	}
	return p.reader(), nil
}

// place returns where a member's bytes are, as stored.
func (f *File) place(r io.ReaderAt, m *zip.File) (span, error) {
	if m.Flags&1 != 0 {
		return span{}, errors.New("encrypted")
	}
	if m.Method != zip.Store && m.Method != zip.Deflate {
		return span{}, fmt.Errorf("packing method %d, want stored or deflated", m.Method)
	}
	at, err := m.DataOffset()
	if err != nil {
		return span{}, err
	}
	n := m.CompressedSize64
	if m.Method == zip.Store && n != m.UncompressedSize64 || at > f.size || n > uint64(f.size-at) {
		return span{}, fmt.Errorf("%d bytes, stored in %d at %d: the archive has %d", m.UncompressedSize64, n, at, f.size)
	}
	return span{r, at, int64(n)}, nil
}

// packed is a storage that is compressed, and so can only be read from its beginning. Once it has been read
// again, for another tensor or name, it is kept in memory.
type packed struct {
	compressed span
	size       int64
	tensors    *budget

	mu   sync.Mutex
	used bool
	kept unpacked
}

func (p *packed) open(end int64) (readable, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.kept != nil {
		return p.kept, nil
	}
	err := p.tensors.allows(end)
	if p.used {
		end = p.size
		err = p.tensors.spend(end)
	}
	if err != nil {
		return nil, err
	}
	raw := make(unpacked, end)
	if err := readFull(flate.NewReader(p.compressed.reader()), raw); err != nil {
		return nil, err
	}
	if p.used {
		p.kept = raw
	}
	p.used = true
	return raw, nil
}

// unpacked is a storage in memory.
type unpacked []byte

func (u unpacked) readAt(p []byte, offset int64) error {
	copy(p, u[offset:])
	return nil
}
