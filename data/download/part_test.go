//go:build unix

package download

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A part of the right size is not believed where no hash is published: the server is asked.
func TestFullPartWithoutHash(t *testing.T) {
	body := []byte("0123456789")
	for name, c := range map[string]struct {
		origin   string // of the part
		modified bool   // the server's file since then
		first    string // range that is asked for first
	}{
		"no origin":       {"", false, ""},
		"of this file":    {`{"url":"URL","validator":"\"1\""}`, false, "bytes=9-"},
		"of another one":  {`{"url":"elsewhere","validator":"\"1\""}`, false, ""},
		"since changed":   {`{"url":"URL","validator":"\"0\""}`, true, "bytes=9-"},
		"damaged origin":  {`{"url`, false, ""},
		"origin of zeros": {string(make([]byte, 20)), false, ""},
	} {
		t.Run(name, func(t *testing.T) {
			p := publish(t, body)
			path := filepath.Join(t.TempDir(), "f")
			part := body
			if c.first == "" || c.modified {
				part = make([]byte, len(body)) // somebody else's bytes
			}
			require.NoError(t, os.WriteFile(path+".part", part, 0o644))
			origin := bytes.ReplaceAll([]byte(c.origin), []byte("URL"), []byte(p.URL))
			require.NoError(t, os.WriteFile(path+".part.json", origin, 0o644))
			f := File{URL: p.URL, Size: int64(len(body))}
			require.NoError(t, f.Fetch(t.Context(), path, Options{Tries: 1}))
			got, err := os.ReadFile(path)
			require.NoError(t, err)
			assert.Equal(t, body, got)
			require.NotEmpty(t, p.requests)
			assert.Equal(t, c.first, p.ranges()[0])
		})
	}
	// With a hash the bytes speak for themselves.
	p := publish(t, body)
	path, sum := filepath.Join(t.TempDir(), "f"), sha256.Sum256(body)
	require.NoError(t, os.WriteFile(path+".part", body, 0o644))
	require.NoError(t, File{URL: p.URL, Size: 10, SHA256: hex.EncodeToString(sum[:])}.Fetch(t.Context(), path, Options{Tries: 1}))
	assert.Empty(t, p.requests)
}

// Pipes, links and devices in the place of our files are refused, and nothing waits for a pipe's other end.
func TestPartIsNoFile(t *testing.T) {
	body := []byte("0123456789")
	p := publish(t, body)
	f := File{URL: p.URL, Size: int64(len(body))}
	for _, suffix := range []string{"", ".part", ".part.json", ".sha256"} {
		for kind, put := range map[string]func(path string) error{
			"pipe":   func(path string) error { return syscall.Mkfifo(path, 0o644) },
			"link":   func(path string) error { return os.Symlink(filepath.Join(filepath.Dir(path), "victim"), path) },
			"folder": func(path string) error { return os.MkdirAll(filepath.Join(path, "full"), 0o755) },
		} {
			t.Run(kind+" "+suffix, func(t *testing.T) {
				dir := t.TempDir()
				victim := filepath.Join(dir, "victim")
				require.NoError(t, os.WriteFile(victim, body, 0o644))
				require.NoError(t, put(filepath.Join(dir, "f"+suffix)))
				err := f.Fetch(t.Context(), filepath.Join(dir, "f"), Options{Tries: 1})
				if err != nil {
					assert.Contains(t, err.Error(), filepath.Join(dir, "f"+suffix))
				}
				if suffix == ".part" || suffix == "" && kind != "link" { // other files are made anew
					require.ErrorContains(t, err, "is a "+kind)
				}
				got, err := os.ReadFile(victim)
				require.NoError(t, err)
				assert.Equal(t, body, got)
			})
		}
	}
	archive := filepath.Join(t.TempDir(), "pipe.tgz")
	require.NoError(t, syscall.Mkfifo(archive, 0o644))
	require.ErrorContains(t, Unpack(t.Context(), archive, filepath.Join(t.TempDir(), "new"), small, nil), "is a pipe")
}

