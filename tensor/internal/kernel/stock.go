package kernel

import (
	"runtime"
	"sync"
)

// Stock lends memory that operations need while they run. A sync.Pool would lose it, megabytes of it, with
// every garbage collection. What many calls at a time needed, or one huge call, is not kept.
type Stock[T any] struct {
	mu   sync.Mutex
	free []*T
}

// Get returns a T that may hold what its last user left in it.
func (s *Stock[T]) Get() *T {
	s.mu.Lock()
	defer s.mu.Unlock()
	last := len(s.free) - 1
	if last < 0 {
		return new(T)
	}
	p := s.free[last]
	s.free[last] = nil
	s.free = s.free[:last]
	return p
}

// Put takes p back.
func (s *Stock[T]) Put(p *T) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.free) < mostFree {
		s.free = append(s.free, p)
	}
}

var mostFree = 4 * runtime.NumCPU()

// mostHeld is the most elements that a slice may have and be held for the next call: 32 MB, which few need.
const mostHeld = 8 << 20

// sized returns n elements, those of *s, which grows, but for a huge n.
func sized(s *[]float32, n int) []float32 {
	if n > mostHeld {
		return Make(n)
	}
	if cap(*s) < n {
		*s = Make(n)
	}
	return (*s)[:n]
}
