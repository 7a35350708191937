//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package machine

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// sweeps says that a file can be renamed while it is locked, so that its lock tells a living process's temporary
// file from a dead one's.
const sweeps = true

// careful neither waits for the other end of a pipe nor writes to what a link leads to.
const careful = unix.O_NONBLOCK | unix.O_NOFOLLOW

func try(f *os.File) error {
	err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	switch {
	case errors.Is(err, unix.EWOULDBLOCK):
		return errLocked
	case errors.Is(err, unix.ENOLCK): // a network disk without a lock service
		return errors.ErrUnsupported
	}
	return err
}

// release removes the file while it is locked, so that nobody locks one that is about to go.
func release(f *os.File) error { return errors.Join(os.Remove(f.Name()), f.Close()) }
