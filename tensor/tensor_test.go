package tensor_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/promptcam/promptcam/tensor"
	"github.com/promptcam/promptcam/tensor/tensortest"
)

func TestNew(t *testing.T) {
	x := tensor.New(2, 3)
	assert.Equal(t, []int{2, 3}, x.Shape())
	assert.True(t, x.Contiguous())
	assert.Equal(t, make([]float32, 6), x.Data())
	assert.Equal(t, []int{2, 6, 3, 2}, []int{x.Rank(), x.Len(), x.Dim(-1), x.Dim(0)})

	scalar := tensor.New()
	assert.Equal(t, []int{0, 1}, []int{scalar.Rank(), scalar.Len()})
	scalar.Set(3)
	assert.Equal(t, float32(3), scalar.At())

	assert.Empty(t, tensor.New(2, 0, 3).Data())
	requirePanic(t, "tensor: New: shape [2 -1]: not a possible shape", func() { tensor.New(2, -1) })
	requirePanic(t, "tensor: New: shape [4294967296 4294967296]: not a possible shape", func() { tensor.New(1<<32, 1<<32) })
}

func TestFromSlice(t *testing.T) {
	data := []float32{1, 2, 3, 4, 5, 6}
	x := tensor.FromSlice(data, 3, 2)
	x.Set(9, 2, 1)
	assert.Equal(t, float32(9), data[5], "data is kept, not copied")
	assert.Equal(t, float32(4), x.At(1, 1))
	requirePanic(t, "tensor: FromSlice: shape [2 2]: want 4 elements, got 6", func() { tensor.FromSlice(data, 2, 2) })
}

func TestHeader(t *testing.T) {
	h := &tensor.Header{}
	x := h.FromSlice([]float32{1, 2}, 2)
	old := x.Reshape(1, 2)
	assert.Same(t, x, h.FromSlice([]float32{3, 4, 5, 6}, 2, 2))
	assert.Equal(t, []int{2, 2}, x.Shape())
	assert.Equal(t, float32(5), x.At(1, 0))
	assert.Equal(t, []float32{1, 2}, old.Data())
	h.FromSlice([]float32{7}, x.Slice(0, 0, 1).Slice(1, 0, 1).Shape()...)
	assert.Equal(t, []float32{7}, x.Data())
	requirePanic(t, "tensor: FromSlice: shape [3]: want 3 elements, got 1", func() { h.FromSlice([]float32{1}, 3) })
	y := tensortest.Ramp(2, 3)
	assert.Same(t, x, h.Slice(y, 1, 1, 3))
	assert.Equal(t, y.Slice(1, 1, 3), x)
	assert.Same(t, x, h.Reshape(y, -1, 2))
	assert.Equal(t, y.Reshape(3, 2), x)
	requirePanic(t, "tensor: Data: shape [3 2]: a view with strides [1 3] is not contiguous", func() { h.Reshape(y.Transpose(), 6) })
}

// A view made by Expand with nothing to expand does not change with its tensor's header.
func TestHeaderLeavesViews(t *testing.T) {
	h := &tensor.Header{}
	x := h.Reshape(tensortest.Ramp(2, 3), 2, 3)
	view := x.Expand(2, 3)
	h.FromSlice(make([]float32, 5), 5)
	assert.Equal(t, []int{2, 3}, view.Shape())
	assert.Equal(t, tensortest.Ramp(2, 3).Data(), view.Data())
}

func TestContiguous(t *testing.T) {
	x := tensortest.Ramp(2, 3, 4)
	cases := []struct {
		name string
		view *tensor.Tensor
		want bool
	}{
		{"whole", x, true},
		{"first rows", x.Slice(0, 0, 1), true},
		{"one row of each", x.Slice(1, 1, 2), false},
		{"one row", x.Slice(0, 1, 2).Slice(1, 1, 2), true},
		{"some columns", x.Slice(2, 1, 3), false},
		{"transposed", x.Transpose(), false},
		{"transposed row", tensor.New(1, 4).Transpose(), true},
		{"permuted ones", tensor.New(3, 1, 4).Permute(1, 0, 2), true},
		{"expanded", tensor.New(1, 4).Expand(3, 4), false},
		{"expanded to one", tensor.New(4).Expand(1, 4), true},
		{"scalar", tensor.New(), true},
		{"empty", tensor.New(0, 3), true},
		{"empty view", x.Slice(2, 1, 1), true},
		{"empty transposed view", x.Slice(1, 1, 1).Transpose(), true},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			assert.Equal(t, c.want, c.view.Contiguous())
			if c.want {
				tensortest.Close(t, doubles(c.view), c.view.Data(), 0)
				assert.Same(t, c.view, c.view.Contig())
			} else {
				tensortest.Close(t, doubles(c.view), c.view.Contig().Data(), 0)
			}
		})
	}
	requirePanic(t, "tensor: Data: shape [2 4 3]: a view with strides [12 1 4] is not contiguous", func() { x.Transpose().Data() })
}

