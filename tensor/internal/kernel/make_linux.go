package kernel

import "golang.org/x/sys/unix"

// adviseHuge asks for large pages. Only speed depends on getting them.
func adviseHuge(from, size uintptr) {
	_, _, _ = unix.Syscall(unix.SYS_MADVISE, from, size, unix.MADV_HUGEPAGE)
}
