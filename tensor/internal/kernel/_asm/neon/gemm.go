package main

import (
	"fmt"
	"math/bits"
)

// A tile of Gemm is 8 by 8. Its sums fill 16 registers, enough to keep busy the four multiply-adders, each
// taking four cycles, of the Apple M series and Neoverse V1. A summand takes four loads for 16 multiply-adds,
// at most half of what two load units can do meanwhile. 8 by 12 would load a little less, but 12 does not
// divide the 64 columns of a head, nor the 256 of a block.
const (
	tileRows = 8
	tileCols = 8
)

// tile emits the tile of Gemm. There is a loop for each number of rows, so that none is computed in vain.
func tile(p *program) {
	f := p.function("tile", "(rows, cols, k int, alpha float32, a []float32, aRow, aCol int, "+
		"b []float32, bRow int, beta float32, c []float32, cRow int)",
		fmt.Sprintf("is tileGeneric for one tile of up to %d by %d.", tileRows, tileCols))
	f.frame = 4 * tileRows * tileCols
	t := tiling{
		function: f,
		a:        f.pointer("a"), aRow: f.stride("aRow"), aCol: f.stride("aCol"),
		b: f.pointer("b"), bRow: f.stride("bRow"),
		c: f.pointer("c"), cRow: f.stride("cRow"),
		k: f.integer("k"), height: f.integer("rows"), width: f.integer("cols"),
	}
	for n := tileRows; n > 1; n-- {
		f.emit("CMP $%d, R%d", n, t.height)
		f.branch(rowsLabel(n), "BEQ")
	}
	for n := 1; n <= tileRows; n++ {
		f.label(rowsLabel(n))
		t.sums(n)
	}
	t.narrow()
}

func rowsLabel(n int) string { return fmt.Sprint("rows", n) }

// tiling is the tile's function with its parameters; strides are in bytes.
type tiling struct {
	*function
	a, aRow, aCol, b, bRow, c, cRow, k, height, width *register
}

// sums emits the tile of n rows.
func (t tiling) sums(n int) {
	sums := make([][2]*register, n)
	for i := range sums {
		sums[i] = [2]*register{t.constant(0), t.constant(0)}
	}
	// row adds to the sums the products of a row of b with the elements of a that it meets.
	row := func(x []element) {
		b0, b1 := vector(), vector()
		t.emit("FLDPQ (R%d), (F%d, F%d)", t.b, b0, b1)
		t.emit("ADD R%d, R%d, R%d", t.bRow, t.b, t.b)
		for i := range x {
			t.addLane(sums[i][0], b0, x[i])
			t.addLane(sums[i][1], b1, x[i])
		}
	}
	byRows, done := t.newLabel("byRows"), t.newLabel("summed")
	t.emit("CMP $4, R%d", t.aRow)
	t.branch(byRows, "BNE")
	t.columns(n, row)
	t.branch(done, "B")
	t.label(byRows)
	t.rows(n, row)
	t.label(done)

	alpha := vector()
	t.emit("FMOVS "+address(t.param("alpha"))+", F%d", alpha)
	for i := range sums {
		for j := range sums[i] {
			t.mulLane(sums[i][j], element{alpha, 0})
		}
	}
	full := t.newLabel("full")
	t.emit("CMP $%d, R%d", tileCols, t.width)
	t.branch(full, "BEQ")
	stack := t.stack()
	for i := range sums {
		t.emit("FSTPQ.P (F%d, F%d), 32(R%d)", sums[i][0], sums[i][1], stack)
	}
	t.branch("narrow", "B")
	t.label(full)
	t.update(func(beta *register) {
		for _, s := range sums {
			if beta != nil {
				c0, c1 := vector(), vector()
				t.emit("FLDPQ (R%d), (F%d, F%d)", t.c, c0, c1)
				t.addProduct(s[0], c0, beta)
				t.addProduct(s[1], c1, beta)
			}
			t.emit("FSTPQ (F%d, F%d), (R%d)", s[0], s[1], t.c)
			t.emit("ADD R%d, R%d, R%d", t.cRow, t.c, t.c)
		}
	})
	t.ret()
}

