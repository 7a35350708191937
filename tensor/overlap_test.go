package tensor_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/promptcam/promptcam/tensor"
)

// views returns tensors that share x's memory, each of shape [n, n], for x of [2n, 2n].
func views(x *tensor.Tensor) map[string]*tensor.Tensor {
	n := x.Dim(0) / 2
	corner := func(row, col int) *tensor.Tensor { return x.Slice(0, row, row+n).Slice(1, col, col+n) }
	return map[string]*tensor.Tensor{
		"corner": corner(0, 0), "right of it": corner(0, n), "below": corner(n, 0), "across": corner(n, n),
		"one down": corner(1, 0), "one right": corner(0, 1), "transposed": corner(0, 0).Transpose(),
		"row": x.Slice(0, 0, 1).Slice(1, 0, n).Expand(n, n), "column": x.Slice(0, 0, n).Slice(1, 1, 2).Expand(n, n),
		"dense": x.Reshape(-1).Slice(0, 0, n*n).Reshape(n, n), "elsewhere": counting(n, n),
	}
}

// An elementwise operation may write to what it reads, however the two overlap.
func TestElementwiseOverlaps(t *testing.T) {
	for _, n := range []int{1, 2, 3, 40} {
		for name := range views(counting(2*n, 2*n)) {
			for other := range views(counting(2*n, 2*n)) {
				t.Run(fmt.Sprintf("%s %s %d", name, other, n), func(t *testing.T) {
					all := views(counting(2*n, 2*n))
					dst, x := all[name], all[other]
					if name == "row" || name == "column" {
						if n > 1 {
							assert.Panics(t, func() { tensor.AddTo(dst, x, x) })
						}
						return
					}
					want := dst.Clone().Sub(x.Clone()).Mul(x.Clone())
					tensor.SubTo(dst, dst, x)
					all = views(counting(2*n, 2*n)) // again, since x may have changed
					dst, x = all[name], all[other]
					copied := x.Clone()
					tensor.SubTo(dst, dst, x)
					tensor.MulTo(dst, dst, copied)
					assert.Equal(t, want.Data(), dst.Contig().Data())

					all = views(counting(2*n, 2*n))
					dst, x = all[name], all[other]
					want = x.Clone()
					tensor.CopyTo(dst, x)
					assert.Equal(t, want.Data(), dst.Contig().Data())

					all = views(counting(2*n, 2*n))
					dst, x = all[name], all[other]
					want = dst.Clone().Add(x.Scale(2))
					tensor.Axpy(dst, 2, x)
					assert.Equal(t, want.Data(), dst.Contig().Data())
				})
			}
		}
	}
	x := counting(3, 4)
	tensor.AddTo(x, x, x.Slice(0, 0, 1)) // a row that is itself written
	assert.Equal(t, []float32{0, 2, 4, 6, 4, 6, 8, 10, 8, 10, 12, 14}, x.Data())
	x = counting(2, 2)
	tensor.AddTo(x.Transpose(), x, x)
	assert.Equal(t, []float32{0, 4, 2, 6}, x.Data())
}

// Parts of a tensor are written side by side without copies.
func TestApartWithoutCopies(t *testing.T) {
	x := counting(4, 6, 8)
	for name, part := range map[string]func(i int) *tensor.Tensor{
		"images":          func(i int) *tensor.Tensor { return x.Slice(0, 2*i, 2*i+2) },
		"rows":            func(i int) *tensor.Tensor { return x.Slice(1, 3*i, 3*i+3) },
		"columns":         func(i int) *tensor.Tensor { return x.Slice(2, 4*i, 4*i+4) },
		"turned columns":  func(i int) *tensor.Tensor { return x.Slice(2, 4*i, 4*i+4).Permute(2, 0, 1) },
		"columns of rows": func(i int) *tensor.Tensor { return x.Slice(1, 1, 4).Slice(2, 3*i, 3*i+3) },
		"the same":        func(int) *tensor.Tensor { return x },
	} {
		a, b := part(0), part(1)
		assert.Zero(t, testing.AllocsPerRun(10, func() { tensor.AddTo(a, a, b) }), name)
	}
}

// Other operations refuse to write to what they read.
func TestSharedMemoryPanics(t *testing.T) {
	x := counting(4, 4)
	half := x.Slice(0, 0, 2)
	const reason = ": the result shares memory with an operand"
	for want, do := range map[string]func(){
		"MatMulTo: shapes [4 4] and [4 4]":         func() { tensor.MatMulTo(x, x, counting(4, 4)) },
		"MatMulTo: shapes [2 4] and [4 4]":         func() { tensor.MatMulTo(half, counting(2, 4), x) },
		"LinearTo: shapes [4 4] and [4 4]":         func() { tensor.LinearTo(x, counting(4, 4), x, nil, tensor.After{}) },
		"LinearTo: shapes [2 4] and [2 4]":         func() { tensor.LinearTo(half, counting(2, 4), counting(4, 4), nil, tensor.After{Residual: half}) },
		"LinearBackwardTo: shapes [4 4] and [4 4]": func() { tensor.LinearBackwardTo(x, nil, x, nil, counting(4, 4), nil) },
		"SumTo: shapes [1 4] and [4 4]":            func() { tensor.SumTo(x.Slice(0, 3, 4), x) },
		"AddSumTo: shapes [1 4] and [2 4]":         func() { tensor.AddSumTo(x.Slice(0, 1, 2), half) },
	} {
		requirePanic(t, "tensor: "+want+reason, do)
	}
	assert.Equal(t, counting(4, 4).Data(), x.Data())
	tensor.MatMulTo(half, x.Slice(0, 2, 4), counting(4, 4)) // other rows
	tensor.SumTo(x.Slice(0, 0, 1), x.Slice(0, 2, 4))
	tensor.AddSumTo(tensor.New(4), x)
}
