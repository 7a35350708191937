package machine

import (
	"runtime/debug"

	"golang.org/x/sys/unix"
)

// Memory returns the bytes that a process can hope for: the machine's memory and swap space, and not more
// than the limit of GOMEMLIMIT; or false if that is not known. A container's limit is not.
func Memory() (int64, bool) {
	var s unix.Sysinfo_t
	if err := unix.Sysinfo(&s); err != nil {
		return 0, false
	}
	return min(int64((uint64(s.Totalram)+uint64(s.Totalswap))*uint64(s.Unit)), debug.SetMemoryLimit(-1)), true
}
