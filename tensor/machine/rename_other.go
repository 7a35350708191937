//go:build !linux

package machine

import (
	"io/fs"
	"os"
	"path/filepath"
)

// syncTree flushes every file below a folder.
func syncTree(dir string) error {
	return filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		return syncFile(path, os.O_WRONLY)
	})
}
