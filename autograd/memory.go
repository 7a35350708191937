package autograd

import (
	"math"
	"slices"

	"github.com/promptcam/promptcam/tensor"
)

// memory recycles slices by length: the steps of a training run request the same lengths again and again.
type memory struct {
	free map[int]*stock
	lent [][]float32 // taken back at Reset
	step int         // how many times Reset was called
}

// stock holds the free slices of one length.
type stock struct {
	slices [][]float32
	low    int // the fewest since the last inventory
}

// inventory is the number of steps after which slices that none of them used go to the garbage collector:
// enough to alternate between several batch sizes, without keeping an odd batch's memory forever.
const inventory = 8

// get returns a slice of n undefined values.
func (m *memory) get(n int) []float32 {
	l := m.free[n]
	if l == nil || len(l.slices) == 0 {
		s := tensor.New(n).Data()
		spoil(s)
		return s
	}
	last := len(l.slices) - 1
	s := l.slices[last]
	l.slices = l.slices[:last]
	l.low = min(l.low, last)
	return s
}

// put takes s back.
func (m *memory) put(s []float32) {
	spoil(s)
	if m.free == nil {
		m.free = map[int]*stock{}
	}
	l := m.free[len(s)]
	if l == nil {
		l = &stock{}
		m.free[len(s)] = l
	}
	l.slices = append(l.slices, s)
}

// spoil turns undefined values into NaN if poison is set.
func spoil(s []float32) {
	if poison {
		for i := range s {
			s[i] = float32(math.NaN())
		}
	}
}

// lend notes that s is to be taken back by reclaim.
func (m *memory) lend(s []float32) { m.lent = append(m.lent, s) }

// reclaim ends a step.
func (m *memory) reclaim() {
	for _, s := range m.lent {
		m.put(s)
	}
	clear(m.lent)
	m.lent = m.lent[:0]
	if m.step++; m.step%inventory != 0 {
		return
	}
	for n, l := range m.free {
		if l.slices = slices.Delete(l.slices, 0, l.low); len(l.slices) == 0 {
			delete(m.free, n)
		}
		l.low = len(l.slices)
	}
}

// slab hands out values with fixed addresses. It reuses them after reset.
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
	return s.at(s.n - 1)
}

func (s *slab[T]) at(i int) *T { return &s.chunks[i/slabChunk][i%slabChunk] }

func (s *slab[T]) reset() {
	s.n = 0
	if poison {
		s.chunks = nil // so that use after reset does not hit the value's successor
	}
}

// arena hands out slices of undefined values. It reuses them after reset.
type arena[T any] struct{ room []T }

func (a *arena[T]) next(n int) []T {
	if len(a.room)+n > cap(a.room) {
		a.room = make([]T, 0, max(n, slabChunk, 2*cap(a.room))) // slices handed out keep the old one
	}
	from := len(a.room)
	a.room = a.room[:from+n]
	return a.room[from : from+n : from+n]
}

func (a *arena[T]) reset() {
	clear(a.room)
	a.room = a.room[:0]
}
