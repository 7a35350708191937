package tensor

import (
	"fmt"
	"math"
	"slices"

	"github.com/promptcam/promptcam/tensor/internal/kernel"
)

// Tensor is an n-dimensional array of float32, or a view of one.
//
// A tensor made by New or FromSlice is row-major and contiguous. Reshape, Transpose, Permute, Slice, Select
// and Expand return views: they share elements with the tensor they came from. A tensor with no dimensions is
// a scalar. The zero Tensor is not ready for use: its elements are missing, and what needs them panics.
type Tensor struct {
	shape  []int
	stride []int     // elements to skip per step along each dimension; 0 where broadcast
	data   []float32 // the first element of the view is data[0]
}

// New returns a tensor of zeros. It panics with a *ShapeError if a size is negative.
func New(shape ...int) *Tensor {
	return FromSlice(kernel.Make(Size("New", shape)), shape...)
}

// FromSlice returns a row-major tensor of the elements data, which it does not copy. It panics with a
// *ShapeError unless len(data) is the product of the shape.
func FromSlice(data []float32, shape ...int) *Tensor {
	return new(Header).FromSlice(data, shape...)
}

// A Header holds one tensor, without its data, for owners of recycled memory such as autograd's tape. Its
// methods do what FromSlice, Tensor.Reshape and Tensor.Slice do, without allocating: each overwrites the
// header's tensor and returns it. Views of the former tensor keep the former data.
type Header struct{ t Tensor }

// FromSlice is like the function FromSlice.
func (h *Header) FromSlice(data []float32, shape ...int) *Tensor {
	if Size("FromSlice", shape) != len(data) {
		panic(&ShapeError{"FromSlice", [][]int{slices.Clone(shape)}, fmt.Sprintf("want %d elements, got %d", Size("FromSlice", shape), len(data))})
	}
	t := &h.t
	t.data = data
	t.shape = append(t.shape[:0], shape...)
	t.stride = append(t.stride[:0], shape...)
	step := 1
	for i := len(shape) - 1; i >= 0; i-- {
		t.stride[i] = step
		step *= shape[i]
	}
	return t
}

// Size returns the number of elements of a tensor of this shape. It panics with a *ShapeError naming op if a
// size is negative or the product overflows.
func Size(op string, shape []int) int {
	n := 1
	for _, s := range shape {
		if s < 0 || (s > 0 && n > maxLen/s) {
			panic(&ShapeError{op, [][]int{slices.Clone(shape)}, "not a possible shape"})
		}
		n *= s
	}
	return n
}

const maxLen = math.MaxInt >> 3 // elements, so that their bytes fit an int

// Shape returns the sizes of the dimensions. The caller must not change them.
func (t *Tensor) Shape() []int { return t.shape }

// Rank returns the number of dimensions.
func (t *Tensor) Rank() int { return len(t.shape) }

// Dim returns the size of dimension i; negative i count from the last.
func (t *Tensor) Dim(i int) int { return t.shape[t.axis("Dim", i)] }

// Len returns the number of elements. It panics for the zero Tensor.
func (t *Tensor) Len() int {
	if len(t.shape) == 0 && len(t.data) == 0 {
		panic("tensor: the zero Tensor has no elements: use New or FromSlice")
	}
	n := 1
	for _, s := range t.shape {
		n *= s
	}
	return n
}

// axis resolves dimension i, which counts from the last if negative.
func (t *Tensor) axis(op string, i int) int {
	j := i
	if j < 0 {
		j += len(t.shape)
	}
	if j < 0 || j >= len(t.shape) {
		panic(&ShapeError{op, [][]int{t.shape}, fmt.Sprintf("no dimension %d", i)})
	}
	return j
}

// Contiguous reports whether t's elements are in row-major order without gaps. An empty tensor is contiguous.
func (t *Tensor) Contiguous() bool {
	step := 1
	gaps := false
	for i := len(t.shape) - 1; i >= 0; i-- {
		gaps = gaps || t.shape[i] != 1 && t.stride[i] != step
		step *= t.shape[i]
	}
	return step == 0 || !gaps
}

// Data returns the elements of a contiguous tensor, not a copy. It panics with a *ShapeError if t is a view
// with gaps; Contig copies such a view.
func (t *Tensor) Data() []float32 {
	if !t.Contiguous() {
		panic(&ShapeError{"Data", [][]int{t.shape}, fmt.Sprintf("a view with strides %v is not contiguous", t.stride)})
	}
	return t.data[:t.Len()]
}

// Contig returns t itself if it is contiguous, and a row-major copy otherwise.
func (t *Tensor) Contig() *Tensor {
	if t.Contiguous() {
		return t
	}
	return t.Clone()
}

// Clone returns a row-major copy.
func (t *Tensor) Clone() *Tensor {
	u := New(t.shape...)
	CopyTo(u, t)
	return u
}

// At returns one element.
func (t *Tensor) At(index ...int) float32 { return t.data[t.offset("At", index)] }

// Set changes one element. It panics with a *ShapeError if t repeats elements, as views that Expand returns do.
func (t *Tensor) Set(v float32, index ...int) {
	t.writable("Set")
	t.data[t.offset("Set", index)] = v
}

func (t *Tensor) offset(op string, index []int) int {
	t.Len() // panics for the zero Tensor
	if len(index) != len(t.shape) {
		panic(&ShapeError{op, [][]int{t.shape}, fmt.Sprintf("%d indices for %d dimensions", len(index), len(t.shape))})
	}
	o := 0
	for i, x := range index {
		if x < 0 || x >= t.shape[i] {
			panic(&ShapeError{op, [][]int{t.shape}, fmt.Sprintf("index %v is outside", index)})
		}
		o += x * t.stride[i]
	}
	return o
}

// Fill sets every element to v and returns t.
func (t *Tensor) Fill(v float32) *Tensor {
	t.writable("Fill")
	zero := math.Float32bits(v) == 0
	t.rows(func(r run) {
		if zero && r.step == 1 {
			clear(r.data[:r.n])
			return
		}
		for i := range r.n {
			r.data[i*r.step] = v
		}
	})
	return t
}

// ShapeError is the value of the panic of an operation whose operands have shapes that do not match: a bug of
// the caller.
type ShapeError struct {
	Op     string  // the operation, such as MatMul
	Shapes [][]int // its operands
	Reason string
}

// Error names the operation, the shapes and the mismatch.
func (e *ShapeError) Error() string {
	s := "tensor: " + e.Op + ": "
	switch len(e.Shapes) {
	case 0:
	case 1:
		s += fmt.Sprintf("shape %v: ", e.Shapes[0])
	default:
		s += "shapes "
		for i, shape := range e.Shapes {
			if i > 0 {
				s += " and "
			}
			s += fmt.Sprint(shape)
		}
		s += ": "
	}
	return s + e.Reason
}
