package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/promptcam/promptcam/data/download"
	"github.com/promptcam/promptcam/examples/internal/console"
	"github.com/promptcam/promptcam/vit"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// publishers serve small stand-ins for what -download fetches, into a cache of the test's own.
type publishers struct {
	*httptest.Server
	files    map[string][]byte
	requests []string
	halfway  atomic.Pointer[context.CancelFunc] // called when half of the next file has come, which then hangs
	cache    string
	arch     string // of the weights
}

func publish(t *testing.T) *publishers {
	p := &publishers{files: map[string][]byte{}}
	p.Server = httptest.NewServer(p)
	t.Cleanup(p.Close)
	for _, name := range []string{"XDG_CACHE_HOME", "HOME", "LocalAppData"} {
		t.Setenv(name, t.TempDir())
	}
	cache, err := os.UserCacheDir()
	require.NoError(t, err)
	p.cache = filepath.Join(cache, "promptcam")

	weights, arch := tinyBackbone(t, nil)
	p.arch = arch
	before := published
	t.Cleanup(func() { published = before })
	tiny := p.offer("/dino/tiny.pth", []byte(read(t, weights)))
	published.weights = map[string]download.File{"dino-vits16": tiny, "tiny": tiny}
	published.photographs = p.offer("/CUB_200_2011.tgz", archive(t, lists(t, t.TempDir(), 5, 4)))
	return p
}

func (p *publishers) offer(path string, body []byte) download.File {
	p.files[path] = body
	sum := sha256.Sum256(body)
	return download.File{URL: p.URL + path, Size: int64(len(body)), SHA256: hex.EncodeToString(sum[:])}
}

func (p *publishers) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.requests = append(p.requests, r.URL.Path+" "+r.Header.Get("Range"))
	body, ok := p.files[r.URL.Path]
	if !ok {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("ETag", `"1"`)
	if cancel := p.halfway.Swap(nil); cancel != nil {
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		w.Write(body[:len(body)/2])
		w.(http.Flusher).Flush()
		for r.Context().Err() == nil {
			if info, err := os.Stat(filepath.Join(p.cache, path.Base(r.URL.Path)+".part")); err == nil && info.Size() == int64(len(body)/2) {
				(*cancel)()
				<-r.Context().Done()
			}
			time.Sleep(time.Millisecond)
		}
		return
	}
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(body))
}

// archive packs a folder as CUB's publisher does, with a file beside it.
func archive(t *testing.T, dir string) []byte {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	w := tar.NewWriter(z)
	add := func(name, text string) {
		require.NoError(t, w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(text))}))
		_, err := w.Write([]byte(text))
		require.NoError(t, err)
	}
	add("attributes.txt", "1 has_bill_shape::curved\n")
	for _, name := range files(t, dir) {
		add("CUB_200_2011/"+name, read(t, dir, name))
	}
	require.NoError(t, w.Close())
	require.NoError(t, z.Close())
	return b.Bytes()
}

func TestDownload(t *testing.T) {
	p := publish(t)
	out := t.TempDir()
	train := []string{"-download", "-arch", p.arch, "-epochs", "1", "-out", out}
	stdout := must(t, train...)
	images := filepath.Join(p.cache, "CUB_200_2011", "CUB_200_2011")
	assert.Contains(t, stdout, "downloading "+p.URL+"/CUB_200_2011.tgz, 0 MB\n")
	assert.Contains(t, stdout, "weights: "+filepath.Join(p.cache, "dino-vits16.pth")+"\n")
	assert.Contains(t, stdout, "photographs: "+images+"\n")
	assert.EqualValues(t, 12, readMetrics(t, out)["test_images"])
	assert.Equal(t, []string{"/dino/tiny.pth ", "/CUB_200_2011.tgz "}, p.requests)
	assert.NoFileExists(t, filepath.Join(p.cache, "CUB_200_2011.tgz"))

	p.Close() // nothing is asked for any more
	assert.NotContains(t, must(t, train...), "downloading")

	// Of what was damaged later, nothing is made.
	write(t, filepath.Join(p.cache, "dino-vits16.pth"), "damaged")
	fails(t, train, "--download: "+filepath.Join(p.cache, "dino-vits16.pth"), "has 7 bytes", "delete it")
}

