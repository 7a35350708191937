package machine

import (
	"errors"
	"os"

	"golang.org/x/sys/windows"
)

const sweeps = false // see lock_unix.go

const careful = 0

// try locks a byte far behind the holder's number, which others can then read.
func try(f *os.File) error {
	err := windows.LockFileEx(windows.Handle(f.Fd()), windows.LOCKFILE_EXCLUSIVE_LOCK|windows.LOCKFILE_FAIL_IMMEDIATELY, 0, 1, 0, &windows.Overlapped{Offset: 1 << 20})
	if errors.Is(err, windows.ERROR_LOCK_VIOLATION) {
		return errLocked
	}
	return err
}

// release closes the file first: an open one cannot be removed, neither here nor while others have opened it.
func release(f *os.File) error {
	err := f.Close()
	os.Remove(f.Name())
	return err
}
