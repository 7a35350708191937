package download

import (
	"context"
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A publisher serves one file, faults included.
type publisher struct {
	*httptest.Server
	body     []byte
	tag      string           // ETag; empty: none
	fault    http.HandlerFunc // instead of the file, once it is set
	requests []*http.Request
}

func publish(t *testing.T, body []byte) *publisher {
	p := &publisher{body: body, tag: `"1"`}
	p.Server = httptest.NewServer(p)
	t.Cleanup(p.Close)
	return p
}

func (p *publisher) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.requests = append(p.requests, r)
	if p.fault != nil {
		p.fault(w, r)
		return
	}
	p.serve(w, r)
}

func (p *publisher) serve(w http.ResponseWriter, r *http.Request) {
	if p.tag != "" {
		w.Header().Set("ETag", p.tag)
	}
	http.ServeContent(w, r, "", time.Time{}, strings.NewReader(string(p.body)))
}

// cutAfter serves n bytes of what is asked for and then ends the connection.
func (p *publisher) cutAfter(n int) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) { p.serve(&short{w, n}, r) }
}

type short struct {
	http.ResponseWriter
	left int
}

func (s *short) Write(b []byte) (int, error) {
	if len(b) > s.left {
		s.ResponseWriter.Write(b[:s.left])
		s.ResponseWriter.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	}
	s.left -= len(b)
	return s.ResponseWriter.Write(b)
}

// ranges lists what the requests asked for.
func (p *publisher) ranges() (all []string) {
	for _, r := range p.requests {
		all = append(all, r.Header.Get("Range"))
	}
	return all
}

func contents(n int) []byte {
	b := make([]byte, n)
	rng := rand.New(rand.NewPCG(1, 2))
	for i := range b {
		b[i] = byte(rng.Uint32())
	}
	return b
}

func sha(b []byte) string { s := sha256.Sum256(b); return hex.EncodeToString(s[:]) }

func (p *publisher) file() File {
	m := md5.Sum(p.body)
	return File{URL: p.URL + "/f.bin", Size: int64(len(p.body)), SHA256: sha(p.body), MD5: hex.EncodeToString(m[:])}
}

var quick = Options{Tries: 2, Pause: time.Millisecond}

func names(t *testing.T, dir string) (all []string) {
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	for _, e := range entries {
		all = append(all, e.Name())
	}
	return all
}

func requireFile(t *testing.T, want []byte, path string) {
	t.Helper()
	got, err := os.ReadFile(path)
	require.NoError(t, err)
	require.True(t, string(want) == string(got), "%d bytes, want %d", len(got), len(want))
}

func TestFetch(t *testing.T) {
	p := publish(t, contents(300_000))
	dir := filepath.Join(t.TempDir(), "a", "b")
	path := filepath.Join(dir, "f.bin")
	o := quick
	var last int64
	o.Progress = func(done, total int64) {
		assert.Greater(t, done, last)
		assert.EqualValues(t, 300_000, total)
		last = done
	}
	require.NoError(t, p.file().Fetch(t.Context(), path, o))
	requireFile(t, p.body, path)
	assert.EqualValues(t, 300_000, last)
	assert.Equal(t, []string{"f.bin"}, names(t, dir))

	require.NoError(t, p.file().Fetch(t.Context(), path, o))
	assert.Len(t, p.requests, 1, "what is there and right is not asked for")
}

