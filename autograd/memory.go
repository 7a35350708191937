package autograd

import (
	"iter"
	"math"
)

// memory recycles slices by length: the steps of a training run ask for
// the same lengths again and again.
type memory struct {
	free map[int][][]float32
	lent [][]float32 // to be taken back at Reset
}

// get returns a slice of n undefined values.
func (m *memory) get(n int) []float32 {
	if l := m.free[n]; len(l) > 0 {
		s := l[len(l)-1]
		m.free[n] = l[:len(l)-1]
		return s
	}
	return make([]float32, n)
}

// put takes s back.
func (m *memory) put(s []float32) {
	if poison {
		for i := range s {
			s[i] = float32(math.NaN())
		}
	}
	if m.free == nil {
		m.free = map[int][][]float32{}
	}
	m.free[len(s)] = append(m.free[len(s)], s)
}

// lend notes that s is to be taken back by reclaim.
func (m *memory) lend(s []float32) { m.lent = append(m.lent, s) }

func (m *memory) reclaim() {
	for _, s := range m.lent {
		m.put(s)
	}
	clear(m.lent)
	m.lent = m.lent[:0]
}

// slab hands out values that stay where they are and are used again after reset.
type slab[T any] struct {
	chunks [][]T
	n      int
}

const slabChunk = 128

func (s *slab[T]) next() *T {
	if s.n == len(s.chunks)*slabChunk {
		s.chunks = append(s.chunks, make([]T, slabChunk))
	}
	s.n++
	return &s.chunks[(s.n-1)/slabChunk][(s.n-1)%slabChunk]
}

func (s *slab[T]) used() iter.Seq[*T] {
	return func(yield func(*T) bool) {
		for i := range s.n {
			if !yield(&s.chunks[i/slabChunk][i%slabChunk]) {
				return
			}
		}
	}
}

func (s *slab[T]) reset() { s.n = 0 }
