package promptcam

import (
	"bufio"
	"fmt"
	"image"
	"image/png"
	"io"
	"os"
	"path/filepath"
)

// WritePNG writes a picture to path as PNG. An earlier file of that name is
// replaced only once the new one is complete.
func WritePNG(path string, m image.Image) error {
	if err := overwrite(path, func(w io.Writer) error { return png.Encode(w, m) }); err != nil {
		return fmt.Errorf("promptcam: write picture: %w", err)
	}
	return nil
}

// overwrite lets write fill a temporary file in path's folder, then gives it
// path's name. On any error path is left as it was.
func overwrite(path string, write func(io.Writer) error) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			f.Close()
			os.Remove(f.Name())
		}
	}()
	w := bufio.NewWriterSize(f, 1<<16)
	if err := write(w); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if err := f.Chmod(0o644); err != nil { // CreateTemp's files are the owner's alone
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
