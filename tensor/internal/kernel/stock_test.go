package kernel

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestStock(t *testing.T) {
	var s Stock[[1]int]
	x := s.Get()
	s.Put(x)
	assert.Same(t, x, s.Get())
	assert.Nil(t, s.free[:1][0], "what is lent is not held")

	for range 2 * mostFree {
		s.Put(new([1]int))
	}
	assert.Len(t, s.free, mostFree)
}

func TestSized(t *testing.T) {
	var held []float32
	assert.Len(t, sized(&held, 100), 100)
	first := &held[0]
	assert.Same(t, first, &sized(&held, 50)[0])
	assert.Len(t, sized(&held, mostHeld+1), mostHeld+1)
	assert.Same(t, first, &held[0], "a huge slice is not held")
}
