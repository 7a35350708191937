package tensor_test

import (
	"math"
	"slices"
	"testing"

	"gonum.org/v1/gonum/floats"

	"github.com/promptcam/promptcam/tensor"
	"github.com/promptcam/promptcam/tensor/tensortest"
)

// softmax is the softmax of each row of n elements.
func softmax(x []float64, n int) []float64 {
	y := slices.Clone(x)
	for row := range slices.Chunk(y, n) {
		shift := floats.LogSumExp(row)
		for i := range row {
			row[i] = math.Exp(row[i] - shift)
		}
	}
	return y
}

func TestSoftmax(t *testing.T) {
	for _, shape := range [][]int{{1}, {5}, {3, 4}, {2, 3, 17}, {2, 100}} {
		n := shape[len(shape)-1]
		for _, x := range layouts(newRand(), shape...) {
			y := x.Softmax()
			tensortest.Close(t, softmax(doubles(x.Tensor), n), y.Data(), 1e-6)
			for row := range slices.Chunk(doubles(y), n) {
				tensortest.Close(t, []float64{1}, []float64{floats.Sum(row)}, 1e-6)
			}
		}
		y := tensortest.Random(newRand(), shape...)
		want := softmax(doubles(y), n)
		tensor.SoftmaxTo(y, y)
		tensortest.Close(t, want, y.Data(), 1e-6)
	}
	requirePanic(t, "tensor: SoftmaxTo: shapes [2] and [3]: must be the same", func() { tensor.SoftmaxTo(tensor.New(2), tensor.New(3)) })
}

func TestSoftmaxOfNotNumbers(t *testing.T) {
	third := float32(1) / 3
	cases := []struct{ x, want []float32 }{
		{[]float32{1e30, 1e30, 1e30}, []float32{third, third, third}},
		{[]float32{-1e30, -1e30, -1e30}, []float32{third, third, third}},
		{[]float32{0, -inf, 0}, []float32{0.5, 0, 0.5}},
		{[]float32{3e38, -3e38, -inf}, []float32{1, 0, 0}},
		{[]float32{-inf, -inf, -inf}, []float32{nan, nan, nan}},
		{[]float32{0, nan, -inf}, []float32{nan, nan, nan}},
		{[]float32{0, inf, 1}, []float32{nan, nan, nan}},
	}
	for _, c := range cases {
		tensortest.Close(t, c.want, tensor.FromSlice(c.x, 3).Softmax().Data(), 1e-6)
	}
	tensor.New(3, 0).Softmax()
	tensor.New(0, 3).Softmax()
}

func TestSoftmaxSameBits(t *testing.T) {
	x := tensortest.Random(newRand(), 1000, 100)
	sameBits(t, x.Softmax)
	tensortest.Close(t, x.Softmax().Slice(0, 500, 501), x.Slice(0, 500, 501).Softmax(), 0)
}
