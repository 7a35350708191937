package download

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"time"
)

// errLocked is try's error while another process holds the lock.
var errLocked = errors.New("locked by another process")

// Lock waits until no other process has locked the file at path, and locks it until unlock is called or the
// process ends. It creates the file if need be, and never removes it. It calls wait once if it has to wait.
// On systems without such locks it returns at once.
func Lock(ctx context.Context, path string, wait func()) (unlock func() error, err error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, err
	}
	for first := true; ; first = false {
		err := try(f)
		if err == nil {
			return f.Close, nil // closing unlocks
		}
		if !errors.Is(err, errLocked) {
			f.Close()
			return nil, &os.PathError{Op: "lock", Path: path, Err: err}
		}
		if first {
			wait()
		}
		select {
		case <-ctx.Done():
			f.Close()
			return nil, ctx.Err()
		case <-time.After(200 * time.Millisecond):
		}
	}
}