func TestFetchResumes(t *testing.T) {
	t.Run("in the same call, however often it is cut off", func(t *testing.T) {
		p := publish(t, contents(300_000))
		p.fault = p.cutAfter(70_000)
		path := filepath.Join(t.TempDir(), "f.bin")
		require.NoError(t, p.file().Fetch(t.Context(), path, quick))
		requireFile(t, p.body, path)
		assert.Equal(t, []string{"", "bytes=70000-", "bytes=140000-", "bytes=210000-", "bytes=280000-"}, p.ranges())
		assert.Equal(t, `"1"`, p.requests[1].Header.Get("If-Range"))
	})
	t.Run("in a later call", func(t *testing.T) {
		p := publish(t, contents(300_000))
		dir := t.TempDir()
		path := filepath.Join(dir, "f.bin")
		p.fault = p.cutAfter(100_000)
		p.file().interrupted(t, path, 100_000)
		assert.Equal(t, []string{"f.bin.part", "f.bin.part.json"}, names(t, dir))

		p.fault, p.requests = nil, nil
		var first int64
		o := quick
		o.Progress = func(done, _ int64) {
			if first == 0 {
				first = done
			}
		}
		require.NoError(t, p.file().Fetch(t.Context(), path, o))
		requireFile(t, p.body, path)
		assert.Equal(t, []string{"bytes=100000-"}, p.ranges())
		assert.Greater(t, first, int64(100_000))
		assert.Equal(t, []string{"f.bin"}, names(t, dir))
	})
	t.Run("by the date of the last change", func(t *testing.T) {
		p := publish(t, contents(300_000))
		p.tag = `W/"weak"`
		changed := time.Date(2021, 4, 29, 1, 2, 3, 0, time.UTC)
		p.fault = func(w http.ResponseWriter, r *http.Request) {
			http.ServeContent(&short{w, 200_000}, r, "", changed, strings.NewReader(string(p.body)))
		}
		path := filepath.Join(t.TempDir(), "f.bin")
		require.NoError(t, p.file().Fetch(t.Context(), path, quick))
		requireFile(t, p.body, path)
		assert.Equal(t, []string{"", "bytes=200000-"}, p.ranges())
		assert.Equal(t, "Thu, 29 Apr 2021 01:02:03 GMT", p.requests[1].Header.Get("If-Range"))
	})
	t.Run("where the server says neither how much it sends nor how much there is", func(t *testing.T) {
		p := publish(t, contents(300_000))
		p.fault = func(w http.ResponseWriter, r *http.Request) {
			c, _, err := w.(http.Hijacker).Hijack()
			if !assert.NoError(t, err) {
				return
			}
			defer c.Close()
			if r.Header.Get("Range") == "" {
				fmt.Fprintf(c, "HTTP/1.0 200 OK\r\nETag: %s\r\n\r\n%s", p.tag, p.body[:100_000])
				return
			}
			fmt.Fprintf(c, "HTTP/1.0 206 Partial Content\r\nContent-Range: bytes 100000-299999/*\r\n\r\n%s", p.body[100_000:])
		}
		path := filepath.Join(t.TempDir(), "f.bin")
		require.NoError(t, p.file().Fetch(t.Context(), path, quick))
		requireFile(t, p.body, path)
		assert.Equal(t, []string{"", "bytes=100000-"}, p.ranges())
	})
	t.Run("a part that only had to be renamed", func(t *testing.T) {
		p := publish(t, contents(1000))
		path := filepath.Join(t.TempDir(), "f.bin")
		require.NoError(t, os.WriteFile(path+".part", p.body, 0o644))
		require.NoError(t, p.file().Fetch(t.Context(), path, quick))
		assert.Empty(t, p.requests)
	})
}

// interrupted fetches until bytes have come and the context ends, as by Ctrl-C.
func (f File) interrupted(t *testing.T, path string, bytes int64) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	o := quick
	o.Progress = func(done, _ int64) {
		if done >= bytes {
			cancel()
		}
	}
	err := f.Fetch(ctx, path, o)
	require.ErrorIs(t, err, context.Canceled)
	info, err := os.Stat(path + ".part")
	require.NoError(t, err, "the part stays")
	require.GreaterOrEqual(t, info.Size(), bytes)
}

