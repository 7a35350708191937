package machine

import (
	"errors"
	"os"
	"path/filepath"
)

// LockFile is the name of the file that Occupy locks in a folder.
const LockFile = ".lock"

// Occupy makes a folder, unless it is there, and keeps others from occupying it until free is called, which
// removes the folder if it was made for nothing, or the process ends. Errors: a *HeldError while another holds
// it, and a folder that cannot be written. On systems and disks without locks nobody is kept from anything.
func Occupy(dir string) (free func(), err error) {
	_, err = os.Stat(dir)
	made := errors.Is(err, os.ErrNotExist)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	unlock, err := TryLock(filepath.Join(dir, LockFile))
	if err != nil && !errors.Is(err, errors.ErrUnsupported) {
		return nil, err
	}
	return func() {
		if unlock != nil {
			unlock()
		}
		if made {
			os.Remove(dir) // which fails if anything is in it
		}
	}, nil
}
