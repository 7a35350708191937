package kernel

import (
	"runtime"
	"sync"
)

// Stock lends scratch memory to operations. A sync.Pool would drop it, megabytes of it, at every garbage
// collection. Stock does not keep the memory of very many simultaneous calls or of one huge call.
type Stock[T any] struct {
	mu   sync.Mutex
	free []*T
}

// Get returns a T, which may hold its last user's data.
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

// mostHeld is the longest slice kept for the next call: 32 MB.
const mostHeld = 8 << 20

// sized returns n elements of *s, which it grows as needed. A huge n gets memory of its own.
func sized(s *[]float32, n int) []float32 {
	if n > mostHeld {
		return Make(n)
	}
	if cap(*s) < n {
		*s = Make(n)
	}
	return (*s)[:n]
}
