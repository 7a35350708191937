package machine

import (
	"os"

	"golang.org/x/sys/unix"
)

// syncTree flushes the disk that a folder is on: for thousands of small files that is one wait, not thousands.
func syncTree(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer f.Close() // it was only read
	if err := unix.Syncfs(int(f.Fd())); err != nil {
		return &os.PathError{Op: "sync", Path: dir, Err: err}
	}
	return nil
}
