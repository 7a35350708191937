package tensor

import (
	"fmt"
	"runtime"
	"slices"

	"github.com/promptcam/promptcam/tensor/internal/kernel"
	"github.com/promptcam/promptcam/tensor/internal/parallel"
)

// MatMul returns the matrix product of the last two dimensions, [..., m, k] by [..., k, n] to [..., m, n].
// Leading dimensions broadcast. Transposed views cost nothing extra.
func (t *Tensor) MatMul(u *Tensor) *Tensor {
	dst := New(matMulShape("MatMul", t, u)...)
	MatMulTo(dst, t, u)
	return dst
}

// matMulShape is the shape of the product of a and b.
func matMulShape(op string, a, b *Tensor) []int {
	m, n := len(a.shape), len(b.shape)
	if m < 2 || n < 2 {
		panic(&ShapeError{op, [][]int{a.shape, b.shape}, "both need two dimensions"})
	}
	if a.shape[m-1] != b.shape[n-2] {
		panic(&ShapeError{op, [][]int{a.shape, b.shape}, fmt.Sprintf("inner sizes %d and %d differ", a.shape[m-1], b.shape[n-2])})
	}
	return append(Broadcast(op, a.shape[:m-2], b.shape[:n-2]), a.shape[m-2], b.shape[n-1])
}

// MatMulTo writes the matrix product of a and b to dst, whose rows must be contiguous. On amd64 with AVX2 or
// AVX-512, all products of this package treat denormal numbers (below 1.2e-38) as 0.
func MatMulTo(dst, a, b *Tensor) {
	const op = "MatMulTo"
	shape := matMulShape(op, a, b)
	if !slices.Equal(dst.shape, shape) {
		panic(&ShapeError{op, [][]int{dst.shape, a.shape, b.shape}, fmt.Sprintf("the first should be %v", shape)})
	}
	r := len(shape)
	if dst.stride[r-1] != 1 && shape[r-1] > 1 {
		panic(&ShapeError{op, [][]int{dst.shape}, fmt.Sprintf("rows of the result have stride %d, want 1", dst.stride[r-1])})
	}
	dst.writable(op)
	separate(op, dst, a, b)
	if dst.Len() == 0 {
		return
	}
	// One product of many rows is faster than many of few: if a is contiguous and has only one b, its leading
	// dimensions are more rows of a single matrix.
	if len(b.shape) == 2 && r > 2 && dst.Contiguous() && a.Contiguous() {
		gemm(dst.flat(), a.flat(), b.matrix())
		return
	}
	lead := shape[:r-2]
	if Size(op, lead) == 1 {
		gemm(dst.matrix(), a.matrix(), b.matrix())
		return
	}
	a = a.Expand(append(slices.Clone(lead), a.shape[len(a.shape)-2:]...)...)
	b = b.Expand(append(slices.Clone(lead), b.shape[len(b.shape)-2:]...)...)
	parallel.For(Size(op, lead), 1, func(from, to int) {
		for i := from; i < to; i++ {
			kernel.Gemm(dst.nth(i), a.nth(i), b.nth(i), nil)
		}
	})
}

// matrix describes the last two dimensions of t at its first element.
func (t *Tensor) matrix() kernel.Matrix {
	r := len(t.shape)
	m := kernel.Matrix{Data: t.data, Rows: t.shape[r-2], Cols: t.shape[r-1], RowStride: t.stride[r-2], ColStride: t.stride[r-1]}
	switch {
	case m.Rows == 0 || m.Cols == 0:
		return kernel.Matrix{Rows: m.Rows, Cols: m.Cols, ColStride: 1} // a view's strides may reach past the end
	case m.Cols == 1:
		m.ColStride = 1
	}
	return m
}

// nth is matrix at the i-th index of the leading dimensions, in row-major order.
func (t *Tensor) nth(i int) kernel.Matrix {
	m := t.matrix()
	if len(m.Data) == 0 {
		return m
	}
	o := 0
	for d := len(t.shape) - 3; d >= 0; d-- {
		o += i % t.shape[d] * t.stride[d]
		i /= t.shape[d]
	}
	m.Data = m.Data[o:]
	return m
}

// gemm computes c = a·b on all cores.
func gemm(c, a, b kernel.Matrix) {
	p := products.Get()
	p.c, p.a, p.b = c, a, b
	p.run()
}

// product is a matrix product, computed in pieces.
type product struct {
	c, a    kernel.Matrix
	b       kernel.Matrix
	packed  kernel.Packed // b, if it has a Packed
	after   kernel.After
	columns bool // pieces are columns of c, not rows
}

var products tasks[product, *product]

// run computes p and returns it to products.
func (p *product) run() {
	rows, cols := p.c.Rows, p.c.Cols
	packed := p.packed.Panels() > 0
	cores := runtime.GOMAXPROCS(0)
	pieces := cores
	switch {
	case packed: // a piece of columns reads only its part of b from main memory
		p.columns = cols > rows && rows < 2*leastPiece
		pieces *= 4 // cores are not equally fast
	case p.a.ColStride == 1: // a piece of rows would copy all of b
		p.columns = cols > rows || cols >= cores*leastPiece
		pieces *= 4
	default: // a piece of rows would copy all of b, one of columns all of a
		p.columns = cols > rows
	}
	n := rows
	unit, unitCols := kernel.TileSize()
	if p.columns {
		n, unit = cols, unitCols
	}
	grain := n
	if cores > 1 && rows*cols*p.a.Cols >= leastProduct {
		// The bits do not depend on how c is split.
		grain = max(leastPiece, (n+pieces*unit-1)/(pieces*unit)*unit)
	}
	parallel.Run(n, grain, p)
	*p = product{}
	products.Put(p)
}

const (
	leastPiece   = 96      // rows or columns
	leastProduct = 1 << 22 // multiplications worth a second core: about 20 microseconds
)

// Do computes some rows or columns.
func (p *product) Do(from, to int) {
	c, a, b, packed := p.c, p.a, p.b, p.packed
	var after kernel.After
	if p.columns {
		c = rowsOf(c.T(), from, to).T()
		after = p.after.View(0, from, c.Rows, to-from)
		if packed.Panels() > 0 {
			packed = packed.Cols(from, to)
		} else {
			b = rowsOf(b.T(), from, to).T()
		}
	} else {
		c, a = rowsOf(c, from, to), rowsOf(a, from, to)
		after = p.after.View(from, 0, to-from, c.Cols)
	}
	if packed.Panels() > 0 {
		kernel.GemmPacked(c, a, packed, &after)
	} else {
		kernel.Gemm(c, a, b, &after)
	}
}

// rowsOf returns the rows [from, to) of m.
func rowsOf(m kernel.Matrix, from, to int) kernel.Matrix {
	m.Data, m.Rows = m.Data[from*m.RowStride:], to-from
	return m
}

// flat describes a contiguous tensor as one matrix of its rows along the last dimension.
func (t *Tensor) flat() kernel.Matrix {
	n := t.Dim(-1)
	rows := 1
	for _, s := range t.shape[:len(t.shape)-1] {
		rows *= s
	}
	return kernel.Matrix{Data: t.Data(), Rows: rows, Cols: n, RowStride: n, ColStride: 1}
}