// answers is a server of any answers.
type answers func(*http.Request) (*http.Response, error)

func (a answers) RoundTrip(r *http.Request) (*http.Response, error) { return a(r) }

// reset ends like a connection that breaks.
type reset struct{ io.Reader }

func (r reset) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	if err == io.EOF {
		err = errors.New("connection reset")
	}
	return n, err
}

// Whatever part is there and whatever the server answers, Fetch ends, and leaves the wanted file or none.
func FuzzFetch(f *testing.F) {
	body := []byte("0123456789")
	sum := sha256.Sum256(body)
	own := []byte(`{"url":"http://x/f","validator":"\"1\""}`)
	const noPart, breaks, moved, noHash = 1, 2, 4, 8
	f.Add(own, []byte("01234"), uint16(206), "bytes 5-9/10", `"1"`, "", []byte("56789"), uint16(200), body, uint8(0))
	f.Add(own, []byte("01234"), uint16(206), "bytes 5-8/*", `"1"`, "", []byte("5678"), uint16(206), []byte("9"), uint8(breaks))
	f.Add(own, []byte("0123456789"), uint16(206), "bytes 9-9/10", `"1"`, "", []byte("9"), uint16(416), []byte{}, uint8(noHash))
	f.Add([]byte(`{}`), []byte{}, uint16(200), "", `W/"1"`, "Mon, 01 Jan 2024 00:00:00 GMT", []byte("012"), uint16(416), body, uint8(noPart))
	f.Add([]byte("x"), []byte("01234567890"), uint16(302), "http://y/f", "", "", []byte("0"), uint16(503), []byte{}, uint8(moved))
	f.Add(own, []byte("9876543210"), uint16(200), "", "", "", []byte("0123456789abc"), uint16(429), body, uint8(breaks|noHash))
	f.Fuzz(func(t *testing.T, origin, part []byte, status uint16, field, tag, modified string, one []byte, status2 uint16, two []byte, how uint8) {
		path := filepath.Join(t.TempDir(), "f")
		if how&noPart == 0 {
			require.NoError(t, os.WriteFile(path+".part", part, 0o644))
			require.NoError(t, os.WriteFile(path+".part.json", origin, 0o644))
		}
		connections := 0
		server := answers(func(r *http.Request) (*http.Response, error) {
			connections++
			require.Less(t, connections, 200)
			code, text := int(status), one
			if connections%2 == 0 {
				code, text = int(status2), two
			}
			h := http.Header{}
			for name, value := range map[string]string{"Content-Range": field, "Etag": tag, "Last-Modified": modified} {
				if value != "" {
					h.Set(name, value)
				}
			}
			if how&moved != 0 {
				h.Set("Location", field)
			}
			a := &http.Response{StatusCode: code, Status: strconv.Itoa(code), Header: h, ContentLength: int64(len(text)), Body: io.NopCloser(bytes.NewReader(text)), Request: r}
			if how&breaks != 0 {
				a.ContentLength, a.Body = -1, io.NopCloser(reset{bytes.NewReader(text)})
			}
			return a, nil
		})
		file := File{URL: "http://x/f", Size: int64(len(body))}
		if how&noHash == 0 {
			file.SHA256 = hex.EncodeToString(sum[:])
		}
		err := file.Fetch(t.Context(), path, Options{Client: &http.Client{Transport: server}, Tries: 3, Pause: time.Nanosecond})
		got, missing := os.ReadFile(path)
		require.Equal(t, err == nil, missing == nil, "%v", err)
		if err == nil {
			require.Len(t, got, len(body))
			require.True(t, how&noHash != 0 || bytes.Equal(body, got), "%q", got)
			require.True(t, how&noHash == 0 || connections > 0, "nobody vouches for it")
		}
	})
}
