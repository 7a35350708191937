package tensor_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/promptcam/promptcam/tensor"
	"github.com/promptcam/promptcam/tensor/tensortest"
)

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

			dx, dw := tensor.New(x.Shape()...).Fill(nan), tensor.New(out, in).Fill(nan)
			tensor.LinearBackwardTo(dx, dw, dy, x, w.Tensor, nil)
			rows := dy.Reshape(-1, out)
			tensortest.Close(t, product(rows, w.Tensor).RawMatrix().Data, dx.Data(), 1e-5)
			tensortest.Close(t, product(rows.Transpose(), flat).RawMatrix().Data, dw.Data(), 1e-5)

			// Each alone, and into part of a larger gradient.
			alone := tensor.New(x.Shape()...)
			tensor.LinearBackwardTo(alone, nil, dy, nil, w.Tensor, nil)
			tensortest.Close(t, dx, alone, 0)
			part := tensor.New(out+2, in+2).Slice(0, 1, 1+out).Slice(1, 1, 1+in)
			tensor.LinearBackwardTo(nil, part, dy, x, w.Tensor, nil)
			tensortest.Close(t, dw, part.Clone(), 0)
		}
	}
}

// What follows a product is the same as the separate operations, for a weight
// that is packed or not and for results that are split among cores by rows, by
// columns or not at all.
func TestLinearAfter(t *testing.T) {
	for _, size := range [][3]int{{3, 5, 6}, {1, 700, 40}, {500, 40, 70}, {60, 100, 900}, {230, 600, 200}} {
		rows, in, out := size[0], size[1], size[2]
		rng := newRand()
		x, w := tensortest.Random(rng, rows, in), tensortest.Random(rng, out, in)
		bias, scale, residual := tensortest.Random(rng, out), tensortest.Random(rng, out), tensortest.Random(rng, rows, out)
		packed := tensor.Pack(w)
		product := x.MatMul(w.Transpose())
		for _, act := range []tensor.Activation{tensor.Identity, tensor.GELU, tensor.QuickGELU} {
			for parts := range 16 {
				after := tensor.After{Act: act}
				want := product.Clone()
				if parts&1 != 0 {
					after.Bias = bias
					want = want.Add(bias)
				}
				pre := want.Clone()
				act.To(want, want)
				if parts&2 != 0 {
					after.Pre = tensor.New(rows, out)
				}
				if parts&4 != 0 {
					after.Scale = scale
					want = want.Mul(scale)
				}
				if parts&8 != 0 {
					after.Residual = residual
					want = want.Add(residual)
				}
				for _, p := range []*tensor.Packed{nil, packed} {
					y := tensor.New(rows, out).Fill(nan)
					tensor.LinearTo(y, x, w, p, after)
					tensortest.Close(t, want, y, 1e-4)
					if after.Pre != nil {
						tensortest.Close(t, pre, after.Pre, 1e-4)
					}
				}
			}
		}
	}
}

func TestPackedSameBits(t *testing.T) {
	rng := newRand()
	for _, size := range [][3]int{{197, 600, 1000}, {1000, 70, 300}, {2, 5, 7}, {60, 600, 1000}} {
		rows, in, out := size[0], size[1], size[2]
		x, w := tensortest.Random(rng, rows, in), tensortest.Random(rng, out, in)
		want := tensor.New(rows, out)
		tensor.LinearTo(want, x, w, nil, tensor.After{})
		used := tensor.Pack(tensortest.Random(rng, out, in))
		for _, w := range layoutsOf(rng, w) {
			packed := used
			tensor.PackTo(packed, w)
			sameBits(t, func() *tensor.Tensor {
				y := tensor.New(rows, out)
				tensor.LinearTo(y, x, w, packed, tensor.After{})
				tensortest.Close(t, want, y, 0)
				return y
			})
			for _, from := range []int{0, 64, out / 2, out} {
				if part := packed.Rows(from, out); part != nil && from < out {
					y := tensor.New(rows, out-from)
					tensor.LinearTo(y, x, w.Slice(0, from, out), part, tensor.After{})
					tensortest.Close(t, want.Slice(1, from, out).Contig(), y, 0)
				}
			}
		}
		y := tensor.New(rows, out-1)
		tensor.PackTo(used, w.Slice(0, 1, out)) // another shape
		tensor.LinearTo(y, x, w.Slice(0, 1, out), used, tensor.After{})
		tensortest.Close(t, want.Slice(1, 1, out).Contig(), y, 0)
		assert.NotNil(t, tensor.Pack(w).Rows(0, 1))
		assert.Nil(t, tensor.Pack(w).Rows(1, 2), "within a panel")
	}
}

// layoutsOf returns w and a transposed view of the same elements.
func layoutsOf(rng *rand.Rand, w *tensor.Tensor) []*tensor.Tensor {
	return []*tensor.Tensor{w, w.Transpose().Contig().Transpose()}
}

