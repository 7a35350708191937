package probe_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/promptcam/promptcam/tensor"
	"github.com/promptcam/promptcam/vit/probe"
)

// The vote is that of sorting all images by their similarity.
func TestVote(t *testing.T) {
	// Rows of one number, so that their products with 1 are themselves.
	vote := func(similar []float32, labels []int) int {
		rows := tensor.FromSlice(similar, len(similar), 1)
		return probe.NewKNN(rows, labels).Classes(tensor.FromSlice([]float32{1}, 1, 1))[0]
	}
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
		assert.Equal(t, slices.Index(votes, slices.Max(votes)), vote(similar, labels))
	}
	assert.Equal(t, 1, vote([]float32{0.9, 0.86, 0.86}, []int{0, 1, 1}), "two that are near outvote one a little nearer")
	assert.Equal(t, 0, vote([]float32{0.9, 0.5, 0.5}, []int{0, 1, 1}), "but not if they are far")
	assert.Equal(t, 1, vote([]float32{0.5, 0.5}, []int{2, 1}), "the first of equals")
}