func TestClone(t *testing.T) {
	for _, x := range layouts(newRand(), 3, 4, 5) {
		y := x.Clone()
		tensortest.Close(t, doubles(x.Tensor), y.Data(), 0)
		y.Fill(1)
		assert.NotEqual(t, float32(1), x.At(0, 0, 0), x.name)
	}
}

func TestFill(t *testing.T) {
	for _, shape := range [][]int{{}, {3}, {2, 0}, {2, 3, 4}} {
		for _, x := range writable(newRand(), shape...) {
			assert.Same(t, x.Tensor, x.Fill(2))
			for _, v := range doubles(x.Tensor) {
				assert.Equal(t, 2.0, v, x.name)
			}
		}
	}
	x := tensor.New(3, 3)
	x.Slice(0, 1, 2).Slice(1, 1, 3).Fill(1)
	assert.Equal(t, []float32{0, 0, 0, 0, 1, 1, 0, 0, 0}, x.Data(), "only the view")
}

func TestAt(t *testing.T) {
	x := tensortest.Ramp(2, 3)
	requirePanic(t, "tensor: At: shape [2 3]: index [0 3] is outside", func() { x.At(0, 3) })
	requirePanic(t, "tensor: At: shape [2 3]: index [-1 0] is outside", func() { x.At(-1, 0) })
	requirePanic(t, "tensor: Set: shape [2 3]: 1 indices for 2 dimensions", func() { x.Set(1, 0) })
	requirePanic(t, "tensor: Dim: shape [2 3]: no dimension 2", func() { x.Dim(2) })
	requirePanic(t, "tensor: Dim: shape [2 3]: no dimension -3", func() { x.Dim(-3) })
}

func TestZeroTensorPanics(t *testing.T) {
	var zero tensor.Tensor
	for name, do := range map[string]func(){
		"Len":     func() { zero.Len() },
		"Data":    func() { zero.Data() },
		"At":      func() { zero.At() },
		"Set":     func() { zero.Set(1) },
		"Fill":    func() { zero.Fill(1) },
		"Clone":   func() { zero.Clone() },
		"Add":     func() { zero.Add(tensor.New()) },
		"AddTo":   func() { tensor.AddTo(tensor.New(2), tensor.New(2), &zero) },
		"Scale":   func() { zero.Scale(2) },
		"Expand":  func() { zero.Expand(2, 3) },
		"Sum":     func() { zero.Sum() },
		"SumTo":   func() { tensor.SumTo(tensor.New(), &zero) },
		"Reshape": func() { zero.Reshape(1) },
	} {
		assert.PanicsWithValue(t, "tensor: the zero Tensor has no elements: use New or FromSlice", do, name)
	}
	for name, do := range map[string]func(){
		"MatMul":    func() { zero.MatMul(tensor.New(1, 1)) },
		"Transpose": func() { zero.Transpose() },
		"Slice":     func() { zero.Slice(0, 0, 1) },
		"Softmax":   func() { zero.Softmax() },
		"ArgMax":    func() { zero.ArgMax() },
	} {
		assert.Panics(t, do, name)
	}
	assert.Empty(t, zero.Shape())
}

func TestShapeError(t *testing.T) {
	assert.EqualError(t, &tensor.ShapeError{Op: "X", Reason: "why"}, "tensor: X: why")
	requirePanic(t, "tensor: MatMul: shapes [16 397 768] and [512 768]: inner sizes 768 and 512 differ", func() {
		tensor.New(16, 397, 768).MatMul(tensor.New(512, 768))
	})
}
