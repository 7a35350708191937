package tensor

import (
	"fmt"
	"slices"

	"github.com/promptcam/promptcam/tensor/internal/kernel"
)

// Sum returns the sum over the given dimensions, which are dropped; over all
// of them, a scalar, if none is given.
func (t *Tensor) Sum(dims ...int) *Tensor {
	shape, kept := t.reduced("Sum", dims)
	dst := New(kept...)
	SumTo(FromSlice(dst.data, shape...), t)
	return dst
}

// Mean returns the mean over the given dimensions, or over all.
func (t *Tensor) Mean(dims ...int) *Tensor {
	dst := t.Sum(dims...)
	ScaleTo(dst, float32(float64(dst.Len())/float64(t.Len())), dst)
	return dst
}

// SumTo sums src into dst over every dimension along which dst has size one
// or none: the adjoint of broadcasting dst's shape to src's. It adds up in
// src's row-major order, on one core.
func SumTo(dst, src *Tensor) {
	dst.writable("SumTo")
	expanded := dst.expand("SumTo", src.shape)
	dst.Fill(0)
	addSum(expanded, src)
}

// AddSumTo adds to dst what SumTo would write to it.
func AddSumTo(dst, src *Tensor) {
	dst.writable("AddSumTo")
	addSum(dst.expand("AddSumTo", src.shape), src)
}

// addSum adds src to dst, of the same shape, whose elements may be repeated.
func addSum(dst, src *Tensor) {
	for d, s := range pairs(dst, src) {
		switch {
		case d.step == 0 && s.step == 1:
			d.data[0] += kernel.Sum(s.data[:s.n])
		case d.step == 1 && s.step == 1:
			kernel.Axpy(d.data[:s.n], 1, s.data[:s.n])
		default:
			for i := range s.n {
				d.data[i*d.step] += s.data[i*s.step]
			}
		}
	}
}

// reduced returns t's shape with the given dimensions set to one, and without them.
func (t *Tensor) reduced(op string, dims []int) (ones, kept []int) {
	ones = slices.Clone(t.shape)
	for _, d := range dims {
		ones[t.axis(op, d)] = 1
	}
	if len(dims) == 0 {
		for i := range ones {
			ones[i] = 1
		}
		return ones, nil
	}
	for i, s := range t.shape {
		if !slices.ContainsFunc(dims, func(d int) bool { return t.axis(op, d) == i }) {
			kept = append(kept, s)
		}
	}
	return ones, kept
}

// Max returns the largest element along the last dimension, which is dropped.
// NaN is larger than any number.
func (t *Tensor) Max() *Tensor {
	t.nonEmptyRows("Max")
	dst := New(t.shape[:len(t.shape)-1]...)
	i := 0
	for r := range t.rows() {
		dst.data[i] = r.data[argMax(r)*r.step]
		i++
	}
	return dst
}

// ArgMax returns, row by row, where along the last dimension the largest
// element is; the first of equals.
func (t *Tensor) ArgMax() []int {
	t.nonEmptyRows("ArgMax")
	var best []int
	for r := range t.rows() {
		best = append(best, argMax(r))
	}
	return best
}

func argMax(r run) int {
	best := 0
	for i := 1; i < r.n; i++ {
		b, x := r.data[best*r.step], r.data[i*r.step]
		if x > b || (x != x && b == b) {
			best = i
		}
	}
	return best
}

func (t *Tensor) nonEmptyRows(op string) {
	if len(t.shape) == 0 || t.shape[len(t.shape)-1] == 0 {
		panic(&ShapeError{op, [][]int{t.shape}, fmt.Sprintf("no last dimension to take the %s of", op)})
	}
}
