package download

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/promptcam/promptcam/tensor/machine"
)

// A File is a published file.
type File struct {
	URL    string
	Size   int64  // in bytes, more than 0
	SHA256 string // in hexadecimal digits; empty if unknown
	MD5    string // likewise, checked too
}

// Options say how to fetch.
type Options struct {
	Client   *http.Client            // nil: http.DefaultClient
	Stall    time.Duration           // closes a connection that brings no byte for so long; 0: never
	Tries    int                     // connections in a row that bring nothing before Fetch gives up, at least 1
	Pause    time.Duration           // before the second of these, doubled before each further one
	Progress func(done, total int64) // unless nil, called with the bytes so far after each piece
}

// DefaultOptions returns options for large files on ordinary connections.
func DefaultOptions() Options { return Options{Stall: time.Minute, Tries: 5, Pause: time.Second} }

// Fetch downloads f to path, unless path holds it already. A partial download is in path.part, with its
// origin in path.part.json. It stays there when ctx ends or the connection fails, and the next Fetch resumes
// it if the server still has the same file (RFC 9110, sections 13.1.5 and 14). Without a published hash the
// server is asked even if all bytes are there. What is at path is whole and on the disk. A pipe, a link or
// anything else in the place of one of these files, but for a link at path itself, is an error.
//
// Contents of another size or hash are an error that gives both. Fetch removes them if it downloaded them
// now, and leaves a file that was at path before. If f has no SHA-256, Fetch writes that of the download to
// path.sha256, in the format of sha256sum, and later calls check it.
//
// It panics on fewer than 1 try and on a size or hash that no file can have.
func (f File) Fetch(ctx context.Context, path string, o Options) error {
	f.check()
	if o.Tries < 1 {
		panic(fmt.Sprintf("download: %d tries, want at least 1", o.Tries))
	}
	switch info, err := os.Stat(path); {
	case err == nil && info.IsDir():
		return fmt.Errorf("%s is a folder, want a file", path)
	case err == nil && !info.Mode().IsRegular():
		return fmt.Errorf("%s is a %s, want a file", path, kind(info.Mode()))
	case err == nil:
		if err := f.verify(ctx, path, path); err != nil {
			return fmt.Errorf("%w: delete it, and it is downloaded anew", err)
		}
		return nil
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	p := &part{File: f, Options: o, path: path + ".part"}
	if err := p.complete(ctx); err != nil {
		return fmt.Errorf("%s: %w", f.URL, err)
	}
	return p.accept(ctx, path)
}

func (f File) check() {
	if f.Size <= 0 {
		panic(fmt.Sprintf("download: %s has %d bytes, want more than 0", f.URL, f.Size))
	}
	for _, h := range []struct {
		name, digits string
		bytes        int
	}{{"SHA-256", f.SHA256, 32}, {"MD5", f.MD5, 16}} {
		if b, err := hex.DecodeString(h.digits); err != nil || len(b) != h.bytes && h.digits != "" {
			panic(fmt.Sprintf("download: %s %q of %s is none", h.name, h.digits, f.URL))
		}
	}
}

// accept renames the complete part to path if it is the wanted file.
func (p *part) accept(ctx context.Context, path string) error {
	record := path + recordSuffix
	if p.SHA256 == "" { // the record is of a deleted file
		if err := os.Remove(record); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	if err := p.verify(ctx, p.path, path); err != nil {
		if ctx.Err() == nil {
			err = fmt.Errorf("%s gave what was not expected, which is removed: %w", p.URL, errors.Join(err, p.remove()))
		}
		return err
	}
	if err := machine.Rename(p.path, path); err != nil {
		return err
	}
	return p.remove() // its origin is left
}
