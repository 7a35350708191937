package tensor_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/promptcam/promptcam/tensor"
	"github.com/promptcam/promptcam/tensor/tensortest"
)

var binaries = []struct {
	name   string
	method func(a, b *tensor.Tensor) *tensor.Tensor
	to     func(dst, a, b *tensor.Tensor)
	want   func(a, b float64) float64
}{
	{"Add", (*tensor.Tensor).Add, tensor.AddTo, func(a, b float64) float64 { return a + b }},
	{"Sub", (*tensor.Tensor).Sub, tensor.SubTo, func(a, b float64) float64 { return a - b }},
	{"Mul", (*tensor.Tensor).Mul, tensor.MulTo, func(a, b float64) float64 { return a * b }},
}

func TestBinaryBroadcasts(t *testing.T) {
	shapes := []struct{ a, b, want []int }{
		{[]int{}, []int{}, []int{}},
		{[]int{3}, []int{}, []int{3}},
		{[]int{3}, []int{3}, []int{3}},
		{[]int{2, 3}, []int{3}, []int{2, 3}},
		{[]int{2, 1}, []int{3}, []int{2, 3}},
		{[]int{2, 3, 4}, []int{2, 3, 4}, []int{2, 3, 4}},
		{[]int{2, 3, 4}, []int{3, 1}, []int{2, 3, 4}},
		{[]int{2, 1, 4}, []int{3, 1}, []int{2, 3, 4}},
		{[]int{2, 1, 1, 3}, []int{4, 5, 1}, []int{2, 4, 5, 3}},
		{[]int{1}, []int{0}, []int{0}},
		{[]int{2, 0, 3}, []int{1, 3}, []int{2, 0, 3}},
	}
	for _, op := range binaries {
		t.Run(op.name, func(t *testing.T) {
			for _, s := range shapes {
				for _, a := range layouts(newRand(), s.a...) {
					for _, b := range layouts(newRand(), s.b...) {
						want, swapped := []float64{}, []float64{}
						eachIndex(s.want, func(index []int) {
							x, y := broadcastAt(a.Tensor, index), broadcastAt(b.Tensor, index)
							want = append(want, op.want(x, y))
							swapped = append(swapped, op.want(y, x))
						})
						got := op.method(a.Tensor, b.Tensor)
						assert.Equal(t, s.want, append([]int{}, got.Shape()...))
						tensortest.Close(t, want, got, 1e-6)
						tensortest.Close(t, swapped, op.method(b.Tensor, a.Tensor), 1e-6)
					}
				}
			}
		})
	}
}

func TestBinaryTo(t *testing.T) {
	for _, op := range binaries {
		for _, dst := range writable(newRand(), 2, 3, 4) {
			a, b := tensortest.Random(newRand(), 2, 3, 4), tensortest.Random(newRand(), 3, 4)
			op.to(dst.Tensor, a, b)
			tensortest.Close(t, op.method(a, b), dst.Tensor, 0)

			want := op.method(dst.Clone(), b)
			op.to(dst.Tensor, dst.Tensor, b)
			tensortest.Close(t, want, dst.Tensor, 0)
		}
		requirePanic(t, "tensor: "+op.name+": shapes [2 3] and [2]: do not broadcast", func() { op.method(tensor.New(2, 3), tensor.New(2)) })
		requirePanic(t, "tensor: "+op.name+": shapes [2] and [2 3]: do not broadcast", func() { op.method(tensor.New(2), tensor.New(2, 3)) })
		requirePanic(t, "tensor: "+op.name+"To: shapes [2 3] and [3] and [3]: the first is not the broadcast of the others", func() {
			op.to(tensor.New(2, 3), tensor.New(3), tensor.New(3))
		})
	}
}

func TestArithmeticPropagatesNaN(t *testing.T) {
	x := tensor.FromSlice([]float32{nan, inf, -inf, 0}, 4)
	zero := tensor.New(4)
	tensortest.Close(t, []float32{nan, inf, -inf, 0}, x.Add(zero), 0)
	tensortest.Close(t, []float32{nan, nan, nan, 0}, x.Sub(x), 0)
	tensortest.Close(t, []float32{nan, nan, nan, 0}, x.Mul(zero), 0)
	tensortest.Close(t, []float32{nan, nan, nan, 0}, x.Scale(0), 0)
	tensor.Axpy(zero, 0, x)
	tensortest.Close(t, []float32{nan, nan, nan, 0}, zero, 0)
}

func TestScaleAxpyCopy(t *testing.T) {
	for _, shape := range [][]int{{}, {7}, {2, 3, 4}, {3, 0}, {1, 5, 1}} {
		for _, x := range layouts(newRand(), shape...) {
			for _, dst := range writable(newRand(), shape...) {
				old := doubles(dst.Tensor)
				tensor.Axpy(dst.Tensor, 0.5, x.Tensor)
				for i, v := range doubles(x.Tensor) {
					old[i] += 0.5 * v
				}
				tensortest.Close(t, old, dst.Tensor, 1e-6)

				tensor.CopyTo(dst.Tensor, x.Tensor)
				tensortest.Close(t, x.Tensor, dst.Tensor, 0)

				tensor.ScaleTo(dst.Tensor, -2, x.Tensor)
				tensortest.Close(t, x.Scale(-2), dst.Tensor, 0)
				for i, v := range doubles(x.Tensor) {
					old[i] = -2 * v
				}
				tensortest.Close(t, old, dst.Tensor, 0)
			}
		}
	}
	x := tensor.New(2, 3)
	tensor.CopyTo(x, tensor.FromSlice([]float32{1, 2, 3}, 3))
	assert.Equal(t, []float32{1, 2, 3, 1, 2, 3}, x.Data())
	requirePanic(t, "tensor: CopyTo: shapes [2] and [2 3]: the first does not broadcast to the second", func() { tensor.CopyTo(x, tensor.New(2)) })
	requirePanic(t, "tensor: Axpy: shapes [2 3] and [3]: must be the same", func() { tensor.Axpy(x, 1, tensor.New(3)) })
	requirePanic(t, "tensor: ScaleTo: shapes [2 3] and [3]: must be the same", func() { tensor.ScaleTo(x, 1, tensor.New(3)) })
}

// Large tensors, of any layout, are split among cores.
func TestArithmeticOnSeveralCores(t *testing.T) {
	a := tensortest.Random(newRand(), 300, 500)
	row, column := tensortest.Random(newRand(), 500), tensortest.Random(newRand(), 300, 1)
	sameBits(t, func() *tensor.Tensor {
		x := a.Add(row).Mul(column).Sub(a.Slice(1, 0, 1))
		tensor.Axpy(x.Slice(1, 0, 300).Transpose(), 0.3, a.Slice(1, 100, 400))
		return x.Transpose().Mul(row.Reshape(500, 1)).Scale(3)
	})
}
