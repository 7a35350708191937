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

	"github.com/promptcam/promptcam/tensor/machine"
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
	old, err := readSmall(record)
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
	return machine.Replace(path, func(f *os.File) error {
		_, err := f.Write(text)
		return err
	})
}

// lstat describes a file of ours; nil if there is none. Whatever else has its name is an error: a pipe could
// be waited for without end, and a link leads to a file that is not ours.
func lstat(path string) (fs.FileInfo, error) {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s is a %s, want a file or nothing", path, kind(info.Mode()))
	}
	return info, nil
}

// kind names what is no regular file.
func kind(m fs.FileMode) string {
	switch {
	case m.IsDir():
		return "folder"
	case m&fs.ModeSymlink != 0:
		return "link"
	case m&fs.ModeNamedPipe != 0:
		return "pipe"
	}
	return "device or socket"
}

// readSmall reads a file of ours, none of which is longer than an address and a hash.
func readSmall(path string) ([]byte, error) {
	const most = 64 << 10
	switch info, err := lstat(path); {
	case err != nil:
		return nil, err
	case info == nil:
		return nil, &fs.PathError{Op: "open", Path: path, Err: fs.ErrNotExist}
	case info.Size() > most:
		return nil, fmt.Errorf("%s has %d bytes, want at most %d", path, info.Size(), most)
	}
	return os.ReadFile(path)
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
