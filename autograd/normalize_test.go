package autograd_test

import (
	"testing"

	"github.com/promptcam/promptcam/autograd"
	"github.com/promptcam/promptcam/tensor"
	"github.com/promptcam/promptcam/tensor/tensortest"
)

// A row of zeros has no direction: it stays, and its gradient is finite.
func TestNormalizeOfZeros(t *testing.T) {
	p := &autograd.Param{Value: tensor.FromSlice([]float32{0, 0, 3, -4}, 2, 2)}
	tp := &autograd.Tape{}
	y := autograd.Normalize(tp.Param(p))
	tensortest.Close(t, []float64{0, 0, 0.6, -0.8}, y.Value(), 1e-7)
	grad := tp.Backward(total(y))[p]
	tensortest.Close(t, []float64{1e12, 1e12, (1 + 0.2*0.6) / 5, (1 - 0.2*0.8) / 5}, grad, 1e-6)
}
