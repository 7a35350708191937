package kernel

import (
	"fmt"
	"iter"
)

// Matrix is a strided view of float32s: element (i, j) is Data[i*RowStride+j*ColStride]. Strides are not
// negative.
type Matrix struct {
	Data                 []float32
	Rows, Cols           int
	RowStride, ColStride int
}

// T returns the transpose, a view of the same elements.
func (m Matrix) T() Matrix {
	return Matrix{m.Data, m.Cols, m.Rows, m.ColStride, m.RowStride}
}

// Gemm computes c = a·b and then applies after, which may be nil. c's ColStride must be 1; a and b may have
// any strides. c must not share elements with the operands. It panics if shapes do not match or a view
// reaches past its data.
//
// The bits of an element of c depend only on its row of a and its column of b, not on how c is split among
// calls or whether b is packed.
func Gemm(c, a, b Matrix, after *After) {
	b.check("b")
	b.raceRead()
	multiply(c, a, right{plain: b}, after)
}

// GemmPacked is Gemm with a right operand that is packed.
func GemmPacked(c, a Matrix, b Packed, after *After) {
	raceRead(b.data)
	multiply(c, a, right{packed: b}, after)
}

func multiply(c, a Matrix, b right, after *After) {
	if rows, cols := b.size(); a.Rows != c.Rows || cols != c.Cols || a.Cols != rows {
		panic(fmt.Sprintf("kernel: Gemm: %dx%d times %dx%d into %dx%d", a.Rows, a.Cols, rows, cols, c.Rows, c.Cols))
	}
	a.check("a")
	c.check("c")
	if c.ColStride != 1 && c.Cols > 1 {
		panic(fmt.Sprintf("kernel: Gemm: c has column stride %d, want 1", c.ColStride))
	}
	if after.nothing() {
		after = nil
	} else {
		after.check(c)
	}
	if c.Rows == 0 || c.Cols == 0 {
		return
	}
	a.raceRead()
	c.raceWrite()
	gemm(best, c, a, b, after)
}

// check panics unless all elements of m, the operand called name, are within its data.
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

// TileSize returns the rows and columns of a full tile: products of multiples of them waste no work.
func TileSize() (rows, cols int) { return best.mr, best.nr }

// The tiling follows Goto and van de Geijn, "Anatomy of High-Performance Matrix Multiplication", ACM TOMS
// 34(3), 2008, and BLIS, with the roles of a and b exchanged: a tile of c stays in registers, and its rows of
// a stay in the first-level cache while a block of b streams from the second-level cache, panel by panel.
const (
	// blockK is the most summands that a tile processes at a time. A tile's rows of a, 12 x 512, take 24 KB
	// of a first-level cache of 32 to 48 KB.
	blockK = 512
	// block is roughly the size of the block of b that all rows of a use before the next: 512 KB of a
	// second-level cache of 1 to 2 MB.
	block = 1 << 17
	// packedTiles is the number of tiles whose rows of a are copied at a time, if their elements are not
	// adjacent: 4 x 12 floats are three cache lines.
	packedTiles = 4
	// fewRows is the most rows of c for which b is read in place if possible: copying would cost more than it
	// saves.
	fewRows = 24
)

// workspace is the memory into which one call of gemm copies operands.
type workspace struct {
	a, b []float32 // as much as was ever needed
}

var workspaces Stock[workspace]

// gemm is Gemm without its checks. Only a.Cols decides how the sums are cut into blocks, and the tile decides
// the order within a block, so the bits depend on nothing else. Whether an operand is read in place or copied
// affects only speed.
func gemm(t *tier, c, a Matrix, b right, after *After) {
	w := workspaces.Get()
	defer workspaces.Put(w)
	beta := float32(0)
	for p, n := range kBlocks(a.Cols) {
		x := a.view(0, p, a.Rows, n)
		tiles := x // rows for one tile after the other
		step := t.mr * x.RowStride
		copied := n > 0 && x.ColStride != 1
		if copied {
			tiles, step = w.tiles(t, x)
		}
		width := blockRows(c.Cols, block/max(n, blockK/4)/t.nr*t.nr, t.nr)
		for j := 0; j < c.Cols; j += width {
			cols := min(width, c.Cols-j)
			y := c.view(0, j, c.Rows, cols)
			panels := b.panels(t, w, p, n, j, cols, c.Rows)
			for i := 0; i < c.Rows; i += t.mr {
				if copied && j == 0 && i/t.mr%packedTiles == 0 {
					rows := min(packedTiles*t.mr, c.Rows-i)
					packA(t, tiles.Data[i/t.mr*step:], x.view(i, 0, rows, n))
				}
				rows := min(t.mr, c.Rows-i)
				left := tiles.Data[min(i/t.mr*step, len(tiles.Data)):]
				t.tile(rows, cols, n, 1, left, tiles.RowStride, tiles.ColStride,
					panels.data, panels.row, panels.step, beta, y.Data[i*c.RowStride:], c.RowStride, panels.prefetch(t, cols, n))
				if after != nil && p+n == a.Cols {
					after.apply(t, y.view(i, 0, rows, cols), i, j)
				}
			}
		}
		beta = 1
	}
}

// kBlocks yields the start and the length of each block of k summands.
func kBlocks(k int) iter.Seq2[int, int] {
	return func(yield func(int, int) bool) {
		from := 0
		// Even without summands c becomes 0, so there is always one block.
		for n := max(1, (k+blockK-1)/blockK); n > 0; n-- {
			size := (k - from + n - 1) / n
			if !yield(from, size) {
				return
			}
			from += size
		}
	}
}

// view returns the rows x cols block of m that starts at (i, j).
func (m Matrix) view(i, j, rows, cols int) Matrix {
	v := Matrix{nil, rows, cols, m.RowStride, m.ColStride}
	if rows > 0 && cols > 0 {
		v.Data = m.Data[i*m.RowStride+j*m.ColStride:]
	}
	return v
}

// tiles returns memory for the rows of m, tile by tile, and the distance from one tile to the next.
func (w *workspace) tiles(t *tier, m Matrix) (Matrix, int) {
	step := t.mr * m.Cols
	return Matrix{sized(&w.a, (m.Rows+t.mr-1)/t.mr*step), m.Rows, m.Cols, 1, t.mr}, step
}

// packA copies m to dst tile by tile, each of them column by column.
func packA(t *tier, dst []float32, m Matrix) {
	step := t.mr * m.Cols
	full := m.Rows / t.mr
	if m.RowStride == 1 {
		t.packA(dst, m.Data, m.ColStride, m.Cols, full)
	} else {
		for i := range full {
			m.view(i*t.mr, 0, t.mr, m.Cols).T().copyTo(t, dst[i*step:], t.mr)
		}
	}
	if rest := m.Rows - full*t.mr; rest > 0 {
		m.view(full*t.mr, 0, rest, m.Cols).T().copyTo(t, dst[full*step:], t.mr)
	}
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