func TestLinearBackwardAct(t *testing.T) {
	rng := newRand()
	for _, size := range [][3]int{{3, 5, 6}, {500, 300, 70}, {60, 900, 100}} {
		rows, in, out := size[0], size[1], size[2]
		dy, w, pre := tensortest.Random(rng, rows, out), tensortest.Random(rng, out, in), tensortest.Random(rng, rows, in)
		for _, act := range []tensor.Activation{tensor.Identity, tensor.GELU, tensor.QuickGELU} {
			want, got := tensor.New(rows, in), tensor.New(rows, in).Fill(nan)
			tensor.LinearBackwardTo(want, nil, dy, nil, w, nil)
			act.BackwardTo(want, pre, want)
			tensor.LinearBackwardActTo(got, dy, w, nil, pre, act)
			tensortest.Close(t, want, got, 1e-5)
			packed := tensor.New(rows, in).Fill(nan)
			tensor.LinearBackwardActTo(packed, dy, w, tensor.Pack(w.Transpose()), pre, act)
			tensortest.Close(t, got, packed, 0)
		}
		plain, packed := tensor.New(rows, in), tensor.New(rows, in).Fill(nan)
		tensor.LinearBackwardTo(plain, nil, dy, nil, w, nil)
		tensor.LinearBackwardTo(packed, nil, dy, nil, w, tensor.Pack(w.Transpose()))
		tensortest.Close(t, plain, packed, 0)
	}
	requirePanic(t, "tensor: LinearBackwardTo: shapes [3 4] and [4 3]: weight and packed weight differ", func() {
		w := tensor.New(4, 3)
		tensor.LinearBackwardTo(tensor.New(2, 3), nil, tensor.New(2, 4), nil, w, tensor.Pack(w))
	})
}

func TestLinearDoesNotAllocate(t *testing.T) {
	rng := newRand()
	x, w, b := tensortest.Random(rng, 200, 96), tensortest.Random(rng, 300, 96), tensortest.Random(rng, 300)
	y, dx, dw := tensor.New(200, 300), tensor.New(200, 96), tensor.New(300, 96)
	packed := tensor.Pack(w)
	step := func() {
		tensor.LinearTo(y, x, w, packed, tensor.After{Bias: b, Act: tensor.GELU})
		tensor.LinearBackwardTo(dx, dw, y, x, w, nil)
	}
	step()
	assert.Less(t, testing.AllocsPerRun(50, step), 0.5)
}

func TestLinearOfNothing(t *testing.T) {
	b := tensortest.Ramp(3)
	y := tensor.New(2, 3)
	tensor.LinearTo(y, tensor.New(2, 0), tensor.New(3, 0), nil, tensor.After{Bias: b})
	tensortest.Close(t, b.Expand(2, 3), y, 0)
	tensor.LinearTo(tensor.New(0, 3), tensor.New(0, 4), tensor.New(3, 4), nil, tensor.After{Bias: b})

	dx, dw := tensor.New(0, 4), tensortest.Ramp(3, 4)
	tensor.LinearBackwardTo(dx, dw, tensor.New(0, 3), tensor.New(0, 4), tensor.New(3, 4), nil)
	tensortest.Close(t, tensor.New(3, 4), dw, 0)
	dx = tensor.New(2, 4).Fill(1)
	tensor.LinearBackwardTo(dx, nil, tensor.New(2, 0), nil, tensor.New(0, 4), nil)
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
		tensor.LinearBackwardTo(nil, dw, y, x, w, nil)
		return dw
	})
}

func TestLinearPanics(t *testing.T) {
	x, w, y := tensor.New(2, 3), tensor.New(4, 3), tensor.New(2, 4)
	requirePanic(t, "tensor: LinearTo: shapes [2 4] and [2 4] and [4 3]: want [..., out], [..., in] and [out, in]", func() { tensor.LinearTo(y, y, w, nil, tensor.After{}) })
	requirePanic(t, "tensor: LinearTo: shapes [4] and [2 3] and [4 3]: want [..., out], [..., in] and [out, in]", func() { tensor.LinearTo(tensor.New(4), x, w, nil, tensor.After{}) })
	requirePanic(t, "tensor: LinearTo: shape [3]: want a bias [4]", func() { tensor.LinearTo(y, x, w, nil, tensor.After{Bias: tensor.New(3)}) })
	requirePanic(t, "tensor: LinearTo: shape [3]: want a scale [4]", func() { tensor.LinearTo(y, x, w, nil, tensor.After{Scale: tensor.New(3)}) })
	requirePanic(t, "tensor: LinearTo: shapes [2 4] and [2 3]: must be the same", func() { tensor.LinearTo(y, x, w, nil, tensor.After{Residual: x}) })
	requirePanic(t, "tensor: Pack: shape [4]: want [out, in]", func() { tensor.Pack(tensor.New(4)) })
	requirePanic(t, "tensor: LinearTo: shapes [4 3] and [4 4]: weight and packed weight differ", func() { tensor.LinearTo(y, x, w, tensor.Pack(tensor.New(4, 4)), tensor.After{}) })
	requirePanic(t, "tensor: Data: shape [2 3]: a view with strides [1 2] is not contiguous", func() { tensor.LinearTo(y, tensor.New(3, 2).Transpose(), w, nil, tensor.After{}) })
	requirePanic(t, "tensor: LinearBackwardTo: shapes [2 4] and [2 4] and [4 3]: want [..., out], [..., in] and [out, in]", func() {
		tensor.LinearBackwardTo(y, nil, y, x, w, nil)
	})
	requirePanic(t, "tensor: LinearBackwardTo: shapes [2 4] and [2 3] and [3 4]: want [..., out], [..., in] and [out, in]", func() {
		tensor.LinearBackwardTo(nil, w.Transpose(), y, x, w, nil)
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
