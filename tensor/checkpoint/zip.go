package checkpoint

import (
	"archive/zip"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
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
	most := uint64(unpacking*f.size) + 1<<20
	for _, m := range z.File {
		if m.UncompressedSize64 > most {
			return fmt.Errorf("zip archive: member %s: members take more than %d times the archive's %d bytes", clean(m.Name), unpacking, f.size)
		}
		most -= m.UncompressedSize64
		if members[m.Name] != nil {
			return fmt.Errorf("zip archive: two members %s", clean(m.Name))
		}
		members[m.Name] = m
		if path.Base(m.Name) == "data.pkl" {
			if pickle != "" {
				return fmt.Errorf("zip archive: both %s and %s", clean(pickle), clean(m.Name))
			}
			pickle = m.Name
		}
	}
	if pickle == "" {
		return errors.New("zip archive without data.pkl: not a PyTorch file")
	}
	root := strings.TrimSuffix(pickle, "data.pkl")
	if m, ok := members[root+"byteorder"]; ok {
		order, err := fromMember(r, f.size, m, func(r io.Reader) ([]byte, error) { return io.ReadAll(io.LimitReader(r, 16)) })
		if err == nil && string(order) != "little" {
			err = fmt.Errorf("byte order %q, want little", order)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", clean(m.Name), err)
		}
	}
	st := &storages{fileSize: f.size, byKey: map[string]*torchStorage{}}
	v, err := fromMember(r, f.size, members[pickle], func(r io.Reader) (any, error) {
		return unpickle(newSource(r, int64(members[pickle].UncompressedSize64)), st)
	})
	if err != nil {
		return fmt.Errorf("%s: %w", clean(pickle), err)
	}
	for key, s := range st.byKey {
		m, ok := members[root+"data/"+key]
		if !ok {
			return fmt.Errorf("zip archive: storage %s has no member", clean(key))
		}
		if m.UncompressedSize64 != uint64(s.bytes) {
			return fmt.Errorf("zip archive: member %s holds %d bytes, its storage %d", clean(m.Name), m.UncompressedSize64, s.bytes)
		}
		if s.place, err = place(r, f.size, m); err != nil {
			return fmt.Errorf("zip archive: member %s: %w", clean(m.Name), err)
		}
	}
	return f.collect(v)
}

// fromMember reads a value from the beginning of a member.
func fromMember[T any](r io.ReaderAt, size int64, m *zip.File, read func(io.Reader) (T, error)) (v T, err error) {
	p, err := place(r, size, m)
	if err != nil {
		return v, err
	}
	rc, err := p.open(0)
	if err != nil {
		return v, err
	}
	defer rc.Close() // of a reader: nothing can be lost
	return read(rc)
}

// place returns where a member's bytes are.
func place(r io.ReaderAt, size int64, m *zip.File) (storage, error) {
	if m.Flags&1 != 0 {
		return nil, errors.New("encrypted")
	}
	switch m.Method {
	case zip.Deflate:
		return packed{m}, nil
	case zip.Store:
	default:
		return nil, fmt.Errorf("packing method %d, want stored or deflated", m.Method)
	}
	at, err := m.DataOffset()
	if err != nil {
		return nil, err
	}
	n := m.UncompressedSize64
	if n != m.CompressedSize64 || at > size || n > uint64(size-at) {
		return nil, fmt.Errorf("%d bytes, stored in %d at %d: the archive has %d", n, m.CompressedSize64, at, size)
	}
	return span{r, at, int64(n)}, nil
}

// packed is a compressed member, which can only be read from its beginning.
type packed struct{ m *zip.File }

func (p packed) open(offset int64) (io.ReadCloser, error) {
	rc, err := p.m.Open()
	if err != nil {
		return nil, err
	}
	if _, err := io.CopyN(io.Discard, rc, offset); err != nil {
		rc.Close()
		return nil, err
	}
	return rc, nil
}