// Only what a run needs is fetched: the weights are those that the model was trained on.
func TestDownloadForTrainedModel(t *testing.T) {
	p := publish(t)
	out := t.TempDir()
	data := lists(t, t.TempDir(), 5, 4)
	must(t, "-download", "-data", data, "-weights", "tiny", "-arch", p.arch, "-epochs", "1", "-out", out)
	assert.Equal(t, []string{"/dino/tiny.pth "}, p.requests)
	model := filepath.Join(out, "model.safetensors")
	photo := filepath.Join(data, "images", "001.blue", "0.jpg")
	require.NoError(t, os.RemoveAll(p.cache))

	must(t, "explain", "-download", "--model", model, photo, "-out", t.TempDir())
	assert.Equal(t, []string{"/dino/tiny.pth ", "/dino/tiny.pth "}, p.requests)
	require.NoError(t, os.RemoveAll(p.cache))
	stdout, stderr, err := cub(t, t.Context(), "predict", "-download", "--model", model, photo)
	require.NoError(t, err)
	assert.True(t, strings.HasPrefix(stdout, "path,predicted,"), stdout)
	assert.Equal(t, 2, strings.Count(stdout, "\n"))
	assert.Contains(t, stderr, "downloading ")
	must(t, "evaluate", "-download", "--model", model, "-out", t.TempDir())
	assert.Len(t, p.requests, 4)
	assert.True(t, exists(p.cache, "CUB_200_2011", "attributes.txt"))
	assert.True(t, exists(p.cache, "tiny.pth"))

	delete(published.weights, "tiny")
	require.NoError(t, os.Remove(filepath.Join(p.cache, "tiny.pth")))
	fails(t, []string{"evaluate", "-download", "--model", model, "-out", t.TempDir()}, "--weights is missing: "+model+" was trained on tiny, and --download knows dino-vits16")
}

func TestDownloadInterrupted(t *testing.T) {
	p := publish(t)
	weights := filepath.Join(t.TempDir(), "tiny.pth")
	write(t, weights, string(p.files["/dino/tiny.pth"]))
	args := []string{"-download", "-weights", weights, "-arch", p.arch, "-epochs", "1", "-out", t.TempDir()}

	ctx, cancel := context.WithCancel(t.Context())
	p.halfway.Store(&cancel)
	_, _, err := cub(t, ctx, args...)
	require.ErrorIs(t, err, context.Canceled)
	require.EqualError(t, err, "interrupted; what has been downloaded is in "+p.cache+": the same line continues")
	must(t, args...)
	assert.Equal(t, []string{"/CUB_200_2011.tgz ", fmt.Sprintf("/CUB_200_2011.tgz bytes=%d-", published.photographs.Size/2)}, p.requests)
}

func TestDownloadRefuses(t *testing.T) {
	p := publish(t)
	args := []string{"-download", "-arch", p.arch, "-epochs", "1", "-out", t.TempDir()}
	right := published.photographs
	published.photographs.SHA256 = strings.Repeat("ab", 32)
	fails(t, args, "--download: "+right.URL, right.SHA256, "want "+published.photographs.SHA256)
	published.photographs = p.offer("/CUB_200_2011.tgz", p.files["/CUB_200_2011.tgz"][:1000])
	fails(t, args, "CUB_200_2011.tgz: ", "cut off")
	require.False(t, exists(p.cache, "CUB_200_2011"))
	published.photographs.URL = p.URL + "/none"
	require.NoError(t, os.Remove(filepath.Join(p.cache, "CUB_200_2011.tgz")))
	fails(t, args, "--download: "+p.URL+"/none: 404 Not Found")

	file := filepath.Join(t.TempDir(), "w.pth")
	write(t, file, "")
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"-download", "-data", "d", "-weights", file}, "nothing to fetch"},
		{[]string{"-data", "d", "-weights", "tiny"}, "--weights tiny is no file: with --download"},
		{[]string{"-download", "-weights", "dino-vitl16"}, "--weights dino-vitl16: no such file, and --download knows dino-vits16, tiny"},
	} {
		_, _, err := cub(t, t.Context(), c.args...)
		require.ErrorAs(t, err, new(console.UsageError))
		assert.ErrorContains(t, err, c.want)
	}
	fails(t, []string{"evaluate", "-download", "--model", "none", "-out", t.TempDir()}, "--model none: no such file")
}

func TestPublished(t *testing.T) {
	for name, f := range published.weights {
		_, err := vit.Preset(name)
		assert.NoError(t, err)
		assert.Contains(t, f.URL, "https://")
	}
	assert.Contains(t, published.weights, defaultWeights)
	assert.Contains(t, published.photographs.URL, "https://")
}
