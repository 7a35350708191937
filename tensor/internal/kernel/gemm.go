package kernel

import (
	"fmt"
	"sync"
)

// Matrix is a strided view of float32s: element (i, j) is
// Data[i*RowStride+j*ColStride]. Strides are not negative.
type Matrix struct {
	Data                 []float32
	Rows, Cols           int
	RowStride, ColStride int
}

// T returns the transpose, a view of the same elements.
func (m Matrix) T() Matrix {
	return Matrix{m.Data, m.Cols, m.Rows, m.ColStride, m.RowStride}
}

// Gemm computes c = beta*c + alpha*a·b. c's ColStride must be 1; a and b may
// have any strides. If beta is 0, c is not read. c must not share elements with
// a or b. It panics if shapes do not fit or a view reaches past its data.
//
// The bits of an element of c depend only on its row of a, its column of b, and
// its old value: splitting c by rows or columns among several calls gives
// the same result as one call.
func Gemm(c, a, b Matrix, alpha, beta float32) {
	if a.Rows != c.Rows || b.Cols != c.Cols || a.Cols != b.Rows {
		panic(fmt.Sprintf("kernel: Gemm: %dx%d times %dx%d into %dx%d", a.Rows, a.Cols, b.Rows, b.Cols, c.Rows, c.Cols))
	}
	a.check("a")
	b.check("b")
	c.check("c")
	if c.ColStride != 1 && c.Cols > 1 {
		panic(fmt.Sprintf("kernel: Gemm: c has column stride %d, want 1", c.ColStride))
	}
	if c.Rows == 0 || c.Cols == 0 {
		return
	}
	a.raceRead()
	b.raceRead()
	c.raceWrite()
	gemm(best, c, a, b, alpha, beta)
}

// check panics unless all elements of m, the operand called name, lie in its data.
func (m Matrix) check(name string) {
	if m.Rows < 0 || m.Cols < 0 || m.RowStride < 0 || m.ColStride < 0 {
		panic(fmt.Sprintf("kernel: Gemm: %s is %dx%d with strides %d and %d", name, m.Rows, m.Cols, m.RowStride, m.ColStride))
	}
	if m.Rows == 0 || m.Cols == 0 {
		return
	}
	if last := (m.Rows-1)*m.RowStride + (m.Cols-1)*m.ColStride; last >= len(m.Data) {
		panic(fmt.Sprintf("kernel: Gemm: %s is %dx%d with strides %d and %d over %d elements, want %d",
			name, m.Rows, m.Cols, m.RowStride, m.ColStride, len(m.Data), last+1))
	}
}

// The tiling follows Goto and van de Geijn, "Anatomy of High-Performance Matrix
// Multiplication", ACM TOMS 34(3), 2008, and BLIS: a tile of c stays in
// registers while a panel of b stays in the first-level cache and a block of a
// in the second.
const (
	// blockK is the most summands that one tile takes in at a time: a panel of
	// b of 256 x 32 is 32 KB of a first-level cache of 32 to 48 KB.
	blockK = 256
	// blockM is the most rows of a that one panel of b is used for: a block of
	// 384 x 256 is 384 KB of a second-level cache of 1 to 2 MB.
	blockM = 384
	// fewRows is the number of rows up to which a panel of b, if it lies row by
	// row, is read in place: copying it would cost more than it saves.
	fewRows = 24
)

// workspace is the memory that one call of gemm copies operands into.
type workspace struct {
	a [blockM * blockK]float32
	b []float32 // blockK * nr
}

var workspaces = sync.Pool{New: func() any { return new(workspace) }}

// gemm is Gemm without its checks. The summed index is cut into blocks by a.Cols
// alone and the order within a block is the tile's, so that bits depend on
// nothing else; whether an operand is read in place or from a copy only matters
// to speed.
func gemm(t *tier, c, a, b Matrix, alpha, beta float32) {
	w := workspaces.Get().(*workspace)
	defer workspaces.Put(w)
	if len(w.b) < blockK*t.nr {
		w.b = make([]float32, blockK*t.nr)
	}
	k := a.Cols
	for i := 0; i < c.Rows; i += blockM {
		rows := min(blockM, c.Rows-i)
		beta := beta
		p := 0
		// Even without summands c takes on beta*c, so there is always one block.
		for blocks := max(1, (k+blockK-1)/blockK); blocks > 0; blocks-- {
			n := (k - p + blocks - 1) / blocks
			gemmBlock(t, w, c.view(i, 0, rows, c.Cols), a.view(i, p, rows, n), b.view(p, 0, n, b.Cols), alpha, beta)
			p += n
			beta = 1
		}
	}
}

// gemmBlock computes c = beta*c + alpha*a·b for at most blockM rows and blockK summands.
func gemmBlock(t *tier, w *workspace, c, a, b Matrix, alpha, beta float32) {
	k := a.Cols
	if a.ColStride != 1 && k > 0 {
		a = packRows(t, w.a[:], a)
	}
	for j := 0; j < c.Cols; j += t.nr {
		cols := min(t.nr, c.Cols-j)
		panel := b.view(0, j, k, cols)
		if k > 0 && (cols < t.nr || b.ColStride != 1 || c.Rows > fewRows) {
			panel = packPanel(t, w.b, panel)
		}
		for i := 0; i < c.Rows; i += t.mr {
			rows := min(t.mr, c.Rows-i)
			var left []float32 // of a, from row i on
			if k > 0 {
				left = a.Data[i*a.RowStride:]
			}
			t.tile(rows, cols, k, alpha, left, a.RowStride, a.ColStride, panel.Data, panel.RowStride, beta, c.Data[i*c.RowStride+j:], c.RowStride)
		}
	}
}

// view returns rows x cols elements of m from (i, j) on.
func (m Matrix) view(i, j, rows, cols int) Matrix {
	v := Matrix{nil, rows, cols, m.RowStride, m.ColStride}
	if rows > 0 && cols > 0 {
		v.Data = m.Data[i*m.RowStride+j*m.ColStride:]
	}
	return v
}

// packRows copies m to dst, row by row without gaps.
func packRows(t *tier, dst []float32, m Matrix) Matrix {
	if m.RowStride == 1 {
		t.transpose(dst, m.Cols, m.Data, m.ColStride, m.Cols, m.Rows)
	} else {
		copyStrided(dst, m.Cols, m)
	}
	return Matrix{dst, m.Rows, m.Cols, m.Cols, 1}
}

// packPanel copies m, at most nr columns, to dst in rows of nr elements, of
// which the last may be left as they were.
func packPanel(t *tier, dst []float32, m Matrix) Matrix {
	switch {
	case m.ColStride == 1:
		for p := range m.Rows {
			copy(dst[p*t.nr:], m.Data[p*m.RowStride:][:m.Cols])
		}
	case m.RowStride == 1:
		t.transpose(dst, t.nr, m.Data, m.ColStride, m.Cols, m.Rows)
	default:
		copyStrided(dst, t.nr, m)
	}
	return Matrix{dst, m.Rows, m.Cols, t.nr, 1}
}

// copyStrided sets dst[i*row+j] to m's element (i, j).
func copyStrided(dst []float32, row int, m Matrix) {
	for i := range m.Rows {
		for j := range m.Cols {
			dst[i*row+j] = m.Data[i*m.RowStride+j*m.ColStride]
		}
	}
}