// Where the beginning cannot be continued, it is thrown away and the file comes whole.
func TestFetchStartsAnew(t *testing.T) {
	for name, change := range map[string]func(p *publisher, path string){
		"the server has a new version": func(p *publisher, _ string) { p.tag, p.body = `"2"`, contents(400_000)[100_000:] },
		"a validator is missing":       func(_ *publisher, path string) { os.Remove(path + ".part.json") },
		"the origin is no JSON":        func(_ *publisher, path string) { os.WriteFile(path+".part.json", []byte("{"), 0o644) },
		"the part is of another address": func(_ *publisher, path string) {
			os.WriteFile(path+".part.json", []byte(`{"url":"u","validator":"\"1\""}`), 0o644)
		},
		"the part is longer": func(_ *publisher, path string) { os.WriteFile(path+".part", contents(300_001), 0o644) },
		"the server ignores ranges": func(p *publisher, _ string) {
			p.fault = func(w http.ResponseWriter, r *http.Request) {
				r.Header.Del("Range")
				p.serve(w, r)
			}
		},
		"the server ignores If-Range": func(p *publisher, _ string) {
			p.tag, p.body = `"2"`, contents(400_000)[100_000:]
			p.fault = func(w http.ResponseWriter, r *http.Request) {
				r.Header.Del("If-Range")
				p.serve(w, r)
			}
		},
		"416": func(p *publisher, _ string) {
			p.fault = func(w http.ResponseWriter, r *http.Request) {
				if r.Header.Get("Range") != "" {
					w.WriteHeader(http.StatusRequestedRangeNotSatisfiable)
					return
				}
				p.serve(w, r)
			}
		},
		"a part of other bytes than were asked for": func(p *publisher, _ string) {
			p.fault = func(w http.ResponseWriter, r *http.Request) {
				if r.Header.Get("Range") != "" {
					r.Header.Set("Range", "bytes=5-")
				}
				p.serve(w, r)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := publish(t, contents(300_000))
			dir := t.TempDir()
			path := filepath.Join(dir, "f.bin")
			p.file().interrupted(t, path, 1)
			require.NoError(t, os.Truncate(path+".part", 1000))
			change(p, path)
			require.NoError(t, p.file().Fetch(t.Context(), path, quick))
			requireFile(t, p.body, path)
			assert.Equal(t, []string{"f.bin"}, names(t, dir))
		})
	}
}

// A server that starts anew each time, and never comes to the end, is given up.
func TestFetchGivesUp(t *testing.T) {
	p := publish(t, contents(300_000))
	p.fault = func(w http.ResponseWriter, r *http.Request) {
		r.Header.Del("Range")
		p.cutAfter(100_000)(w, r)
	}
	path := filepath.Join(t.TempDir(), "f.bin")
	err := p.file().Fetch(t.Context(), path, quick)
	require.ErrorContains(t, err, p.URL+"/f.bin: gave up after 2 connections that brought nothing, with 100000 of 300000 bytes")
	assert.Len(t, p.requests, 3)
}

func TestFetchEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	p := publish(t, contents(1000))
	p.fault = func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusServiceUnavailable)
		cancel()
	}
	o := Options{Tries: 2, Pause: time.Hour}
	require.ErrorIs(t, p.file().Fetch(ctx, filepath.Join(t.TempDir(), "f.bin"), o), context.Canceled)

	path := filepath.Join(t.TempDir(), "f.bin")
	require.NoError(t, os.WriteFile(path+".part", p.body, 0o644))
	require.ErrorIs(t, p.file().Fetch(ctx, path, o), context.Canceled)
	requireFile(t, p.body, path+".part") // it was not found to be wrong
}

func TestFetchStalled(t *testing.T) {
	o := quick
	o.Stall = 50 * time.Millisecond
	t.Run("before the header", func(t *testing.T) {
		p := publish(t, contents(300_000))
		p.fault = func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
		err := p.file().Fetch(t.Context(), filepath.Join(t.TempDir(), "f.bin"), o)
		require.ErrorIs(t, err, errStalled)
		require.ErrorContains(t, err, "the server went silent for 50ms")
	})
	t.Run("in the middle", func(t *testing.T) {
		p := publish(t, contents(300_000))
		p.fault = func(w http.ResponseWriter, r *http.Request) { p.serve(&silent{w, 70_000, r.Context()}, r) }
		path := filepath.Join(t.TempDir(), "f.bin")
		require.NoError(t, p.file().Fetch(t.Context(), path, o))
		requireFile(t, p.body, path)
		assert.Equal(t, []string{"", "bytes=70000-", "bytes=140000-", "bytes=210000-", "bytes=280000-"}, p.ranges())
	})
}

// silent sends so many bytes and then none.
type silent struct {
	http.ResponseWriter
	left int
	ctx  context.Context
}

func (s *silent) Write(b []byte) (int, error) {
	n, err := s.ResponseWriter.Write(b[:min(s.left, len(b))])
	s.left -= n
	s.ResponseWriter.(http.Flusher).Flush()
	if s.left == 0 {
		<-s.ctx.Done()
	}
	return n, err
}

