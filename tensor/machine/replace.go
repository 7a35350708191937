package machine

import (
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Replace replaces a file by what write writes, atomically: it makes a temporary file in the same folder for
// write, flushes it to disk and renames it. path holds either the old contents or all of the new, and an error
// leaves no temporary file. What a killed process has left, the next writing of path removes, or Sweep. Errors
// begin with path.
func Replace(path string, write func(*os.File) error) (err error) {
	sweep(filepath.Dir(path), filepath.Base(path))
	f, err := temporary(path)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	defer func() {
		if err != nil {
			f.Close() // perhaps a second time, which does no harm
			os.Remove(f.Name())
			err = fmt.Errorf("%s: %w", path, err)
		}
	}()
	if err := write(f); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if !sweeps { // with a lock, closing would let others take it for a dead process's
		if err := f.Close(); err != nil {
			return err
		}
	}
	if err := rename(f.Name(), path); err != nil {
		return err
	}
	f.Close() // its bytes are on the disk
	return nil
}

// mark is in the names of temporary files: .NAME.tmp-RANDOM, with 26 letters and digits of rand.Text.
const mark = ".tmp-"

const randomLength = 26

// temporary makes a temporary file for path, locked where the system has locks.
func temporary(path string) (*os.File, error) {
	for {
		f, err := os.OpenFile(filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+mark+rand.Text()), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
		if err != nil {
			return nil, err
		}
		// Until it is locked, a sweeping process may take it for a dead one's.
		if !sweeps || try(f) != errLocked && names(f.Name(), f) {
			return f, nil // with another error the file system has no locks, and nobody can sweep
		}
		f.Close()
	}
}

// Sweep removes from a folder the temporary files of Replace whose process was killed. It does nothing to those
// of processes that live, nor where a locked file cannot be renamed (Windows).
func Sweep(folder string) { sweep(folder, "") }

// sweep is Sweep for the temporary files of one name, or, if it is empty, of all.
func sweep(folder, name string) {
	if !sweeps {
		return
	}
	dir, err := os.Open(folder)
	if err != nil {
		return
	}
	all, _ := dir.Readdirnames(-1)
	dir.Close()
	for _, n := range all {
		at := len(n) - randomLength - len(mark)
		if at < 1 || n[0] != '.' || n[at:at+len(mark)] != mark || name != "" && n[1:at] != name ||
			strings.Trim(n[at+len(mark):], "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567") != "" {
			continue
		}
		path := filepath.Join(folder, n)
		if s, err := os.Lstat(path); err != nil || !s.Mode().IsRegular() {
			continue
		}
		f, err := os.OpenFile(path, os.O_WRONLY, 0)
		if err != nil {
			continue
		}
		if try(f) == nil && names(path, f) {
			os.Remove(path)
		}
		f.Close()
	}
}
