package tensor_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/promptcam/promptcam/tensor"
	"github.com/promptcam/promptcam/tensor/tensortest"
)

func TestReshape(t *testing.T) {
	cases := []struct{ from, to, want []int }{
		{[]int{2, 3, 4}, []int{6, 4}, []int{6, 4}},
		{[]int{2, 3, 4}, []int{-1, 2}, []int{12, 2}},
		{[]int{2, 3, 4}, []int{4, -1, 3}, []int{4, 2, 3}},
		{[]int{1}, []int{}, []int{}},
		{[]int{}, []int{1, -1}, []int{1, 1}},
		{[]int{2, 0}, []int{0, 7}, []int{0, 7}},
		{[]int{2, 0}, []int{3, -1}, []int{3, 0}},
	}
	for _, c := range cases {
		for _, x := range layouts(newRand(), c.from...) {
			y := x.Reshape(c.to...)
			assert.Equal(t, c.want, append([]int{}, y.Shape()...), x.name)
			tensortest.Close(t, doubles(x.Tensor), y.Data(), 0)
			if y.Len() > 0 && x.Contiguous() {
				assert.Same(t, &x.Data()[0], &y.Data()[0], "%s: a view", x.name)
			}
		}
	}
	x := tensor.New(2, 3)
	requirePanic(t, "tensor: Reshape: shapes [2 3] and [4 2]: 6 elements do not fill the second", func() { x.Reshape(4, 2) })
	requirePanic(t, "tensor: Reshape: shapes [2 3] and [4 1]: 6 elements do not fill the second", func() { x.Reshape(4, -1) })
	requirePanic(t, "tensor: Reshape: shapes [2 3] and [-1 -1 6]: 6 elements do not fill the second", func() { x.Reshape(-1, -1, 6) })
	requirePanic(t, "tensor: Reshape: shapes [2 3] and [-2 -3]: 6 elements do not fill the second", func() { x.Reshape(-2, -3) })
	requirePanic(t, "tensor: Reshape: shapes [0] and [-1 0]: 0 elements do not fill the second", func() { tensor.New(0).Reshape(-1, 0) })
}

// requireView requires y's element at each index to be x's own element at from(index).
func requireView(t *testing.T, x, y *tensor.Tensor, from func(index []int) []int) {
	t.Helper()
	eachIndex(y.Shape(), func(index []int) {
		assert.Equal(t, x.At(from(index)...), y.At(index...))
		y.Set(y.At(index...)+1, index...)
		assert.Equal(t, x.At(from(index)...), y.At(index...), "memory is shared")
	})
}

func TestTranspose(t *testing.T) {
	for _, shape := range [][]int{{2, 3}, {2, 3, 4}, {1, 2, 1, 3}, {0, 2}} {
		for _, x := range writable(newRand(), shape...) {
			requireView(t, x.Tensor, x.Transpose(), func(index []int) []int {
				i := slices.Clone(index)
				n := len(i)
				i[n-1], i[n-2] = i[n-2], i[n-1]
				return i
			})
		}
	}
	requirePanic(t, "tensor: Transpose: shape [3]: needs two dimensions", func() { tensor.New(3).Transpose() })
}

func TestPermute(t *testing.T) {
	for _, order := range [][]int{{0, 1, 2}, {2, 0, 1}, {1, 2, 0}, {2, 1, 0}} {
		for _, x := range writable(newRand(), 2, 3, 4) {
			y := x.Permute(order...)
			requireView(t, x.Tensor, y, func(index []int) []int {
				i := make([]int, 3)
				for d, o := range order {
					i[o] = index[d]
				}
				return i
			})
		}
	}
	assert.Equal(t, 0, tensor.New().Permute().Rank())
	for _, order := range [][]int{{}, {0, 1}, {0, 1, 1}, {0, 1, 3}, {-1, 0, 1}, {5, 0, 1}, {0, 1, 2, 2}} {
		assert.PanicsWithError(t, (&tensor.ShapeError{Op: "Permute", Shapes: [][]int{{2, 3, 4}}, Reason: "[" + join(order) + "] is not an order of its dimensions"}).Error(),
			func() { tensor.New(2, 3, 4).Permute(order...) })
	}
}

