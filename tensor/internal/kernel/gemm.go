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
// registers while a panel of b, as wide as a tile, stays in the first-level
// cache and a block of a in the second.
const (
	// blockK is the most summands that one tile takes in at a time: a panel of
	// b of 256 x 32 is 32 KB of a first-level cache of 32 to 48 KB.
	blockK = 256
	// blockM is the most rows of a that one copy of b is used for: a block of
	// 384 x 256 is 384 KB of a second-level cache of 1 to 2 MB.
	blockM = 384
	// blockN is the number of columns of b copied at a time. Where b lies row by
	// row, this is how much is read in one piece.
	blockN = 256
	// rowGap lies between the rows of a copied block of a, lest rows that are
	// used together compete for the same places of the first-level cache.
	rowGap = 16
	// fewRows and fewCols are the numbers of rows up to which b, and of columns
	// up to which a, is read in place where that is possible: copying would cost
	// more than it saves.
	fewRows = 24
	fewCols = 128
)

// workspace is the memory that one call of gemm copies operands into.
type workspace struct {
	a [blockM * (blockK + rowGap)]float32
	b [blockK * blockN]float32
}

var workspaces = sync.Pool{New: func() any { return new(workspace) }}

// gemm is Gemm without its checks. The summed index is cut into blocks by a.Cols
// alone and the order within a block is the tile's, so that bits depend on
// nothing else; whether an operand is read in place or from a copy only matters
// to speed.
func gemm(t *tier, c, a, b Matrix, alpha, beta float32) {
	w := workspaces.Get().(*workspace)
	defer workspaces.Put(w)
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
	if a.ColStride != 1 || c.Cols > fewCols && c.Rows > t.mr {
		a = packA(t, w.a[:], a)
	}
	for j := 0; j < c.Cols; j += blockN {
		cols := min(blockN, c.Cols-j)
		block := b.view(0, j, k, cols)
		// In place, the last panel must not be narrower than the others: the
		// tile reads full rows.
		panel := t.nr
		if b.ColStride != 1 || c.Rows > fewRows || cols%t.nr != 0 {
			block = packB(t, w.b[:], block)
			panel = t.nr * k
		}
		for jj := 0; jj < cols; jj += t.nr {
			right := block.Data[min(jj/t.nr*panel, len(block.Data)):]
			for i := 0; i < c.Rows; i += t.mr {
				left := a.Data[min(i*a.RowStride, len(a.Data)):]
				t.tile(min(t.mr, c.Rows-i), min(t.nr, cols-jj), k, alpha, left, a.RowStride, a.ColStride,
					right, block.RowStride, beta, c.Data[i*c.RowStride+j+jj:], c.RowStride)
			}
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

// packA copies m to dst row by row.
func packA(t *tier, dst []float32, m Matrix) Matrix {
	if m.Cols == 0 {
		return m
	}
	row := m.Cols + rowGap
	m.copyTo(t, dst, row)
	return Matrix{dst, m.Rows, m.Cols, row, 1}
}

// packB copies m to dst in panels of nr columns, one after the other, each of
// them row by row. The last one is filled up with zeros.
func packB(t *tier, dst []float32, m Matrix) Matrix {
	k := m.Rows
	full := m.Cols / t.nr
	if m.ColStride == 1 && k > 0 {
		t.pack(dst, m.Data, m.RowStride, k, full)
	} else {
		for i := range full {
			m.view(0, i*t.nr, k, t.nr).copyTo(t, dst[i*t.nr*k:], t.nr)
		}
	}
	if rest := m.Cols - full*t.nr; rest > 0 {
		last := dst[full*t.nr*k:][:k*t.nr]
		clear(last)
		m.view(0, full*t.nr, k, rest).copyTo(t, last, t.nr)
	}
	return Matrix{dst, k, m.Cols, t.nr, 1}
}

// copyTo sets dst[i*row+j] to m's element (i, j).
func (m Matrix) copyTo(t *tier, dst []float32, row int) {
	switch {
	case m.ColStride == 1:
		for i := range m.Rows {
			copy(dst[i*row:], m.Data[i*m.RowStride:][:m.Cols])
		}
	case m.RowStride == 1 && m.Rows > 0:
		t.transpose(dst, row, m.Data, m.ColStride, m.Cols, m.Rows)
	default:
		for i := range m.Rows {
			for j := range m.Cols {
				dst[i*row+j] = m.Data[i*m.RowStride+j*m.ColStride]
			}
		}
	}
}
