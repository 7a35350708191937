package kernel

import "fmt"

// Packed is a right operand in the order in which tiles read it: blocks of at most blockK rows, each a
// sequence of panels of nr columns, each row by row. The last panel is padded with zeros.
type Packed struct {
	data       []float32
	rows, cols int
	nr         int
	panels     int // in a block of the whole, even for a view
	first      int // first panel of a view
}

// NewPacked returns memory for a rows x cols operand; Fill fills it.
func NewPacked(rows, cols int) Packed { return newPacked(best, rows, cols) }

func newPacked(t *tier, rows, cols int) Packed {
	panels := (cols + t.nr - 1) / t.nr
	return Packed{Make(rows * panels * t.nr), rows, cols, t.nr, panels, 0}
}

// Size returns the numbers of rows and columns.
func (p Packed) Size() (rows, cols int) { return p.rows, p.cols }

// Panels returns the number of panels to fill, each as wide as a tile.
func (p Packed) Panels() int { return p.panels }

// Fill copies panels [from, to) of m.
func (p Packed) Fill(m Matrix, from, to int) {
	m.check("b")
	m.raceRead()
	for i, n := range kBlocks(p.rows) {
		raceWrite(p.from(i, n, from*p.nr)[:(to-from)*p.nr*n])
	}
	p.fill(best, m, from, to)
}

func (p Packed) fill(t *tier, m Matrix, from, to int) {
	for i, n := range kBlocks(p.rows) {
		packB(t, p.from(i, n, from*t.nr), m.view(i, from*t.nr, n, min(to*t.nr, m.Cols)-from*t.nr))
	}
}

// Cols returns a view of the columns [from, to); from must be the start of a panel.
func (p Packed) Cols(from, to int) Packed {
	if from%p.nr != 0 {
		panic(fmt.Sprintf("kernel: column %d is within a panel of %d", from, p.nr))
	}
	p.first += from / p.nr
	p.cols = to - from
	return p
}

// from returns the memory from column j on, in the block of n rows that starts at row i.
func (p Packed) from(i, n, j int) []float32 {
	return p.data[(i*p.panels+(p.first+j/p.nr)*n)*p.nr:]
}

// packB copies m to dst in panels of nr columns, each row by row. The last panel is padded with zeros.
func packB(t *tier, dst []float32, m Matrix) {
	k := m.Rows
	full := m.Cols / t.nr
	// A few panels at a time, since their rows compete for the same sets of the first-level cache.
	const most = 8
	for i := 0; i < full && k > 0; i += most {
		n := min(most, full-i)
		part, to := m.view(0, i*t.nr, k, n*t.nr), dst[i*t.nr*k:]
		if m.ColStride == 1 {
			t.pack(to, part.Data, m.RowStride, k, n)
			continue
		}
		for j := range n {
			part.view(0, j*t.nr, k, t.nr).copyTo(t, to[j*t.nr*k:], t.nr)
		}
	}
	if rest := m.Cols - full*t.nr; rest > 0 {
		last := dst[full*t.nr*k:][:k*t.nr]
		clear(last)
		m.view(0, full*t.nr, k, rest).copyTo(t, last, t.nr)
	}
}

// right is the right operand of a product, packed or not.
type right struct {
	plain  Matrix
	packed Packed // if it has data
}

func (b right) size() (rows, cols int) {
	if b.packed.data != nil {
		return b.packed.Size()
	}
	return b.plain.Rows, b.plain.Cols
}

// panels are what the tiles read of a block of a right operand.
type panels struct {
	data []float32
	step int       // from one panel to the next
	row  int       // from a panel's row to the next
	next []float32 // the elements read after these
}

// panels returns columns [j, j+cols) of rows [p, p+n), for a product of the given number of rows.
func (b right) panels(t *tier, w *workspace, p, n, j, cols, rows int) panels {
	if b.packed.data != nil {
		all := b.packed.from(p, n, j)
		size := (cols + t.nr - 1) / t.nr * t.nr * n
		return panels{all[:size], t.nr * n, t.nr, all[size:]}
	}
	m := b.plain.view(p, j, n, cols)
	// In place, the last panel must not be narrower than the others: the tile reads full rows.
	if m.ColStride == 1 && rows <= fewRows && cols%t.nr == 0 && n > 0 {
		return panels{m.Data, t.nr, m.RowStride, nil}
	}
	dst := sized(&w.b, block)
	packB(t, dst, m)
	return panels{dst, t.nr * n, t.nr, nil}
}

// prefetch returns the memory that a tile of cols columns and k summands prefetches, so that the next block
// is in the second-level cache when it is needed.
func (b *panels) prefetch(t *tier, cols, k int) []float32 {
	n := (cols + t.nr - 1) / t.nr * 2 * k
	if len(b.next) < n {
		return b.data
	}
	ahead := b.next
	b.next = b.next[n:]
	return ahead
}
