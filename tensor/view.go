package tensor

import (
	"fmt"
	"slices"
)

// Reshape returns a view of t with another shape of the same number of elements. One size may be -1: it is
// inferred from the others. If t is not contiguous, Reshape copies it first.
func (t *Tensor) Reshape(shape ...int) *Tensor { return new(Header).Reshape(t.Contig(), shape...) }

// Reshape is like t.Reshape, but t must be contiguous.
func (h *Header) Reshape(t *Tensor, shape ...int) *Tensor {
	data := t.Data()
	n, free := 1, -1
	for i, s := range shape {
		if s == -1 && free < 0 {
			free = i
			continue
		}
		n *= s
	}
	var room [8]int // on the stack
	full := append(room[:0], shape...)
	if free >= 0 && n > 0 {
		full[free] = len(data) / n
		n *= full[free]
	}
	if n != len(data) || slices.ContainsFunc(full, func(s int) bool { return s < 0 }) {
		panic(&ShapeError{"Reshape", [][]int{t.shape, slices.Clone(full)}, fmt.Sprintf("%d elements do not fill the second", len(data))})
	}
	return h.FromSlice(data, full...)
}

// Transpose returns a view with the last two dimensions exchanged.
func (t *Tensor) Transpose() *Tensor {
	n := len(t.shape)
	if n < 2 {
		panic(&ShapeError{"Transpose", [][]int{t.shape}, "needs two dimensions"})
	}
	v := t.view()
	v.shape[n-1], v.shape[n-2] = v.shape[n-2], v.shape[n-1]
	v.stride[n-1], v.stride[n-2] = v.stride[n-2], v.stride[n-1]
	return v
}

// Permute returns a view whose dimension i is dimension order[i] of t.
func (t *Tensor) Permute(order ...int) *Tensor {
	v := t.view()
	ok := len(order) == len(t.shape)
	for i := range t.shape {
		ok = ok && slices.Contains(order, i)
	}
	if !ok {
		panic(&ShapeError{"Permute", [][]int{t.shape}, fmt.Sprintf("%v is not an order of its dimensions", order)})
	}
	for i, o := range order {
		v.shape[i], v.stride[i] = t.shape[o], t.stride[o]
	}
	return v
}

// Slice returns a view of the elements [from, to) along dimension dim.
func (t *Tensor) Slice(dim, from, to int) *Tensor { return new(Header).Slice(t, dim, from, to) }

// Slice is like t.Slice.
func (h *Header) Slice(t *Tensor, dim, from, to int) *Tensor {
	v := &h.t
	dim = t.axis("Slice", dim)
	if from < 0 || to < from || to > t.shape[dim] {
		panic(&ShapeError{"Slice", [][]int{t.shape}, fmt.Sprintf("[%d, %d) is outside dimension %d", from, to, dim)})
	}
	v.shape, v.stride = append(v.shape[:0], t.shape...), append(v.stride[:0], t.stride...)
	v.shape[dim] = to - from
	v.data = nil
	if v.Len() > 0 {
		v.data = t.data[from*t.stride[dim]:]
	}
	return v
}

// Select returns a view of element i along dimension dim, which is dropped.
func (t *Tensor) Select(dim, i int) *Tensor {
	dim = t.axis("Select", dim)
	if i < 0 || i >= t.shape[dim] {
		panic(&ShapeError{"Select", [][]int{t.shape}, fmt.Sprintf("no element %d along dimension %d", i, dim)})
	}
	v := t.Slice(dim, i, i+1)
	v.shape = slices.Delete(v.shape, dim, dim+1)
	v.stride = slices.Delete(v.stride, dim, dim+1)
	return v
}

// Expand returns a view of the given shape that repeats t along the dimensions that t lacks or has with size
// one, without copying. Operations and Set panic rather than write to such a view.
func (t *Tensor) Expand(shape ...int) *Tensor {
	Size("Expand", shape)
	return t.expand("Expand", shape).view()
}

// expand is Expand for an operation named op. It may return t itself, and keeps shape.
func (t *Tensor) expand(op string, shape []int) *Tensor {
	if slices.Equal(t.shape, shape) {
		return t
	}
	return new(Tensor).expandOf(op, t, shape)
}

// expandOf makes v the view of t that expand returns. It reuses v's strides and keeps shape.
func (v *Tensor) expandOf(op string, t *Tensor, shape []int) *Tensor {
	t.Len() // panics for the zero Tensor
	lead := len(shape) - len(t.shape)
	stride := v.stride[:0]
	for range lead {
		stride = append(stride, 0)
	}
	for i, s := range t.shape {
		switch {
		case lead < 0 || (s != 1 && s != shape[lead+i]):
			panic(&ShapeError{op, [][]int{t.shape, slices.Clone(shape)}, "the first does not broadcast to the second"})
		case s == shape[lead+i]:
			stride = append(stride, t.stride[i])
		default:
			stride = append(stride, 0)
		}
	}
	*v = Tensor{shape, stride, t.data}
	return v
}

// writable panics if t repeats elements: writing to one would change others, and race on several cores.
func (t *Tensor) writable(op string) {
	for i, s := range t.shape {
		if s > 1 && t.stride[i] == 0 && t.Len() > 0 {
			panic(&ShapeError{op, [][]int{t.shape}, fmt.Sprintf("the result repeats its elements along dimension %d", i)})
		}
	}
}

func (t *Tensor) view() *Tensor {
	return &Tensor{slices.Clone(t.shape), slices.Clone(t.stride), t.data}
}
