package checkpoint

import (
	"bufio"
	"crypto/rand"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// WriteFile replaces a file by what write writes, atomically: it writes a temporary file in the same folder,
// flushes it to disk and renames it. path holds either the old contents or all of the new, and an error
// leaves no temporary file. Errors begin with path.
func WriteFile(path string, write func(io.Writer) error) error {
	return replace(path, func(f *os.File) error {
		w := bufio.NewWriterSize(f, 1<<16)
		if err := write(w); err != nil {
			return err
		}
		return w.Flush()
	})
}

// replace is WriteFile for callers that need the file itself.
func replace(path string, write func(*os.File) error) (err error) {
	temporary := filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+".tmp-"+rand.Text())
	f, err := os.OpenFile(temporary, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	defer func() {
		if err != nil {
			f.Close() // perhaps a second time, which does no harm
			os.Remove(temporary)
			err = fmt.Errorf("%s: %w", path, err)
		}
	}()
	if err := write(f); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	if err := os.Rename(temporary, path); err != nil {
		return err
	}
	// Flushing the folder makes the rename durable. Not every system can, and the file is whole either way.
	if dir, err := os.Open(filepath.Dir(path)); err == nil {
		dir.Sync()
		dir.Close()
	}
	return nil
}
