package tensor

import (
	"iter"
	"slices"

	"github.com/promptcam/promptcam/tensor/internal/kernel"
	"github.com/promptcam/promptcam/tensor/internal/parallel"
)

// Sum returns the sum over the given dimensions, which are dropped; over all of them, a scalar, if none is
// given.
func (t *Tensor) Sum(dims ...int) *Tensor {
	ones, dropped := slices.Clone(t.shape), make([]bool, len(t.shape))
	for _, d := range dims {
		dropped[t.axis("Sum", d)] = true
	}
	var kept []int
	for i, s := range t.shape {
		if len(dims) == 0 || dropped[i] {
			ones[i] = 1
		} else {
			kept = append(kept, s)
		}
	}
	dst := New(kept...)
	SumTo(FromSlice(dst.data, ones...), t)
	return dst
}

// SumTo writes to dst the sum of src over every dimension that dst lacks or has with size one: the adjoint of
// broadcasting dst's shape to src's. The order of summation depends on the shapes alone.
func SumTo(dst, src *Tensor) {
	dst.writable("SumTo")
	dst.expand("SumTo", src.shape) // panics before anything is written
	separate("SumTo", dst, src)
	dst.Fill(0)
	addSum("SumTo", dst, src)
}

// AddSumTo adds to dst what SumTo would write.
func AddSumTo(dst, src *Tensor) {
	dst.writable("AddSumTo")
	separate("AddSumTo", dst, src)
	addSum("AddSumTo", dst, src)
}

// addSum adds src to dst, broadcast.
func addSum(op string, dst, src *Tensor) {
	if src.Len() == 0 {
		dst.expand(op, src.shape)
		return
	}
	s := sumTasks.Get()
	s.dst.expandOf(op, dst, src.shape)
	s.src.expandOf(op, src, src.shape)
	last := len(src.shape) - 1
	dim := 0 // the first along which elements of dst differ
	for dim <= last && (s.dst.stride[dim] == 0 || src.shape[dim] == 1) {
		dim++
	}
	switch {
	case dim > last:
		lines(&s.dst, &s.src, &s.src, 0, src.lines(), addRun)
	case dim == last:
		s.width = src.shape[last]
		s.run(src.lines(), s)
		for b := range s.blocks() {
			addRun(run{s.dst.data, s.width, s.dst.stride[last]}, run{b, s.width, 1}, run{})
		}
		s.width = 0
	default:
		s.outer, s.size, s.inner = 1, src.shape[dim], 1
		for i, n := range src.shape[:last] {
			switch {
			case i < dim:
				s.outer *= n
			case i > dim:
				s.inner *= n
			}
		}
		parallel.Run(s.size, max(1, grain/(src.Len()/s.size)), s)
	}
	s.dst.data, s.src.data = nil, nil
	sumTasks.Put(s)
}

// sum adds src to dst, both expanded to one shape; dst repeats its elements along some dimensions. The task
// is split along the first dimension where they differ, of the given size, with outer and inner lines around
// it, or, if that is the last dimension, over all lines.
type sum struct {
	dst, src           Tensor
	outer, size, inner int
	blockSums
}

var sumTasks tasks[sum, *sum]

// Do processes [from, to) of the dimension, or of the lines.
func (s *sum) Do(from, to int) {
	if s.width > 0 {
		b := s.block(from)
		lines(&s.src, &s.src, &s.src, from, to, func(r, _, _ run) { addRun(run{b, s.width, 1}, r, r) })
		return
	}
	for i := range s.outer {
		lines(&s.dst, &s.src, &s.src, (i*s.size+from)*s.inner, (i*s.size+to)*s.inner, addRun)
	}
}

// addRun adds s to d.
func addRun(d, s, _ run) {
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

// blockSums holds the sums over blocks of rows, each computed by one core and then added up in order. Only
// the number and width of the rows decide where blocks start.
type blockSums struct {
	sums  []float32 // [blocks, width]
	width int       // 0 where not in use
	rows  int       // of a block
}

// run runs t on each block of the rows; t adds up the rows [from, to) in block(from).
func (b *blockSums) run(rows int, t parallel.Task) {
	b.rows = max(1, 4*grain/b.width)
	n := (rows + b.rows - 1) / b.rows * b.width
	b.sums = slices.Grow(b.sums[:0], n)[:n]
	parallel.Run(rows, b.rows, t)
}

// block returns the sums, set to zero, of the block that starts at row from.
func (b *blockSums) block(from int) []float32 {
	i := from / b.rows * b.width
	clear(b.sums[i : i+b.width])
	return b.sums[i : i+b.width]
}

// blocks yields the sums of the blocks in order.
func (b *blockSums) blocks() iter.Seq[[]float32] { return slices.Chunk(b.sums, b.width) }

// ArgMax returns, row by row, the index of the largest element along the last dimension, the first of equals.
// NaN is larger than any number.
func (t *Tensor) ArgMax() []int {
	if len(t.shape) == 0 || t.shape[len(t.shape)-1] == 0 {
		panic(&ShapeError{"ArgMax", [][]int{t.shape}, "no last dimension to take the ArgMax of"})
	}
	all := make([]int, 0, t.lines())
	t.rows(func(r run) {
		best := 0
		for i := 1; i < r.n; i++ {
			b, x := r.data[best*r.step], r.data[i*r.step]
			if x > b || (x != x && b == b) {
				best = i
			}
		}
		all = append(all, best)
	})
	return all
}
