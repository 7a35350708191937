package autograd_test

import (
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/promptcam/promptcam/autograd"
	"github.com/promptcam/promptcam/tensor"
	"github.com/promptcam/promptcam/tensor/tensortest"
)

// crossed returns the loss, and the gradient of scores.
func crossed(scores, targets *tensor.Tensor, temperature float32) (loss float32, grad *tensor.Tensor) {
	tp, p := &autograd.Tape{}, &autograd.Param{Value: scores}
	y := autograd.CrossViews(tp.Param(p), targets, temperature)
	return y.Value().At(), tp.Backward(y)[p]
}

// A student that says of each view what the teacher says of the other has nothing to learn.
func TestCrossViewsComparesDifferentViews(t *testing.T) {
	scores := tensor.New(2, 3, 5)
	for v := range 2 {
		for i, p := range targets.Select(0, 1-v).Contig().Data() {
			scores.Data()[v*15+i] = float32(0.1 * math.Log(float64(p)))
		}
	}
	_, grad := crossed(scores, targets, 0.1)
	tensortest.Close(t, tensor.New(2, 3, 5), grad, 1e-5)
	same := tensor.FromSlice(append(append([]float32(nil), scores.Data()[15:]...), scores.Data()[:15]...), 2, 3, 5)
	_, grad = crossed(same, targets, 0.1)
	assert.Greater(t, slices.Max(grad.Data()), float32(0.01), "the same view does not count")
}

// Scores so far apart that most probabilities are zero in float32 still have a loss.
func TestCrossViewsOfFarScores(t *testing.T) {
	scores := tensor.New(2, 1, 3)
	scores.Set(50, 0, 0, 0)
	scores.Set(50, 1, 0, 1)
	want := tensor.FromSlice([]float32{1, 0, 0, 0, 1, 0}, 2, 1, 3)
	loss, grad := crossed(scores, want, 0.1)
	assert.InDelta(t, 500, loss, 1e-3)
	tensortest.Close(t, []float64{5, -5, 0, -5, 5, 0}, grad, 1e-6)
}

func TestShapesOfViews(t *testing.T) {
	assert.PanicsWithError(t, "tensor: CrossViews: shapes [3 5] and [2 3 5]: want [V, B, K] and [G, B, K], G at most V and V at least 2",
		func() { crossed(tensor.New(3, 5), targets, 1) })
	assert.PanicsWithError(t, "tensor: CrossViews: shapes [1 3 5] and [1 3 5]: want [V, B, K] and [G, B, K], G at most V and V at least 2",
		func() { crossed(tensor.New(1, 3, 5), targets.Slice(0, 0, 1), 1) })
	assert.PanicsWithError(t, "tensor: Combine: shapes [5 3] and [4 4]: want [n, M] and [..., M, D]",
		func() { autograd.Combine(weights, (&autograd.Tape{}).Const(tensor.New(4, 4))) })
}
