package tensor_test

import (
	"fmt"
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

func TestLinear(t *testing.T) {
	for _, lead := range [][]int{{}, {7}, {2, 3}, {300}} {
		const in, out = 5, 6
		rng := newRand()
		x := tensortest.Random(rng, append(slices.Clone(lead), in)...)
		dy := tensortest.Random(rng, append(slices.Clone(lead), out)...)
		b := tensortest.Random(rng, out)
		for _, w := range layouts(rng, out, in) {
			flat := x.Reshape(-1, in)
			want := product(flat, w.Transpose())
			y := tensor.New(dy.Shape()...).Fill(nan)
			tensor.LinearTo(y, x, w.Tensor, nil, tensor.After{})
			tensortest.Close(t, want.RawMatrix().Data, y.Data(), 1e-5)
			tensor.LinearTo(y, x, w.Tensor, nil, tensor.After{Bias: b})
			want.Apply(func(_, j int, v float64) float64 { return v + float64(b.At(j)) }, want)
			tensortest.Close(t, want.RawMatrix().Data, y.Data(), 1e-5)

			dx, dw, db := tensor.New(x.Shape()...).Fill(nan), tensortest.Ramp(out, in), tensortest.Ramp(out)
			tensor.LinearBackwardTo(dx, dw, db, dy, x, w.Tensor)
			rows := dy.Reshape(-1, out)
			tensortest.Close(t, product(rows, w.Tensor).RawMatrix().Data, dx.Data(), 1e-5)
			tensortest.Close(t, product(rows.Transpose(), flat).RawMatrix().Data, dw.Sub(tensortest.Ramp(out, in)).Data(), 1e-5)
			tensortest.Close(t, rows.Sum(0), db.Sub(tensortest.Ramp(out)), 1e-5)

			// Each alone, and into part of a larger gradient.
			alone := tensor.New(x.Shape()...)
			tensor.LinearBackwardTo(alone, nil, nil, dy, nil, w.Tensor)
			tensortest.Close(t, dx, alone, 0)
			part := tensor.New(out+2, in+2).Slice(0, 1, 1+out).Slice(1, 1, 1+in)
			tensor.LinearBackwardTo(nil, part, nil, dy, x, w.Tensor)
			tensortest.Close(t, dw, part.Add(tensortest.Ramp(out, in)), 1e-5)
		}
	}
}

func TestLinearOfNothing(t *testing.T) {
	b := tensortest.Ramp(3)
	y := tensor.New(2, 3)
	tensor.LinearTo(y, tensor.New(2, 0), tensor.New(3, 0), nil, tensor.After{Bias: b})
	tensortest.Close(t, b.Expand(2, 3), y, 0)
	tensor.LinearTo(tensor.New(0, 3), tensor.New(0, 4), tensor.New(3, 4), nil, tensor.After{Bias: b})

	dx, dw, db := tensor.New(0, 4), tensortest.Ramp(3, 4), tensortest.Ramp(3)
	tensor.LinearBackwardTo(dx, dw, db, tensor.New(0, 3), tensor.New(0, 4), tensor.New(3, 4))
	tensortest.Close(t, tensortest.Ramp(3, 4), dw, 0)
	tensortest.Close(t, tensortest.Ramp(3), db, 0)
	dx = tensor.New(2, 4).Fill(1)
	tensor.LinearBackwardTo(dx, nil, nil, tensor.New(2, 0), nil, tensor.New(0, 4))
	tensortest.Close(t, tensor.New(2, 4), dx, 0)
}

func TestLinearSameBits(t *testing.T) {
	rng := newRand()
	x, w, b := tensortest.Random(rng, 4, 197, 96), tensortest.Random(rng, 300, 96), tensortest.Random(rng, 300)
	y := tensor.New(4, 197, 300)
	sameBits(t, func() *tensor.Tensor { tensor.LinearTo(y, x, w, nil, tensor.After{Bias: b}); return y.Clone() })
	alone := tensor.New(197, 300)
	tensor.LinearTo(alone, x.Select(0, 2), w, nil, tensor.After{Bias: b})
	tensortest.Close(t, y.Select(0, 2), alone, 0)
	sameBits(t, func() *tensor.Tensor {
		dw := tensor.New(300, 96)
		tensor.LinearBackwardTo(nil, dw, nil, y, x, w)
		return dw
	})
}

func TestLinearPanics(t *testing.T) {
	x, w, y := tensor.New(2, 3), tensor.New(4, 3), tensor.New(2, 4)
	requirePanic(t, "tensor: LinearTo: shapes [2 4] and [2 4] and [4 3]: want [..., out], [..., in] and [out, in]", func() { tensor.LinearTo(y, y, w, nil, tensor.After{}) })
	requirePanic(t, "tensor: LinearTo: shapes [4] and [2 3] and [4 3]: want [..., out], [..., in] and [out, in]", func() { tensor.LinearTo(tensor.New(4), x, w, nil, tensor.After{}) })
	requirePanic(t, "tensor: LinearTo: shape [3]: want a bias [4]", func() { tensor.LinearTo(y, x, w, nil, tensor.After{Bias: tensor.New(3)}) })
	requirePanic(t, "tensor: Data: shape [2 3]: a view with strides [1 2] is not contiguous", func() { tensor.LinearTo(y, tensor.New(3, 2).Transpose(), w, nil, tensor.After{}) })
	requirePanic(t, "tensor: LinearBackwardTo: shapes [2 4] and [2 4] and [4 3]: want [..., out], [..., in] and [out, in]", func() {
		tensor.LinearBackwardTo(y, nil, nil, y, x, w)
	})
	requirePanic(t, "tensor: LinearBackwardTo: shapes [2 4] and [2 3] and [3 4]: want [..., out], [..., in] and [out, in]", func() {
		tensor.LinearBackwardTo(nil, w.Transpose(), nil, y, x, w)
	})
}

func BenchmarkLinear(b *testing.B) {
	for _, s := range [][3]int{{100, 192, 192}, {197, 192, 768}, {197, 768, 3072}, {3152, 192, 768}} {
		rows, in, out := s[0], s[1], s[2]
		b.Run(fmt.Sprintf("%dx%dx%d", rows, in, out), func(b *testing.B) {
			rng := newRand()
			x, w, bias := tensortest.Random(rng, rows, in), tensortest.Random(rng, out, in), tensortest.Random(rng, out)
			y := tensor.New(rows, out)
			for b.Loop() {
				tensor.LinearTo(y, x, w, nil, tensor.After{Bias: bias})
			}
			b.ReportMetric(2*float64(rows*in*out)*float64(b.N)/float64(b.Elapsed().Nanoseconds()), "GFLOP/s")
		})
	}
}