func TestFetchRefuses(t *testing.T) {
	status := func(code int) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
	}
	text := func(s string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, s) }
	}
	for name, c := range map[string]struct {
		fault    http.HandlerFunc
		want     string
		requests int
	}{
		"404":                    {status(404), "404 Not Found", 1},
		"403":                    {status(403), "403 Forbidden", 1},
		"503":                    {status(503), "gave up after 2 connections that brought nothing, with 0 of 300000 bytes: 503 Service Unavailable", 2},
		"429":                    {status(429), "429 Too Many Requests", 2},
		"204":                    {status(204), "204 No Content", 1},
		"416 for the whole file": {status(416), "the server has another file than before", 2},
		"a page instead":         {text("<html>please log in</html>"), "the server has 26 bytes, want 300000", 1},
		"a longer file, its length unsaid": {func(w http.ResponseWriter, _ *http.Request) {
			w.(http.Flusher).Flush()
			w.Write(contents(300_001))
		}, "the server has more than 300000 bytes", 1},
		"redirected for ever": {func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/f.bin", http.StatusFound) }, "redirected 10 times", 10},
		"a part that was not asked for": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Range", "bytes 0-9/300000")
			w.WriteHeader(http.StatusPartialContent)
		}, `the server sent a part "bytes 0-9/300000" that does not follow 0 bytes`, 2},
	} {
		t.Run(name, func(t *testing.T) {
			p := publish(t, contents(300_000))
			p.fault = c.fault
			dir := t.TempDir()
			err := p.file().Fetch(t.Context(), filepath.Join(dir, "f.bin"), quick)
			require.ErrorContains(t, err, c.want)
			assert.ErrorContains(t, err, p.URL+"/f.bin")
			assert.Equal(t, 1, strings.Count(err.Error(), p.URL))
			assert.Len(t, p.requests, c.requests)
			assert.Empty(t, names(t, dir))
		})
	}
	t.Run("no server", func(t *testing.T) {
		p := publish(t, contents(10))
		p.Close()
		err := p.file().Fetch(t.Context(), filepath.Join(t.TempDir(), "f.bin"), quick)
		require.ErrorContains(t, err, "gave up after 2 connections")
	})
	t.Run("no address", func(t *testing.T) {
		err := File{URL: ":", Size: 1}.Fetch(t.Context(), filepath.Join(t.TempDir(), "f.bin"), quick)
		require.ErrorContains(t, err, "missing protocol scheme")
	})
	t.Run("another size, asked for the rest", func(t *testing.T) {
		p := publish(t, contents(300_000))
		path := filepath.Join(t.TempDir(), "f.bin")
		f := p.file()
		f.interrupted(t, path, 1)
		require.NoError(t, os.Truncate(path+".part", 1000))
		p.body = append(p.body, 1) // under the old tag
		require.ErrorContains(t, f.Fetch(t.Context(), path, quick), "the server has 300001 bytes, want 300000")
	})
}

func TestFetchFollowsRedirects(t *testing.T) {
	p := publish(t, contents(300_000))
	p.fault = func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/f.bin" {
			http.Redirect(w, r, "/elsewhere", http.StatusFound)
			return
		}
		p.cutAfter(200_000)(w, r)
	}
	path := filepath.Join(t.TempDir(), "f.bin")
	require.NoError(t, p.file().Fetch(t.Context(), path, quick))
	requireFile(t, p.body, path)
	assert.Equal(t, []string{"", "", "bytes=200000-", "bytes=200000-"}, p.ranges(), "each connection starts at the published address")

	t.Run("but not from https to http", func(t *testing.T) {
		secure := httptest.NewTLSServer(http.RedirectHandler(p.URL, http.StatusFound))
		defer secure.Close()
		o := quick
		o.Client = secure.Client()
		f := p.file()
		f.URL = secure.URL
		err := f.Fetch(t.Context(), filepath.Join(t.TempDir(), "f.bin"), o)
		require.ErrorContains(t, err, "redirected from https to http://")
	})
	t.Run("and as the client wants it", func(t *testing.T) {
		o := quick
		o.Client = &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
		require.ErrorContains(t, p.file().Fetch(t.Context(), filepath.Join(t.TempDir(), "f.bin"), o), "302 Found")
	})
}

