package tensor_test

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/promptcam/promptcam/tensor"
	"github.com/promptcam/promptcam/tensor/tensortest"
)

func TestSum(t *testing.T) {
	cases := []struct{ dims, want []int }{
		{nil, []int{}},
		{[]int{0}, []int{3, 4}},
		{[]int{1}, []int{2, 4}},
		{[]int{-1}, []int{2, 3}},
		{[]int{0, 2}, []int{3}},
		{[]int{2, 1, 1}, []int{2}},
		{[]int{0, 1, 2}, []int{}},
	}
	for _, c := range cases {
		for _, x := range layouts(newRand(), 2, 3, 4) {
			sum := make([]float64, tensor.Size("", c.want))
			eachIndex(x.Shape(), func(index []int) {
				to := 0
				for d, i := range index {
					if len(c.dims) > 0 && !slices.Contains(c.dims, d) && !slices.Contains(c.dims, d-3) {
						to = to*x.Dim(d) + i
					}
				}
				sum[to] += float64(x.At(index...))
			})
			got := x.Sum(c.dims...)
			assert.Equal(t, c.want, append([]int{}, got.Shape()...))
			tensortest.Close(t, sum, got, 1e-6)
		}
	}
	requirePanic(t, "tensor: Sum: shape [2 3]: no dimension 2", func() { tensor.New(2, 3).Sum(2) })
}

func TestSumOfNothing(t *testing.T) {
	x := tensor.New(0, 3)
	tensortest.Close(t, []float64{0, 0, 0}, x.Sum(0), 0)
	tensortest.Close(t, []float64{0}, x.Sum(), 0)
	assert.Equal(t, []int{0}, x.Sum(1).Shape())
	tensortest.Close(t, []float32{nan}, tensor.FromSlice([]float32{1, nan}, 2).Sum(), 0)
}

// SumTo is the adjoint of broadcasting: <expand(a), b> = <a, sum(b)>.
func TestSumToIsAdjointOfExpand(t *testing.T) {
	for _, shape := range [][]int{{}, {4}, {1}, {3, 1}, {3, 4}, {1, 4}, {2, 1, 1}, {2, 3, 4}, {1, 3, 1}} {
		for _, b := range layouts(newRand(), 2, 3, 4) {
			a := tensortest.Ramp(shape...)
			sum := tensor.New(shape...).Fill(nan)
			tensor.SumTo(sum, b.Tensor)
			tensortest.Close(t, a.Expand(2, 3, 4).Mul(b.Tensor).Sum(), a.Mul(sum).Sum(), 1e-5)

			for _, dst := range writable(newRand(), shape...) {
				want := dst.Add(sum)
				tensor.AddSumTo(dst.Tensor, b.Tensor)
				tensortest.Close(t, want, dst.Tensor, 1e-5)
			}
		}
	}
	dst := tensor.New(3).Fill(7)
	requirePanic(t, "tensor: SumTo: shapes [3] and [2 4]: the first does not broadcast to the second", func() { tensor.SumTo(dst, tensor.New(2, 4)) })
	requirePanic(t, "tensor: AddSumTo: shapes [3] and [2 4]: the first does not broadcast to the second", func() { tensor.AddSumTo(dst, tensor.New(2, 4)) })
	assert.Equal(t, []float32{7, 7, 7}, dst.Data())
}

func TestArgMax(t *testing.T) {
	for _, x := range layouts(newRand(), 3, 4, 5) {
		var where []int
		v := doubles(x.Tensor)
		for row := range slices.Chunk(v, 5) {
			where = append(where, slices.Index(row, slices.Max(row)))
		}
		assert.Equal(t, where, x.ArgMax())
	}
	x := tensor.FromSlice([]float32{1, 3, 3, -inf, nan, inf, nan, nan, 0, -inf, -inf, -inf}, 4, 3)
	assert.Equal(t, []int{1, 1, 0, 0}, x.ArgMax(), "the first of equals; NaN above all")
	assert.Empty(t, tensor.New(0, 3).ArgMax())
	requirePanic(t, "tensor: ArgMax: shape [3 0]: no last dimension to take the ArgMax of", func() { tensor.New(3, 0).ArgMax() })
	requirePanic(t, "tensor: ArgMax: shape []: no last dimension to take the ArgMax of", func() { tensor.New().ArgMax() })
}
