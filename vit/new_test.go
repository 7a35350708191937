package vit

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/promptcam/promptcam/autograd"
	"github.com/promptcam/promptcam/nn"
)

func TestNewIsWhatLoadMakesOfItsState(t *testing.T) {
	for _, c := range []Config{tiny, tinyHead, tinyReg} {
		m, err := New(c, rand.New(rand.NewPCG(1, 2)))
		require.NoError(t, err)
		again, err := LoadFrom(nn.Tensors(nn.State(m)), c)
		require.NoError(t, err)
		assertState(t, nn.State(m), again)
		assert.Equal(t, m.SHA256, again.SHA256)

		other, err := New(c, rand.New(rand.NewPCG(1, 3)))
		require.NoError(t, err)
		assert.NotEqual(t, m.SHA256, other.SHA256, "another seed")
	}
	_, err := New(Config{}, rand.New(rand.NewPCG(1, 2)))
	assert.ErrorContains(t, err, "Dim is 0")
}

// A gradient for each parameter, none of which is zero throughout: nothing is
// stuck where it starts.
func TestNewCanBeTrained(t *testing.T) {
	m, err := New(tinyHead, rand.New(rand.NewPCG(1, 2)))
	require.NoError(t, err)
	tp := &autograd.Tape{}
	scores := m.Classify(tp.Const(noise(rand.New(rand.NewPCG(3, 4)), 2, 3, tinyHead.ImageSize[0], tinyHead.ImageSize[1])))
	grads := tp.Backward(autograd.CrossEntropy(scores, []int{0, 1}))
	for name, p := range nn.Params(m) {
		g := grads[p]
		if !assert.NotNil(t, g, name) {
			continue
		}
		var largest float64
		for _, v := range g.Data() {
			largest = max(largest, math.Abs(float64(v)))
		}
		assert.Greater(t, largest, 0.0, name)
	}
}
