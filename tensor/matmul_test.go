package tensor_test

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gonum.org/v1/gonum/mat"

	"github.com/promptcam/promptcam/tensor"
	"github.com/promptcam/promptcam/tensor/tensortest"
)

// product is the matrix product of a and b in float64.
func product(a, b *tensor.Tensor) *mat.Dense {
	var c mat.Dense
	c.Mul(mat.NewDense(a.Dim(0), a.Dim(1), doubles(a)), mat.NewDense(b.Dim(0), b.Dim(1), doubles(b)))
	return &c
}

func TestMatMul(t *testing.T) {
	for _, s := range [][3]int{{1, 1, 1}, {2, 3, 4}, {1, 300, 1}, {70, 65, 33}, {3, 7, 300}, {300, 40, 5}} {
		m, k, n := s[0], s[1], s[2]
		for _, a := range layouts(newRand(), m, k) {
			for _, b := range layouts(newRand(), k, n) {
				want := product(a.Tensor, b.Tensor).RawMatrix().Data
				got := a.MatMul(b.Tensor)
				require.Equal(t, []int{m, n}, got.Shape())
				require.True(t, tensortest.Close(t, want, got, 2e-5), "%v: %s by %s", s, a.name, b.name)
			}
		}
	}
}

func TestMatMulBroadcastsLeadingDimensions(t *testing.T) {
	cases := []struct{ a, b, lead []int }{
		{[]int{3}, []int{3}, []int{3}},
		{[]int{3}, []int{}, []int{3}},
		{[]int{}, []int{3}, []int{3}},
		{[]int{2, 3}, []int{3}, []int{2, 3}},
		{[]int{2, 1}, []int{3}, []int{2, 3}},
		{[]int{2, 3}, []int{}, []int{2, 3}},
		{[]int{1, 1}, []int{1}, []int{1, 1}},
		{[]int{0}, []int{1}, []int{0}},
	}
	const m, k, n = 4, 5, 6
	for _, c := range cases {
		want := slices.Concat(c.lead, []int{m, n})
		for _, a := range layouts(newRand(), append(slices.Clone(c.a), m, k)...) {
			for _, b := range layouts(newRand(), append(slices.Clone(c.b), k, n)...) {
				got := a.MatMul(b.Tensor)
				require.Equal(t, want, got.Shape())
				left, right := a.Expand(slices.Concat(c.lead, []int{m, k})...), b.Expand(slices.Concat(c.lead, []int{k, n})...)
				eachIndex(c.lead, func(index []int) {
					x, y, z := left, right, got
					for _, i := range index {
						x, y, z = x.Select(0, i), y.Select(0, i), z.Select(0, i)
					}
					tensortest.Close(t, product(x, y).RawMatrix().Data, z, 1e-5)
				})
			}
		}
	}
}

func TestMatMulTo(t *testing.T) {
	a, b := tensortest.Random(newRand(), 3, 4, 5), tensortest.Random(newRand(), 3, 5, 6)
	want := a.MatMul(b)
	dst := tensor.New(3, 7, 9).Fill(nan)
	part := dst.Slice(1, 2, 6).Slice(2, 1, 7) // [3, 4, 6]
	tensor.MatMulTo(part, a, b)
	tensortest.Close(t, want, part, 0)
	part.Fill(nan)
	for _, v := range dst.Data() {
		require.NotEqual(t, v, v, "nothing beside the part was written")
	}

	requirePanic(t, "tensor: MatMul: shapes [2 3] and [4]: both need two dimensions", func() { tensor.New(2, 3).MatMul(tensor.New(4)) })
	requirePanic(t, "tensor: MatMul: shapes [2] and [3]: do not broadcast", func() { tensor.New(2, 1, 1).MatMul(tensor.New(3, 1, 1)) })
	requirePanic(t, "tensor: MatMulTo: shapes [2 2] and [2 3] and [3 4]: the first should be [2 4]", func() {
		tensor.MatMulTo(tensor.New(2, 2), tensor.New(2, 3), tensor.New(3, 4))
	})
	requirePanic(t, "tensor: MatMulTo: shapes [2 2] and [3 4]: inner sizes 2 and 3 differ", func() {
		tensor.MatMulTo(tensor.New(2, 4), tensor.New(2, 2), tensor.New(3, 4))
	})
	requirePanic(t, "tensor: MatMulTo: shape [2 4]: rows of the result have stride 2, want 1", func() {
		tensor.MatMulTo(tensor.New(4, 2).Transpose(), tensor.New(2, 3), tensor.New(3, 4))
	})
}

func TestMatMulWithoutSummands(t *testing.T) {
	whole := tensortest.Ramp(2, 3, 4)
	for _, empty := range []*tensor.Tensor{tensor.New(2, 3, 0), whole.Slice(2, 2, 2), whole.Permute(0, 2, 1).Slice(1, 1, 1).Transpose()} {
		assert.Equal(t, make([]float32, 30), empty.MatMul(tensor.New(2, 0, 5)).Data())
		assert.Equal(t, make([]float32, 30), empty.MatMul(tensor.New(0, 5)).Data())
		dst := tensor.New(2, 3, 5).Fill(7)
		tensor.MatMulTo(dst, empty, tensor.New(0, 5))
		assert.Equal(t, make([]float32, 30), dst.Data())
	}
	assert.Equal(t, []int{2, 0, 5}, tensor.New(2, 0, 4).MatMul(tensor.New(4, 5)).Shape())
}

func TestMatMulPropagatesNaN(t *testing.T) {
	a := tensor.FromSlice([]float32{0, nan, 0, 0}, 2, 2)
	b := tensor.FromSlice([]float32{1, 1, 1, inf}, 2, 2)
	tensortest.Close(t, []float32{nan, nan, 0, nan}, a.MatMul(b), 0)
}

func TestMatMulSameBits(t *testing.T) {
	rng := newRand()
	for _, s := range [][3]int{{700, 70, 60}, {60, 70, 700}, {300, 300, 300}} {
		a, b := tensortest.Random(rng, s[0], s[1]), tensortest.Random(rng, s[1], s[2])
		sameBits(t, func() *tensor.Tensor { return a.MatMul(b) })

		// Any part of the result is what the parts of the operands give.
		c := a.MatMul(b)
		tensortest.Close(t, c.Slice(0, 17, 18), a.Slice(0, 17, 18).MatMul(b), 0)
		tensortest.Close(t, c.Slice(1, 5, 50), a.MatMul(b.Slice(1, 5, 50)), 0)
		tensortest.Close(t, c, a.Transpose().Clone().Transpose().MatMul(b.Transpose().Clone().Transpose()), 0)
	}

	// An image alone equals it in a batch.
	a, b := tensortest.Random(rng, 5, 30, 40), tensortest.Random(rng, 40, 50)
	c, each := a.MatMul(b), a.MatMul(b.Expand(5, 40, 50))
	tensortest.Close(t, c, each, 0)
	sameBits(t, func() *tensor.Tensor { return a.MatMul(b) })
	for i := range 5 {
		tensortest.Close(t, c.Select(0, i), a.Select(0, i).MatMul(b), 0)
	}
}
