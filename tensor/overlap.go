package tensor

import (
	"slices"
	"unsafe"
)

// tangled reports whether an element of t may share memory with an element of u at another index. Both have
// one shape and elements, and t does not repeat any.
func (t *Tensor) tangled(u *Tensor) bool {
	return !t.apart(u) && !(&t.data[0] == &u.data[0] && t.steps(u))
}

// separate panics if dst may share memory with an operand. nil operands share none.
func separate(op string, dst *Tensor, operands ...*Tensor) {
	for _, o := range operands {
		if o != nil && dst.Len() > 0 && o.Len() > 0 && !dst.apart(o) {
			panic(&ShapeError{op, [][]int{slices.Clone(dst.shape), slices.Clone(o.shape)}, "the result shares memory with an operand"})
		}
	}
}

// apart reports whether t and u certainly share no elements; both have some. It is true for views of different
// rows or columns of a tensor.
func (t *Tensor) apart(u *Tensor) bool {
	from, to := t.bounds()
	fromU, toU := u.bounds()
	if to < fromU || toU < from {
		return true
	}
	// If all steps of at least s are multiples of s, then elements are at the same places modulo s as without
	// the dimensions of these steps.
	offset := int(fromU-from) / elementSize // of u's first element from t's
	return slices.ContainsFunc(t.stride, func(s int) bool {
		width, ok := t.within(s)
		widthU, okU := u.within(s)
		if !ok || !okU {
			return false
		}
		at := (offset%s + s) % s
		return width <= at && at+widthU <= s
	})
}

const elementSize = int(unsafe.Sizeof(float32(0)))

// bounds returns the addresses of the first and the last element.
func (t *Tensor) bounds() (first, last uintptr) {
	end := 0
	for i, s := range t.shape {
		end += (s - 1) * t.stride[i]
	}
	return uintptr(unsafe.Pointer(&t.data[0])), uintptr(unsafe.Pointer(&t.data[end]))
}

// steps reports whether t and u step alike along every dimension.
func (t *Tensor) steps(u *Tensor) bool {
	for i, n := range t.shape {
		if n > 1 && t.stride[i] != u.stride[i] {
			return false
		}
	}
	return true
}

// within returns how many elements the dimensions with steps less than s span. It is not ok unless the other
// steps are multiples of s.
func (t *Tensor) within(s int) (width int, ok bool) {
	width = 1
	for i, n := range t.shape {
		switch stride := t.stride[i]; {
		case n == 1:
		case stride < s:
			width += (n - 1) * stride
		case s == 0 || stride%s != 0:
			return 0, false
		}
	}
	return width, s > 0
}
