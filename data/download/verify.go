package download

import (
	"bytes"
	"context"
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// recordSuffix ends the name of the file with the SHA-256 of a download whose publisher gives none.
const recordSuffix = ".sha256"

// verify returns an error unless the file at path is f. Without a SHA-256 in f it compares with the record
// beside final, the file's name in the end, or writes one.
func (f File) verify(ctx context.Context, path, final string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	s, m := sha256.New(), md5.New()
	to := io.Writer(s)
	if f.MD5 != "" {
		to = io.MultiWriter(s, m)
	}
	n, err := io.Copy(to, until(ctx, file))
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if n != f.Size {
		return fmt.Errorf("%s has %d bytes, want %d", path, n, f.Size)
	}
	sum := hex.EncodeToString(s.Sum(nil))
	for _, h := range []struct{ name, got, want string }{{"SHA-256", sum, f.SHA256}, {"MD5", hex.EncodeToString(m.Sum(nil)), f.MD5}} {
		if h.want != "" && !strings.EqualFold(h.got, h.want) {
			return fmt.Errorf("%s has %s %s, want %s", path, h.name, h.got, strings.ToLower(h.want))
		}
	}
	if f.SHA256 != "" {
		return nil
	}
	record := final + recordSuffix
	line := []byte(sum + "  " + filepath.Base(final) + "\n")
	old, err := os.ReadFile(record)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return write(record, line)
	case err != nil:
		return err
	case !bytes.Equal(old, line):
		want, _, _ := strings.Cut(string(old), " ")
		return fmt.Errorf("%s has SHA-256 %s, want %.64q, which %s says it had when it was downloaded", final, sum, want, record)
	}
	return nil
}

// write writes a small file, whole or not at all.
func write(path string, text []byte) error {
	temporary := path + ".tmp"
	if err := os.WriteFile(temporary, text, 0o644); err != nil {
		return err
	}
	return os.Rename(temporary, path)
}

// A watched reader passes the length of each read to check, and fails with its error.
type watched struct {
	io.Reader
	check func(n int) error
}

func (w *watched) Read(p []byte) (int, error) {
	n, err := w.Reader.Read(p)
	if e := w.check(n); e != nil {
		return 0, e // without the bytes, behind which a buffer would hide it
	}
	return n, err
}

// until returns a reader that fails once ctx ends.
func until(ctx context.Context, r io.Reader) io.Reader {
	return &watched{r, func(int) error { return ctx.Err() }}
}