// parts are what a vector is loaded and stored in, with the last letter of the instruction.
var parts = []struct {
	lanes int
	size  string
}{{4, "Q"}, {2, "D"}, {1, "S"}}

// columns emits the sums for an a of which a column, all that a row of b meets, lies side by side. It is
// loaded as the fours, twos and ones that n is made up of.
func (t tiling) columns(n int, row func(x []element)) {
	t.repeat(t.k, 1, func() {
		var x []element
		for _, p := range parts {
			for n-len(x) >= p.lanes {
				v := vector()
				t.emit("FMOV"+p.size+" %d(R%d), F%d", 4*len(x), t.a, v)
				for lane := range p.lanes {
					x = append(x, element{v, lane})
				}
			}
		}
		t.emit("ADD R%d, R%d, R%d", t.aCol, t.a, t.a)
		row(x)
	})
}

// rows emits the sums for any a: four summands at a time if a row of it lies side by side, then one by one.
func (t tiling) rows(n int, row func(x []element)) {
	rows, x := t.rowsFrom(t.a, t.aRow, n), make([]element, n)
	single := t.newLabel("single")
	t.emit("CMP $4, R%d", t.aCol)
	t.branch(single, "BNE")
	t.repeat(t.k, 4, func() {
		for i := range x {
			x[i] = element{vector(), 0}
			t.emit("FMOVQ.P 16(R%d), F%d", rows[i], x[i].vector)
		}
		for range 4 {
			row(x)
			for i := range x {
				x[i].lane++
			}
		}
	})
	t.label(single)
	t.repeat(t.k, 1, func() {
		for i := range x {
			x[i] = element{vector(), 0}
			t.emit("FMOVS (R%d), F%d", rows[i], x[i].vector)
			t.emit("ADD R%d, R%d, R%d", t.aCol, rows[i], rows[i])
		}
		row(x)
	})
}

// rowsFrom returns the addresses of n rows, of which the first is given.
func (f *function) rowsFrom(first, stride *register, n int) []*register {
	rows := []*register{first}
	for i := range n - 1 {
		rows = append(rows, general())
		f.emit("ADD R%d, R%d, R%d", stride, rows[i], rows[i+1])
	}
	return rows
}

// stack returns the address of room for a tile.
func (t tiling) stack() *register {
	r := general()
	t.emit("MOVD $sums-%d(SP), R%d", t.frame, r)
	return r
}

// update runs body twice, to emit c = beta*c + sums and, with nil, c = sums.
func (t tiling) update(body func(beta *register)) {
	overwrite, end := t.newLabel("overwrite"), t.newLabel("end")
	word := general()
	t.emit("MOVWU "+address(t.param("beta"))+", R%d", word)
	t.emit("LSLW $1, R%d, R%d", word, word) // -0 counts as 0 here, as it does in Go
	t.branch(overwrite, "CBZW R%d,", word)
	body(t.broadcast("beta"))
	t.branch(end, "B")
	t.label(overwrite)
	body(nil)
	t.label(end)
}

// narrow emits what follows the sums of a tile of less than full width, which lie on the stack: of every row
// the four, two and one columns that cols is made up of.
func (t tiling) narrow() {
	t.label("narrow")
	stack := t.stack()
	t.update(func(beta *register) {
		row := t.newLabel("row")
		t.label(row)
		s, next := vector(), vector()
		t.emit("FLDPQ.P 32(R%d), (F%d, F%d)", stack, s, next)
		to := general()
		t.emit("MOVD R%d, R%d", t.c, to)
		for _, part := range parts {
			skip := t.newLabel("skip")
			t.branch(skip, "TBZ $%d, R%d,", bits.TrailingZeros(uint(part.lanes)), t.width)
			if beta != nil {
				old := vector()
				t.emit("FMOV"+part.size+" (R%d), F%d", to, old)
				t.addProduct(s, old, beta)
			}
			t.emit("FMOV"+part.size+".P F%d, %d(R%d)", s, 4*part.lanes, to)
			switch part.size {
			case "Q":
				t.emit("VMOV V%d.B16, V%d.B16", next, s)
			case "D":
				t.emit("VDUP V%d.D[1], V%d.D2", s, s)
			}
			t.label(skip)
		}
		t.emit("ADD R%d, R%d, R%d", t.cRow, t.c, t.c)
		t.emit("SUBS $1, R%d, R%d", t.height, t.height)
		t.branch(row, "BNE")
	})
	t.ret()
}

