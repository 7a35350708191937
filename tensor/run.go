package tensor

import (
	"iter"

	"github.com/promptcam/promptcam/tensor/internal/parallel"
)

// grain is how many elements of cheap work are worth handing to another core.
const grain = 1 << 15

// run is a stretch of a tensor's elements: element i of n is data[i*step].
type run struct {
	data    []float32
	n, step int
}

// eachRun calls f, on several cores, with matching runs that together cover
// three tensors of one shape, of which f writes to a.
func eachRun(op string, a, b, c *Tensor, f func(a, b, c run)) {
	a.writable(op)
	n := a.Len()
	if n == 0 {
		return
	}
	if a.Contiguous() && b.Contiguous() && c.Contiguous() {
		parallel.For(n, grain, func(from, to int) {
			n := to - from
			f(run{a.data[from:to], n, 1}, run{b.data[from:to], n, 1}, run{c.data[from:to], n, 1})
		})
		return
	}
	row := a.Dim(-1)
	parallel.For(n/row, max(1, grain/row), func(from, to int) {
		for r := range runs(a, b, c, from, to) {
			f(r[0], r[1], r[2])
		}
	})
}

// rows yields the runs of t along its last dimension, in order.
func (t *Tensor) rows() iter.Seq[run] {
	return func(yield func(run) bool) {
		for r := range runs(t, t, t, 0, t.lines()) {
			if !yield(r[0]) {
				return
			}
		}
	}
}

// pairs yields the matching runs along the last dimension of two tensors of one shape, in order.
func pairs(a, b *Tensor) iter.Seq2[run, run] {
	return func(yield func(run, run) bool) {
		for r := range runs(a, b, b, 0, a.lines()) {
			if !yield(r[0], r[1]) {
				return
			}
		}
	}
}

// lines is the number of runs along t's last dimension; 1 for a scalar.
func (t *Tensor) lines() int {
	if len(t.shape) == 0 {
		return 1
	}
	return t.Len() / max(1, t.shape[len(t.shape)-1])
}

// runs yields the matching runs [from, to) along the last dimension of three
// tensors of one shape. It counts up the other dimensions like an odometer.
func runs(a, b, c *Tensor, from, to int) iter.Seq[[3]run] {
	ts := [3]*Tensor{a, b, c}
	return func(yield func([3]run) bool) {
		shape := a.shape
		last := len(shape) - 1
		var rs [3]run
		for i, t := range ts {
			rs[i] = run{t.data, 1, 1}
			if last >= 0 {
				rs[i] = run{t.data, shape[last], t.stride[last]}
			}
		}
		index := make([]int, max(last, 0))
		for d, rest := last-1, from; d >= 0 && rest > 0; d-- {
			index[d], rest = rest%shape[d], rest/shape[d]
		}
		for range to - from {
			for i, t := range ts {
				o := 0
				for d, x := range index {
					o += x * t.stride[d]
				}
				rs[i].data = t.data[o:]
			}
			if !yield(rs) {
				return
			}
			for d := last - 1; d >= 0; d-- {
				if index[d]++; index[d] < shape[d] {
					break
				}
				index[d] = 0
			}
		}
	}
}
