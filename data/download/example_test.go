package download_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"

	"github.com/promptcam/promptcam/data/download"
)

func check(err error) {
	if err != nil {
		panic(err)
	}
}

// Photographs come from their publisher, here a local one.
func ExampleFile_Fetch() {
	archive := photographs()
	publisher := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Write(archive) }))
	defer publisher.Close()
	dir, err := os.MkdirTemp("", "")
	check(err)
	defer os.RemoveAll(dir)

	ctx := context.Background()
	f := download.File{URL: publisher.URL + "/birds.tgz", Size: int64(len(archive))}
	path := filepath.Join(dir, "birds.tgz")
	check(f.Fetch(ctx, path, download.DefaultOptions()))
	birds := filepath.Join(dir, "birds")
	check(download.Unpack(ctx, path, birds, download.Limits{Files: 100, Bytes: 1 << 20}, nil))
	text, err := os.ReadFile(filepath.Join(birds, "classes.txt"))
	check(err)
	fmt.Print(string(text))

	// Output:
	// 1 oriole
}

func photographs() []byte {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	w := tar.NewWriter(z)
	text := "1 oriole\n"
	check(w.WriteHeader(&tar.Header{Name: "classes.txt", Mode: 0o644, Size: int64(len(text))}))
	_, err := w.Write([]byte(text))
	check(err)
	check(w.Close())
	check(z.Close())
	return b.Bytes()
}
