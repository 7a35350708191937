package data

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"io/fs"
	"slices"
)

// Fingerprint is what a file's contents are known by.
type Fingerprint struct {
	Bytes  int64
	SHA256 [sha256.Size]byte
}

// ReadFingerprint reads a file. It refuses, with an error that names the file, what is not a regular file.
func ReadFingerprint(fsys fs.FS, name string) (p Fingerprint, err error) {
	fsys = orDir(fsys)
	defer func() {
		if err != nil {
			err = fmt.Errorf("data: %s: %w", PathOf(fsys, name), cause(err))
		}
	}()
	if _, err = regularSize(fsys, name); err != nil {
		return p, err
	}
	f, err := fsys.Open(name)
	if err != nil {
		return p, err
	}
	defer f.Close() // it is only read
	h := sha256.New()
	if p.Bytes, err = io.Copy(h, f); err != nil {
		return p, err
	}
	h.Sum(p.SHA256[:0])
	return p, nil
}

// Duplicates returns the groups of items whose files have the same contents, as indices in order, the groups in
// order of their first items. Only files of equal sizes are read. Files that cannot be read are in no group. An
// error is that of ctx.
func Duplicates(ctx context.Context, fsys fs.FS, items []Item) ([][]int, error) {
	fsys = orDir(fsys)
	bySize := map[int64][]int{}
	for i, it := range items {
		if n, err := regularSize(fsys, it.Path); err == nil && n > 0 {
			bySize[n] = append(bySize[n], i)
		}
	}
	var read []int
	for _, of := range bySize {
		if len(of) > 1 {
			read = append(read, of...)
		}
	}
	slices.Sort(read)
	prints := make([]Fingerprint, len(read))
	if err := Each(ctx, len(read), 0, func(_, i int) error {
		if p, err := ReadFingerprint(fsys, items[read[i]].Path); err == nil {
			prints[i] = p
		}
		return nil
	}); err != nil {
		return nil, err
	}
	same := map[Fingerprint][]int{}
	for i, p := range prints {
		same[p] = append(same[p], read[i])
	}
	var groups [][]int
	for p, of := range same {
		if p != (Fingerprint{}) && len(of) > 1 {
			groups = append(groups, of)
		}
	}
	slices.SortFunc(groups, func(a, b []int) int { return a[0] - b[0] })
	return groups, nil
}
