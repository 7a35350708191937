//go:build !linux

package machine

import (
	"math"
	"runtime/debug"
)

// Memory returns the limit of GOMEMLIMIT, or false without one: the machine's memory is not known here.
func Memory() (int64, bool) {
	limit := debug.SetMemoryLimit(-1)
	return limit, limit < math.MaxInt64
}
