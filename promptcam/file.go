package promptcam

import (
	"fmt"
	"io"
)

// WriteFile lets write fill a file whole or not at all: it writes to a
// temporary name in path's folder, flushes to disk and renames. On any error
// path holds what it held before.
func WriteFile(path string, write func(io.Writer) error) error {
	if err := overwrite(path, write); err != nil {
		return fmt.Errorf("promptcam: write %s: %w", path, err)
	}
	return nil
}
