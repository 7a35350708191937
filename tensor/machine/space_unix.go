//go:build linux || darwin || freebsd

package machine

import "golang.org/x/sys/unix"

// FreeSpace returns the bytes that can be written in dir, or false if that is not known.
func FreeSpace(dir string) (int64, bool) {
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		return 0, false
	}
	return int64(s.Bavail) * int64(s.Bsize), true
}
