package kernel

import "sync"

// Stock lends memory that operations need while they run. A sync.Pool would lose
// it, megabytes of it, with every garbage collection.
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
	s.free = s.free[:last]
	return p
}

// Put takes p back.
func (s *Stock[T]) Put(p *T) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.free = append(s.free, p)
}

// sized returns *s with room for n elements.
func sized(s *[]float32, n int) []float32 {
	if cap(*s) < n {
		*s = Make(n)
	}
	return (*s)[:n]
}