func TestFetchChecksHashes(t *testing.T) {
	for name, spoil := range map[string]func(*File){
		"SHA-256": func(f *File) { f.SHA256 = sha([]byte("another")) },
		"MD5":     func(f *File) { f.MD5 = strings.Repeat("AB", 16) },
	} {
		t.Run(name, func(t *testing.T) {
			p := publish(t, contents(1000))
			dir := t.TempDir()
			path := filepath.Join(dir, "f.bin")
			f := p.file()
			right := f
			spoil(&f)
			err := f.Fetch(t.Context(), path, quick)
			require.ErrorContains(t, err, p.URL+"/f.bin gave what was not expected, which is removed: "+path+".part has "+name)
			for _, h := range [][2]string{{right.SHA256, f.SHA256}, {right.MD5, f.MD5}} {
				if h[0] != h[1] {
					assert.ErrorContains(t, err, h[0]+", want "+strings.ToLower(h[1]))
				}
			}
			assert.Empty(t, names(t, dir))
		})
	}
	t.Run("of what is there", func(t *testing.T) {
		p := publish(t, contents(1000))
		path := filepath.Join(t.TempDir(), "f.bin")
		other := make([]byte, 1000)
		require.NoError(t, os.WriteFile(path, other, 0o644))
		err := p.file().Fetch(t.Context(), path, quick)
		require.ErrorContains(t, err, path+" has SHA-256 "+sha(other)+", want "+sha(p.body)+": delete it")
		requireFile(t, other, path)
		require.NoError(t, os.WriteFile(path, other[1:], 0o644))
		require.ErrorContains(t, p.file().Fetch(t.Context(), path, quick), path+" has 999 bytes, want 1000: delete it")
		assert.Empty(t, p.requests)
	})
}

// Without a published hash the first download's is kept, in the format of sha256sum.
func TestFetchWithoutHash(t *testing.T) {
	p := publish(t, contents(1000))
	dir := t.TempDir()
	path := filepath.Join(dir, "f.bin")
	f := File{URL: p.URL + "/f.bin", Size: 1000}
	require.NoError(t, os.WriteFile(path+".sha256", []byte("of a file that was deleted"), 0o644))
	require.NoError(t, f.Fetch(t.Context(), path, quick))
	requireFile(t, []byte(sha(p.body)+"  f.bin\n"), path+".sha256")
	require.NoError(t, f.Fetch(t.Context(), path, quick))
	assert.Equal(t, []string{"f.bin", "f.bin.sha256"}, names(t, dir))

	changed := contents(1000)
	changed[500] ^= 1
	require.NoError(t, os.WriteFile(path, changed, 0o644))
	err := f.Fetch(t.Context(), path, quick)
	require.ErrorContains(t, err, path+" has SHA-256 "+sha(changed)+`, want "`+sha(p.body)+`", which `+path+".sha256 says")

	require.NoError(t, os.Remove(path+".sha256"))
	require.NoError(t, f.Fetch(t.Context(), path, quick), "a file put there by hand gets a record")
	requireFile(t, []byte(sha(changed)+"  f.bin\n"), path+".sha256")
}

func TestFetchNamesTaken(t *testing.T) {
	p := publish(t, contents(1000))
	dir := t.TempDir()
	path := filepath.Join(dir, "f.bin")
	require.NoError(t, os.Mkdir(path, 0o755))
	require.ErrorContains(t, p.file().Fetch(t.Context(), path, quick), path+" is a folder, want a file")

	path = filepath.Join(dir, "g.bin")
	require.NoError(t, os.Mkdir(path+".part", 0o755))
	require.ErrorContains(t, p.file().Fetch(t.Context(), path, quick), path+".part is a folder")

	path = filepath.Join(dir, "h.bin")
	require.NoError(t, os.MkdirAll(filepath.Join(path+".part.json", "x"), 0o755))
	require.ErrorContains(t, p.file().Fetch(t.Context(), path, quick), path+".part.json")

	file := filepath.Join(dir, "file")
	require.NoError(t, os.WriteFile(file, nil, 0o644))
	require.ErrorContains(t, p.file().Fetch(t.Context(), filepath.Join(file, "f.bin"), quick), file)
}

func TestFetchPanics(t *testing.T) {
	for name, f := range map[string]File{
		"no size":   {URL: "u"},
		"short SHA": {URL: "u", Size: 1, SHA256: "ab"},
		"odd MD5":   {URL: "u", Size: 1, MD5: strings.Repeat("g", 32)},
	} {
		assert.Panics(t, func() { f.Fetch(t.Context(), "f", quick) }, name)
	}
	assert.Panics(t, func() { File{URL: "u", Size: 1}.Fetch(t.Context(), "f", Options{}) })
}
