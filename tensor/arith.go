package tensor

import (
	"iter"
	"slices"

	"github.com/promptcam/promptcam/tensor/internal/kernel"
	"github.com/promptcam/promptcam/tensor/internal/parallel"
)

// grain is how many elements of cheap work are worth handing to another core.
const grain = 1 << 15

// Add returns t + u, broadcast.
func (t *Tensor) Add(u *Tensor) *Tensor { return binary("Add", AddTo, t, u) }

// Sub returns t - u, broadcast.
func (t *Tensor) Sub(u *Tensor) *Tensor { return binary("Sub", SubTo, t, u) }

// Mul returns the product of t and u, element by element, broadcast.
func (t *Tensor) Mul(u *Tensor) *Tensor { return binary("Mul", MulTo, t, u) }

// Div returns t / u, element by element, broadcast.
func (t *Tensor) Div(u *Tensor) *Tensor { return binary("Div", DivTo, t, u) }

// Scale returns t times a number.
func (t *Tensor) Scale(alpha float32) *Tensor {
	dst := New(t.shape...)
	ScaleTo(dst, alpha, t)
	return dst
}

func binary(op string, to func(dst, a, b *Tensor), a, b *Tensor) *Tensor {
	dst := New(Broadcast(op, a.shape, b.shape)...)
	to(dst, a, b)
	return dst
}

// Broadcast returns the shape to which both shapes broadcast. It panics with
// a *ShapeError naming op if there is none.
func Broadcast(op string, a, b []int) []int {
	if len(a) < len(b) {
		a, b = b, a
	}
	shape := slices.Clone(a)
	lead := len(a) - len(b)
	for i, s := range b {
		switch {
		case shape[lead+i] == s || s == 1:
		case shape[lead+i] == 1:
			shape[lead+i] = s
		default:
			panic(&ShapeError{op, [][]int{slices.Clone(a), slices.Clone(b)}, "do not broadcast"})
		}
	}
	return shape
}

// AddTo writes a + b to dst, broadcast.
func AddTo(dst, a, b *Tensor) {
	elementwise("Add", dst, a, b, kernel.Add, func(x, y float32) float32 { return x + y })
}

// SubTo writes a - b to dst, broadcast.
func SubTo(dst, a, b *Tensor) {
	elementwise("Sub", dst, a, b, nil, func(x, y float32) float32 { return x - y })
}

// MulTo writes the product of a and b, element by element, to dst, broadcast.
func MulTo(dst, a, b *Tensor) {
	elementwise("Mul", dst, a, b, kernel.Mul, func(x, y float32) float32 { return x * y })
}

// DivTo writes a / b, element by element, to dst, broadcast.
func DivTo(dst, a, b *Tensor) {
	elementwise("Div", dst, a, b, nil, func(x, y float32) float32 { return x / y })
}

// ScaleTo writes alpha times a to dst, of the same shape.
func ScaleTo(dst *Tensor, alpha float32, a *Tensor) {
	same("Scale", dst, a)
	if dst.Contiguous() && a.Contiguous() {
		d, s := dst.Data(), a.Data()
		parallel.For(len(d), grain, func(from, to int) { kernel.Scale(d[from:to], alpha, s[from:to]) })
		return
	}
	for r, s := range pairs(dst, a) {
		for i := range r.n {
			r.data[i*r.step] = alpha * s.data[i*s.step]
		}
	}
}

// Axpy adds alpha times x to dst, of the same shape.
func Axpy(dst *Tensor, alpha float32, x *Tensor) {
	same("Axpy", dst, x)
	if dst.Contiguous() && x.Contiguous() {
		d, s := dst.Data(), x.Data()
		parallel.For(len(d), grain, func(from, to int) { kernel.Axpy(d[from:to], alpha, s[from:to]) })
		return
	}
	for r, s := range pairs(dst, x) {
		for i := range r.n {
			r.data[i*r.step] += alpha * s.data[i*s.step]
		}
	}
}

