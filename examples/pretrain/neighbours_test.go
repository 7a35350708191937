package main

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/promptcam/promptcam/vit"
)

// The vote is that of sorting all images by their similarity.
func TestVote(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 50 {
		n := 1 + rng.IntN(60)
		similar, labels, order := make([]float32, n), make([]int, n), rng.Perm(n)
		for i := range n {
			similar[i], labels[i] = float32(2*rng.Float64()-1), rng.IntN(4)
		}
		slices.SortFunc(order, func(a, b int) int { return int(math.Copysign(1, float64(similar[b]-similar[a]))) })
		votes := make([]float64, 4)
		for _, i := range order[:min(n, 20)] {
			votes[labels[i]] += math.Exp(float64(similar[i]) / 0.07)
		}
		assert.Equal(t, slices.Index(votes, slices.Max(votes)), vote(similar, labels, 4))
	}
	assert.Equal(t, 1, vote([]float32{0.9, 0.86, 0.86}, []int{0, 1, 1}, 2), "two that are near outvote one a little nearer")
	assert.Equal(t, 0, vote([]float32{0.9, 0.5, 0.5}, []int{0, 1, 1}, 2), "but not if they are far")
}

// An image is found by itself, whatever the network.
func TestNeighboursFindThemselves(t *testing.T) {
	s := smallSettings(t)
	b, err := vit.New(s.config(), rand.New(rand.NewPCG(1, 2)))
	require.NoError(t, err)
	n, err := openNeighbours(t.Context(), tiles(t, t.TempDir(), 50), s.config(), 0, 1)
	require.NoError(t, err)
	assert.Len(t, n.bank.images, 75)
	assert.Len(t, n.asked.images, 75)
	f, err := n.features(t.Context(), b, n.bank.images)
	require.NoError(t, err)
	assert.Equal(t, []int{75, 48}, f.Shape())
	similar := f.Slice(1, 0, 24).MatMul(f.Slice(1, 0, 24).Transpose())
	for i, best := range similar.ArgMax() {
		assert.InDelta(t, 1, similar.At(i, i), 1e-5)
		assert.InDelta(t, 1, similar.At(i, best), 1e-5)
	}
	few, err := openNeighbours(t.Context(), tiles(t, t.TempDir(), 10), s.config(), 2, 1)
	require.NoError(t, err)
	assert.Len(t, few.bank.images, 6)
	assert.Equal(t, []int{0, 0, 1, 1, 2, 2}, few.bank.labels)

	birds := drawnSpecies(s.config(), 2, 1)
	assert.Len(t, birds.bank.images, 2*birds.classes)
	assert.Equal(t, birds.bank.labels, birds.asked.labels)
	assert.NotEqual(t, birds.bank.images[0], birds.asked.images[0])
}
