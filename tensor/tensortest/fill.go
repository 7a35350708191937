package tensortest

import (
	"math/rand/v2"

	"github.com/promptcam/promptcam/tensor"
)

// Ramp returns a tensor of the given shape with the elements -1, -0.75, -0.5 ... 1 repeated in row-major
// order: small numbers of both signs with sums and products exact in float32, and a period, 9, that no usual
// shape shares.
func Ramp(shape ...int) *tensor.Tensor {
	t := tensor.New(shape...)
	data := t.Data()
	for i := range data {
		data[i] = float32(i%9)/4 - 1
	}
	return t
}

// Random returns a tensor of the given shape, filled from the standard normal distribution.
func Random(rng *rand.Rand, shape ...int) *tensor.Tensor {
	t := tensor.New(shape...)
	data := t.Data()
	for i := range data {
		data[i] = float32(rng.NormFloat64())
	}
	return t
}
