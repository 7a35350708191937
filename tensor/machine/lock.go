package machine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// A HeldError says that another process holds a lock.
type HeldError struct {
	Path    string
	Process int // its number; 0 if it is not known
}

// Error names the file and the process.
func (e *HeldError) Error() string { return fmt.Sprintf("%s is locked by %s", e.Path, e.Holder()) }

// Holder is "process 123" or, where that is not known, "another process".
func (e *HeldError) Holder() string {
	if e.Process == 0 {
		return "another process"
	}
	return fmt.Sprintf("process %d", e.Process)
}

// errLocked is try's error while the lock is held elsewhere.
var errLocked = errors.New("locked")

// TryLock makes the file at path, whose folder exists, and locks it until unlock is called, which removes it,
// or the process ends in any way: a file that is left then is locked anew like any other. While another
// process, or another caller in this one, holds the lock the error is a *HeldError; on systems and disks
// without locks it is errors.ErrUnsupported.
func TryLock(path string) (unlock func() error, err error) {
	for {
		f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|careful, 0o644)
		if err != nil {
			return nil, err
		}
		err = try(f)
		if err == nil && !names(path, f) { // its last holder has removed it
			f.Close()
			continue
		}
		if err == nil {
			unlock = func() error { return release(f) }
			if err = sign(f); err != nil {
				return nil, errors.Join(err, unlock())
			}
			return unlock, nil
		}
		defer f.Close()
		if errors.Is(err, errLocked) {
			return nil, &HeldError{path, holder(f)}
		}
		if errors.Is(err, errors.ErrUnsupported) {
			os.Remove(path) // nobody needs it
		}
		return nil, &os.PathError{Op: "lock", Path: path, Err: err}
	}
}

// Lock is TryLock that makes the folder and waits until the lock is free. It calls wait once if it has to
// wait. On systems and disks without locks it returns at once.
func Lock(ctx context.Context, path string, wait func()) (unlock func() error, err error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, err
	}
	for first := true; ; first = false {
		unlock, err := TryLock(path)
		if errors.Is(err, errors.ErrUnsupported) {
			return func() error { return nil }, nil
		}
		if !errors.As(err, new(*HeldError)) {
			return unlock, err
		}
		if first {
			wait()
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// names reports whether path still leads to an open file.
func names(path string, f *os.File) bool {
	a, err := os.Lstat(path)
	b, failed := f.Stat()
	return err == nil && failed == nil && os.SameFile(a, b)
}

// sign writes the number of this process into a lock file.
func sign(f *os.File) error {
	if err := f.Truncate(0); err != nil {
		return err
	}
	_, err := f.WriteAt([]byte(strconv.Itoa(os.Getpid())), 0)
	return err
}

// holder returns the number that sign wrote, or 0.
func holder(f *os.File) int {
	text, err := io.ReadAll(io.NewSectionReader(f, 0, 20))
	if err != nil {
		return 0
	}
	n, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil || n < 0 {
		return 0
	}
	return n
}
