package autograd_test

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/promptcam/promptcam/autograd"
	"github.com/promptcam/promptcam/tensor"
	"github.com/promptcam/promptcam/tensor/tensortest"
)

// distilled returns the loss, and the gradient of scores.
func distilled(scores, teacher *tensor.Tensor, temperature float32) (loss float32, grad *tensor.Tensor) {
	tp, p := &autograd.Tape{}, &autograd.Param{Value: scores}
	y := autograd.Distill(tp.Param(p), teacher, temperature)
	return y.Value().At(), tp.Backward(y)[p]
}

// Neither the teacher's mean and spread count, nor the pupil's; a pupil that says what
// the teacher says has nothing to learn.
func TestDistillStandardises(t *testing.T) {
	loss, grad := distilled(teacher.Clone(), teacher, 2)
	assert.InDelta(t, 0, loss, 1e-6)
	tensortest.Close(t, tensor.New(3, 5), grad, 1e-6)

	far := teacher.Scale(20)
	for i := range far.Data() {
		far.Data()[i] += float32(100 * (i/5 - 1))
	}
	loss, _ = distilled(far, teacher, 2)
	assert.InDelta(t, 0, loss, 1e-5)

	other := tensor.FromSlice([]float32{1, 2, 3, 4, 5}, 1, 5)
	want, _ := distilled(other, teacher.Slice(0, 1, 2), 2)
	got, _ := distilled(other, far.Slice(0, 1, 2), 2)
	assert.InDelta(t, want, got, 1e-5)
	assert.Greater(t, want, float32(0.1))
}

// The scores of prompts that are all the same have no spread to divide by.
func TestDistillOfEqualScores(t *testing.T) {
	loss, grad := distilled(tensor.New(3, 5).Fill(7), teacher, 2)
	assert.Greater(t, loss, float32(0.1))
	for i := range 3 {
		assert.Equal(t, teacher.Select(0, i).Clone().Reshape(1, 5).ArgMax(), grad.Select(0, i).Scale(-1).Reshape(1, 5).ArgMax())
	}
	assert.Less(t, slices.Max(grad.Data()), float32(2000))
}

func TestDistillPanics(t *testing.T) {
	assert.PanicsWithError(t, "tensor: Distill: shapes [3 5] and [3 4]: want [B, C] twice", func() { distilled(tensor.New(3, 5), tensor.New(3, 4), 1) })
}
