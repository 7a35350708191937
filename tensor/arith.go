package tensor

import (
	"slices"

	"github.com/promptcam/promptcam/tensor/internal/kernel"
)

// Add returns t + u, broadcast.
func (t *Tensor) Add(u *Tensor) *Tensor { return binary("Add", AddTo, t, u) }

// Sub returns t - u, broadcast.
func (t *Tensor) Sub(u *Tensor) *Tensor { return binary("Sub", SubTo, t, u) }

// Mul returns the product of t and u, element by element, broadcast.
func (t *Tensor) Mul(u *Tensor) *Tensor { return binary("Mul", MulTo, t, u) }

// Scale returns alpha times t.
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

// Broadcast returns the common shape to which a and b broadcast. It panics with a *ShapeError naming op if
// there is none.
func Broadcast(op string, a, b []int) []int { return broadcast(nil, op, a, b) }

// broadcast is Broadcast, appending to room.
func broadcast(room []int, op string, a, b []int) []int {
	long, short := a, b
	if len(a) < len(b) {
		long, short = b, a
	}
	shape := append(room, long...)
	lead := len(long) - len(short)
	for i, s := range short {
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
	elementwise("AddTo", dst, a, b, func(_ float32, d, x, y run) {
		if d.step == 1 && x.step == 1 && y.step == 1 {
			kernel.Add(d.data[:d.n], x.data[:d.n], y.data[:d.n])
			return
		}
		for i := range d.n {
			d.data[i*d.step] = x.data[i*x.step] + y.data[i*y.step]
		}
	})
}

// SubTo writes a - b to dst, broadcast.
func SubTo(dst, a, b *Tensor) {
	elementwise("SubTo", dst, a, b, func(_ float32, d, x, y run) {
		for i := range d.n {
			d.data[i*d.step] = x.data[i*x.step] - y.data[i*y.step]
		}
	})
}

// MulTo writes the product of a and b, element by element, to dst, broadcast.
func MulTo(dst, a, b *Tensor) {
	elementwise("MulTo", dst, a, b, func(_ float32, d, x, y run) {
		switch {
		case d.step == 1 && x.step == 1 && y.step == 1:
			kernel.Mul(d.data[:d.n], x.data[:d.n], y.data[:d.n])
		case d.step == 1 && x.step == 1 && y.step == 0: // one factor for the whole run, such as DropPath's
			kernel.Scale(d.data[:d.n], y.data[0], x.data[:d.n])
		default:
			for i := range d.n {
				d.data[i*d.step] = x.data[i*x.step] * y.data[i*y.step]
			}
		}
	})
}

// elementwise calls f with matching runs of dst and the broadcast a and b.
func elementwise(op string, dst, a, b *Tensor, f func(_ float32, dst, a, b run)) {
	if !slices.Equal(dst.shape, a.shape) || !slices.Equal(dst.shape, b.shape) {
		var room [8]int // on the stack
		if !slices.Equal(dst.shape, broadcast(room[:0], op, a.shape, b.shape)) {
			panic(&ShapeError{op, [][]int{dst.shape, a.shape, b.shape}, "the first is not the broadcast of the others"})
		}
	}
	eachRun(op, 0, dst, a, b, f)
}

// ScaleTo writes alpha times a to dst, of the same shape.
func ScaleTo(dst *Tensor, alpha float32, a *Tensor) {
	same("ScaleTo", dst, a)
	eachRun("ScaleTo", alpha, dst, a, a, func(alpha float32, d, x, _ run) {
		if d.step == 1 && x.step == 1 {
			kernel.Scale(d.data[:d.n], alpha, x.data[:d.n])
			return
		}
		for i := range d.n {
			d.data[i*d.step] = alpha * x.data[i*x.step]
		}
	})
}

// Axpy adds alpha times x to dst, of the same shape.
func Axpy(dst *Tensor, alpha float32, x *Tensor) {
	same("Axpy", dst, x)
	eachRun("Axpy", alpha, dst, x, x, func(alpha float32, d, x, _ run) {
		if d.step == 1 && x.step == 1 {
			kernel.Axpy(d.data[:d.n], alpha, x.data[:d.n])
			return
		}
		for i := range d.n {
			d.data[i*d.step] += alpha * x.data[i*x.step]
		}
	})
}

// CopyTo copies src, broadcast to dst's shape, to dst.
func CopyTo(dst, src *Tensor) {
	eachRun("CopyTo", 0, dst, src, src, func(_ float32, d, x, _ run) {
		if d.step == 1 && x.step == 1 {
			copy(d.data[:d.n], x.data[:d.n])
			return
		}
		for i := range d.n {
			d.data[i*d.step] = x.data[i*x.step]
		}
	})
}

func same(op string, a, b *Tensor) {
	if !slices.Equal(a.shape, b.shape) {
		panic(&ShapeError{op, [][]int{a.shape, b.shape}, "must be the same"})
	}
}