func TestSlice(t *testing.T) {
	for _, dim := range []int{0, 1, -1} {
		for _, x := range writable(newRand(), 3, 4, 5) {
			requireView(t, x.Tensor, x.Slice(dim, 1, 3), func(index []int) []int {
				i := slices.Clone(index)
				i[(dim+3)%3]++
				return i
			})
		}
	}
	x := tensor.New(2, 3)
	assert.Equal(t, []int{2, 0}, x.Slice(1, 3, 3).Shape())
	assert.Equal(t, []int{0, 1}, x.Slice(0, 2, 2).Slice(1, 1, 2).Shape())
	requirePanic(t, "tensor: Slice: shape [2 3]: [1, 4) is outside dimension 1", func() { x.Slice(-1, 1, 4) })
	requirePanic(t, "tensor: Slice: shape [2 3]: [2, 1) is outside dimension 0", func() { x.Slice(0, 2, 1) })
	requirePanic(t, "tensor: Slice: shape [2 3]: no dimension 2", func() { x.Slice(2, 0, 1) })
}

func TestSelect(t *testing.T) {
	for _, dim := range []int{0, 1, -1} {
		for _, x := range writable(newRand(), 3, 4, 5) {
			requireView(t, x.Tensor, x.Select(dim, 2), func(index []int) []int { return slices.Insert(slices.Clone(index), (dim+3)%3, 2) })
		}
	}
	requirePanic(t, "tensor: Select: shape [2 3]: no element 3 along dimension 1", func() { tensor.New(2, 3).Select(1, 3) })
	requirePanic(t, "tensor: Select: shape [2 3]: no element -1 along dimension 1", func() { tensor.New(2, 3).Select(-1, -1) })
}

func TestExpand(t *testing.T) {
	cases := []struct{ from, to []int }{
		{[]int{}, []int{2, 3}},
		{[]int{3}, []int{2, 3}},
		{[]int{2, 1}, []int{2, 3}},
		{[]int{1, 3}, []int{4, 2, 3}},
		{[]int{2, 1, 3}, []int{2, 4, 3}},
		{[]int{1}, []int{0}},
		{[]int{2, 3}, []int{2, 3}},
	}
	for _, c := range cases {
		for _, x := range layouts(newRand(), c.from...) {
			y := x.Expand(c.to...)
			assert.Equal(t, c.to, y.Shape())
			eachIndex(c.to, func(index []int) { assert.Equal(t, broadcastAt(x.Tensor, index), float64(y.At(index...)), x.name) })
		}
	}
	for _, to := range [][]int{{2}, {3, 2}, {2, 6}, {0, 3}, {}} {
		assert.PanicsWithError(t, "tensor: Expand: shapes [2 3] and ["+join(to)+"]: the first does not broadcast to the second",
			func() { tensor.New(2, 3).Expand(to...) })
	}
	requirePanic(t, "tensor: Expand: shape [-1]: not a possible shape", func() { tensor.New(1).Expand(-1) })
}

func TestExpandedViewsAreNotWritten(t *testing.T) {
	x, row := tensor.New(3, 2, 2), tensor.New(2, 2)
	all := row.Expand(3, 2, 2)
	for op, do := range map[string]func(){
		"AddTo":       func() { tensor.AddTo(all, x, x) },
		"ScaleTo":     func() { tensor.ScaleTo(all, 2, x) },
		"Axpy":        func() { tensor.Axpy(all, 2, x) },
		"CopyTo":      func() { tensor.CopyTo(all, x) },
		"Fill":        func() { all.Fill(1) },
		"Set":         func() { all.Set(1, 0, 0, 0) },
		"SumTo":       func() { tensor.SumTo(all, x) },
		"MatMulTo":    func() { tensor.MatMulTo(all, x, row) },
		"AttentionTo": func() { tensor.AttentionTo(all, nil, nil, x, 1, tensor.KV{K: x, V: x}) },
	} {
		requirePanic(t, "tensor: "+op+": shape [3 2 2]: the result repeats its elements along dimension 0", do)
	}
	assert.Equal(t, make([]float32, 4), row.Data())
	tensor.CopyTo(row.Expand(1, 2, 2), x.Slice(0, 0, 1)) // repeats nothing
	tensor.New(3, 0).Fill(1)
}

func join(shape []int) string {
	s := fmt.Sprint(shape)
	return s[1 : len(s)-1]
}
