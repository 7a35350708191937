package tensor

import (
	"github.com/promptcam/promptcam/tensor/internal/kernel"
	"github.com/promptcam/promptcam/tensor/internal/parallel"
)

// grain is how many elements of cheap work are worth a second core.
const grain = 1 << 15

// tasks recycles one kind of task, so that operations do not allocate.
type tasks[T any, P interface {
	*T
	parallel.Task
}] struct{ kernel.Stock[T] }

// run runs t.
func (l *tasks[T, P]) run(n, grain int, t T) {
	p := P(l.Get())
	*p = t
	parallel.Run(n, grain, p)
	*p = *new(T)
	l.Put((*T)(p))
}

// eachRow runs t, a task on rows along the last dimension of x.
func (l *tasks[T, P]) eachRow(x *Tensor, t T) {
	if x.Len() == 0 {
		return
	}
	n := x.Dim(-1)
	l.run(x.Len()/n, max(1, grain/n), t)
}

// run is a stretch of n of a tensor's elements: element i is data[i*step].
type run struct {
	data    []float32
	n, step int
}

// runs is an operation on matching runs of three tensors of one shape; it writes to the first.
type runs struct {
	t     [3]Tensor // headers of the operands, in the first one's shape
	flat  bool      // all are contiguous
	alpha float32   // an argument of do
	do    func(alpha float32, a, b, c run)
}

var runsTasks tasks[runs, *runs]

// eachRun calls do, on several cores, with matching runs that cover a, to which do writes, and b and c,
// broadcast to a's shape. It reads a copy of b or c if writing to a would change elements that are read later.
func eachRun(op string, alpha float32, a, b, c *Tensor, do func(alpha float32, a, b, c run)) {
	a.writable(op)
	n := a.Len()
	if n == 0 {
		return
	}
	r := runsTasks.Get()
	r.alpha, r.do, r.flat = alpha, do, true
	for i, t := range [...]*Tensor{a, b, c} {
		r.t[i].expandOf(op, t, a.shape)
		if i > 0 && r.t[0].tangled(&r.t[i]) {
			r.t[i].expandOf(op, t.Clone(), a.shape)
		}
		r.flat = r.flat && r.t[i].Contiguous()
	}
	if r.flat {
		parallel.Run(n, grain, r)
	} else {
		row := a.Dim(-1)
		parallel.Run(n/row, max(1, grain/row), r)
	}
	for i := range r.t {
		r.t[i].data = nil
	}
	runsTasks.Put(r)
}

// Do processes the elements [from, to), or, if there are gaps, the lines.
func (r *runs) Do(from, to int) {
	a, b, c := &r.t[0], &r.t[1], &r.t[2]
	if r.flat {
		n := to - from
		r.do(r.alpha, run{a.data[from:to], n, 1}, run{b.data[from:to], n, 1}, run{c.data[from:to], n, 1})
		return
	}
	lines(a, b, c, from, to, func(a, b, c run) { r.do(r.alpha, a, b, c) })
}

// rows calls do with the runs of t along its last dimension, in order.
func (t *Tensor) rows(do func(r run)) {
	lines(t, t, t, 0, t.lines(), func(r, _, _ run) { do(r) })
}

// lines returns the number of runs along t's last dimension; 1 for a scalar.
func (t *Tensor) lines() int {
	if len(t.shape) == 0 {
		return t.Len()
	}
	return t.Len() / max(1, t.shape[len(t.shape)-1])
}

// lines calls do, in order, with the matching runs [from, to) along the last dimension of three tensors of
// one shape. It counts the other dimensions like an odometer.
func lines(a, b, c *Tensor, from, to int, do func(a, b, c run)) {
	if from == to {
		return
	}
	shape := a.shape
	last := len(shape) - 1
	n, steps := 1, [3]int{1, 1, 1}
	if last >= 0 {
		n, steps = shape[last], [3]int{a.stride[last], b.stride[last], c.stride[last]}
	}
	var room [8]int // on the stack
	index := append(room[:0], shape...)[:max(last, 0)]
	var offset [3]int
	for d, rest := last-1, from; d >= 0; d-- {
		index[d], rest = rest%shape[d], rest/shape[d]
		offset[0] += index[d] * a.stride[d]
		offset[1] += index[d] * b.stride[d]
		offset[2] += index[d] * c.stride[d]
	}
	for range to - from {
		do(run{a.data[offset[0]:], n, steps[0]}, run{b.data[offset[1]:], n, steps[1]}, run{c.data[offset[2]:], n, steps[2]})
		for d := last - 1; d >= 0; d-- {
			back := 0
			if index[d]++; index[d] == shape[d] {
				back, index[d] = shape[d], 0
			}
			offset[0] += (1 - back) * a.stride[d]
			offset[1] += (1 - back) * b.stride[d]
			offset[2] += (1 - back) * c.stride[d]
			if back == 0 {
				break
			}
		}
	}
}
