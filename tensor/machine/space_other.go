//go:build !(linux || darwin || freebsd)

package machine

// FreeSpace returns the bytes that can be written in dir, or false: here it is not known.
func FreeSpace(dir string) (int64, bool) { return 0, false }