// pack emits the copying of panels, two vectors wide: of either operand, as a tile is square.
func pack(p *program) {
	f := p.function("pack", "(dst, src []float32, srcRow, rows, panels int)",
		fmt.Sprintf("is packGeneric and packAGeneric for panels of %d columns.", tileCols))
	dst, src := f.pointer("dst"), f.pointer("src")
	srcRow, rows, panels := f.stride("srcRow"), f.integer("rows"), f.integer("panels")
	panel := general() // bytes from one panel of dst to the next
	f.emit("LSL $5, R%d, R%d", rows, panel)
	f.branch("end", "CBZ R%d,", panels)
	f.branch("end", "CBZ R%d,", rows)
	f.label("row")
	from, to, left := general(), general(), general()
	f.emit("MOVD R%d, R%d", src, from)
	f.emit("MOVD R%d, R%d", dst, to)
	f.emit("MOVD R%d, R%d", panels, left)
	f.label("panel")
	x, y := vector(), vector()
	f.emit("FLDPQ.P 32(R%d), (F%d, F%d)", from, x, y)
	f.emit("FSTPQ (F%d, F%d), (R%d)", x, y, to)
	f.emit("ADD R%d, R%d, R%d", panel, to, to)
	f.emit("SUBS $1, R%d, R%d", left, left)
	f.branch("panel", "BNE")
	f.emit("ADD R%d, R%d, R%d", srcRow, src, src)
	f.emit("ADD $%d, R%d, R%d", 4*tileCols, dst, dst)
	f.emit("SUBS $1, R%d, R%d", rows, rows)
	f.branch("row", "BNE")
	f.label("end")
	f.ret()
}

// transpose8x4 emits a transposition of eight rows, four columns at a time.
func transpose8x4(p *program) {
	f := p.function("transpose8x4", "(dst []float32, dstRow int, src []float32, srcRow, k int)",
		"is transposeGeneric for 8 rows and a multiple of 4 columns.")
	dst, src := f.pointer("dst"), f.pointer("src")
	dstRow, srcRow, k := f.stride("dstRow"), f.stride("srcRow"), f.integer("k")
	rows := f.rowsFrom(src, srcRow, 8)
	f.branch("end", "CBZ R%d,", k)
	f.label("loop")
	var columns [4][2]*register // a row of dst is two vectors
	for half := range 2 {
		var r [4]*register
		for i := range r {
			r[i] = vector()
			f.emit("FMOVQ.P 16(R%d), F%d", rows[4*half+i], r[i])
		}
		zip := func(name, lanes string, a, b *register) *register {
			d := vector()
			f.emit(name+" V%d."+lanes+", V%d."+lanes+", V%d."+lanes, b, a, d)
			return d
		}
		// Rows 0 and 1, then 2 and 3, in pairs of elements; then in fours.
		even01, odd01 := zip("VTRN1", "S4", r[0], r[1]), zip("VTRN2", "S4", r[0], r[1])
		even23, odd23 := zip("VTRN1", "S4", r[2], r[3]), zip("VTRN2", "S4", r[2], r[3])
		columns[0][half] = zip("VTRN1", "D2", even01, even23)
		columns[1][half] = zip("VTRN1", "D2", odd01, odd23)
		columns[2][half] = zip("VTRN2", "D2", even01, even23)
		columns[3][half] = zip("VTRN2", "D2", odd01, odd23)
	}
	for _, c := range columns {
		f.emit("FSTPQ (F%d, F%d), (R%d)", c[0], c[1], dst)
		f.emit("ADD R%d, R%d, R%d", dstRow, dst, dst)
	}
	f.emit("SUBS $4, R%d, R%d", k, k)
	f.branch("loop", "BNE")
	f.label("end")
	f.ret()
}