// CopyTo copies src, broadcast to dst's shape, to dst.
func CopyTo(dst, src *Tensor) {
	if !slices.Equal(dst.shape, src.shape) {
		src = src.Expand(dst.shape...)
	}
	if dst.Contiguous() && src.Contiguous() {
		copy(dst.Data(), src.Data())
		return
	}
	for r, s := range pairs(dst, src) {
		if r.step == 1 && s.step == 1 {
			copy(r.data[:r.n], s.data[:s.n])
			continue
		}
		for i := range r.n {
			r.data[i*r.step] = s.data[i*s.step]
		}
	}
}

// elementwise writes f(a, b) to dst. vec, if not nil, is f over contiguous rows.
func elementwise(op string, dst, a, b *Tensor, vec func(dst, a, b []float32), f func(x, y float32) float32) {
	if !slices.Equal(dst.shape, a.shape) || !slices.Equal(dst.shape, b.shape) {
		if !slices.Equal(dst.shape, Broadcast(op, a.shape, b.shape)) {
			panic(&ShapeError{op + "To", [][]int{dst.shape, a.shape, b.shape}, "the first is not the broadcast of the others"})
		}
		a, b = a.Expand(dst.shape...), b.Expand(dst.shape...)
	}
	if vec != nil && dst.Contiguous() && a.Contiguous() && b.Contiguous() {
		d, x, y := dst.Data(), a.Data(), b.Data()
		parallel.For(len(d), grain, func(from, to int) { vec(d[from:to], x[from:to], y[from:to]) })
		return
	}
	for rs := range walk(dst, a, b) {
		r, x, y := rs[0], rs[1], rs[2]
		if vec != nil && r.step == 1 && x.step == 1 && y.step == 1 {
			vec(r.data[:r.n], x.data[:r.n], y.data[:r.n])
			continue
		}
		for i := range r.n {
			r.data[i*r.step] = f(x.data[i*x.step], y.data[i*y.step])
		}
	}
}

func same(op string, a, b *Tensor) {
	if !slices.Equal(a.shape, b.shape) {
		panic(&ShapeError{op, [][]int{a.shape, b.shape}, "must be the same"})
	}
}

// row is one run along the last dimension: element i is data[i*step].
type row struct {
	data    []float32
	n, step int
}

// rows yields the runs of t along its last dimension, in order.
func (t *Tensor) rows() iter.Seq[row] {
	return func(yield func(row) bool) {
		for rs := range walk(t, t, t) {
			if !yield(rs[0]) {
				return
			}
		}
	}
}

// pairs yields matching runs of two tensors of one shape.
func pairs(a, b *Tensor) iter.Seq2[row, row] {
	return func(yield func(row, row) bool) {
		for rs := range walk(a, b, b) {
			if !yield(rs[0], rs[1]) {
				return
			}
		}
	}
}

// walk yields matching runs along the last dimension of three tensors of one
// shape, counting up the other dimensions like an odometer.
func walk(a, b, c *Tensor) iter.Seq[[3]row] {
	ts := [3]*Tensor{a, b, c}
	return func(yield func([3]row) bool) {
		shape := ts[0].shape
		if ts[0].Len() == 0 {
			return
		}
		last := len(shape) - 1
		var rs [3]row
		for i, t := range ts {
			rs[i] = row{t.data, 1, 1}
			if last >= 0 {
				rs[i] = row{t.data, shape[last], t.stride[last]}
			}
		}
		index := make([]int, max(last, 0))
		for {
			if !yield(rs) {
				return
			}
			d := last - 1
			for ; d >= 0; d-- {
				if index[d]++; index[d] < shape[d] {
					break
				}
				index[d] = 0
			}
			if d < 0 {
				return
			}
			for i, t := range ts {
				o := 0
				for j, x := range index {
					o += x * t.stride[j]
				}
				rs[i].data = t.data[o:]
			}
		}
	}
}
