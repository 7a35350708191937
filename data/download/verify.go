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

// recordSuffix ends the name of the file that holds the SHA-256 of a download without a published one.
const recordSuffix = ".sha256"

// verify returns an error unless the file at path is f. If f has no SHA-256, that in the record of
// final, the name that the file has or will have, serves; without one it is written.
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
	n, err := io.Copy(to, &reader{ctx, file})
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
	return heldTo(final, sum)
}

// heldTo compares a file's SHA-256 with its record, or makes one.
func heldTo(path, sum string) error {
	record := path + recordSuffix
	line := []byte(sum + "  " + filepath.Base(path) + "\n")
	old, err := os.ReadFile(record)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return write(record, line)
	case err != nil:
		return err
	case !bytes.Equal(old, line):
		want, _, _ := strings.Cut(string(old), " ")
		return fmt.Errorf("%s has SHA-256 %s, want %.64q, which %s says it had when it was downloaded", path, sum, want, record)
	}
	return nil
}

// write makes a small file, whole or not at all.
func write(path string, text []byte) error {
	temporary := path + ".tmp"
	if err := os.WriteFile(temporary, text, 0o644); err != nil {
		return err
	}
	return os.Rename(temporary, path)
}

// A reader ends with its context.
type reader struct {
	ctx context.Context
	io.Reader
}

func (r *reader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.Reader.Read(p)
}
