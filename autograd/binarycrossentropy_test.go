package autograd_test

import (
	"math"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/promptcam/promptcam/autograd"
	"github.com/promptcam/promptcam/tensor"
	"github.com/promptcam/promptcam/tensor/tensortest"
)

func TestBinaryCrossEntropyOfExtremes(t *testing.T) {
	of := func(scores *tensor.Tensor, labels ...int) (float32, *tensor.Tensor) {
		tp, p := &autograd.Tape{}, &autograd.Param{Value: scores}
		y := autograd.BinaryCrossEntropy(tp.Param(p), labels)
		return y.Value().At(), tp.Backward(y)[p]
	}
	// Scores of 0 say 1/C.
	loss, grad := of(tensor.New(1, 4), 1)
	assert.InDelta(t, -math.Log(0.25)-3*math.Log(0.75), loss, 1e-6)
	tensortest.Close(t, tensor.FromSlice([]float32{0.25, -0.75, 0.25, 0.25}, 1, 4), grad, 1e-6)

	// Far scores cost their distance, or nothing.
	loss, grad = of(tensor.FromSlice([]float32{1e30, -500, -1e30, 600}, 2, 2), 1, 1)
	assert.InEpsilon(t, (1e30+500)/2, loss, 1e-6)
	tensortest.Close(t, tensor.FromSlice([]float32{0.5, -0.5, 0, 0}, 2, 2), grad, 1e-6)

	loss, _ = of(tensor.New(1, 1), 0) // a class alone has no others
	assert.InDelta(t, math.Ln2, loss, 1e-6)
}

func TestBinaryCrossEntropyPanics(t *testing.T) {
	of := func(scores *tensor.Tensor, labels ...int) func() {
		return func() { autograd.BinaryCrossEntropy(new(autograd.Tape).Const(scores), labels) }
	}
	assert.PanicsWithError(t, "tensor: BinaryCrossEntropy: shapes [2 3] and [1]: want [B, C] and B labels", of(tensor.New(2, 3), 1))
	assert.PanicsWithError(t, "tensor: BinaryCrossEntropy: shapes [6] and [6]: want [B, C] and B labels", of(tensor.New(6), 0, 0, 0, 0, 0, 0))
	assert.PanicsWithError(t, "tensor: BinaryCrossEntropy: shape [2 3]: label 3 is outside [0, 3)", of(tensor.New(2, 3), 1, 3))
	assert.PanicsWithError(t, "tensor: BinaryCrossEntropy: shape [2 3]: label -1 is outside [0, 3)", of(tensor.New(2, 3), 1, -1))
}
