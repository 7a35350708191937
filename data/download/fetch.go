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
)

// A File is what a publisher offers at an address.
type File struct {
	URL    string
	Size   int64  // in bytes, more than 0
	SHA256 string // in hexadecimal digits; empty: not known
	MD5    string // the same; checked besides
}

// Options say how to fetch.
type Options struct {
	Client   *http.Client            // nil: http.DefaultClient
	Stall    time.Duration           // without a byte for so long a connection is given up; 0: never
	Tries    int                     // connections in a row that bring nothing before Fetch gives up, at least 1
	Pause    time.Duration           // before the second of these, and twice as long before each further one
	Progress func(done, total int64) // is told how many bytes are there, after each piece; nil: nobody is
}

// DefaultOptions returns options for large files on ordinary connections.
func DefaultOptions() Options { return Options{Stall: time.Minute, Tries: 5, Pause: time.Second} }

// Fetch sees to it that path holds f, and downloads it unless it does. What has come so far is in
// path.part, with its origin in path.part.json. It stays there when ctx ends or the connection
// fails, and the next Fetch goes on from it, if the server still has the same file (RFC 9110,
// sections 13.1.5 and 14).
//
// Contents of another size or hash are an error that says both, and are removed if they were
// downloaded now; a file that path holds already is left. Where f has no SHA-256, that of what
// came is written to path.sha256, as sha256sum does, and is the one that is wanted later.
//
// A size or hash that no file can have panics.
func (f File) Fetch(ctx context.Context, path string, o Options) error {
	f.check()
	if o.Tries < 1 {
		panic(fmt.Sprintf("download: %d tries, want at least 1", o.Tries))
	}
	switch info, err := os.Stat(path); {
	case err == nil && info.IsDir():
		return fmt.Errorf("%s is a folder, want a file", path)
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

// accept makes the complete part the file, if it is the one that is wanted.
func (p *part) accept(ctx context.Context, path string) error {
	record := path + recordSuffix
	if p.SHA256 == "" { // a record without its file is of a file that was deleted, to be fetched anew
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
	if err := os.Rename(p.path, path); err != nil {
		return err
	}
	return p.remove() // its origin is left
}
