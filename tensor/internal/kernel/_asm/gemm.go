package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// tile emits the tile of Gemm: v.rows rows of two vectors at a time. There is a loop for each number of rows,
// so that none is computed in vain.
//
// Denormal numbers count as 0 in it: a product with one takes a hundred times as long, and a model that is
// sure of what it looks at has gradients that are full of them.
func (v isa) tile() {
	v.function("tile", "(rows, cols, k int, alpha float32, a []float32, aRow, aCol int, "+
		"b []float32, bRow, panel int, beta float32, c []float32, cRow int, ahead []float32)",
		fmt.Sprintf("is tileGeneric for tiles of up to %d by %d.", v.rows, 2*v.lanes))
	modes := AllocLocal(8) // Go's, and this function's
	STMXCSR(modes)
	flush := GP32()
	MOVL(modes, flush)
	ORL(U32(flushToZero|denormalsAreZero), flush)
	MOVL(flush, modes.Offset(4))
	LDMXCSR(modes.Offset(4))
	t := tile{isa: v, modes: modes, b: pointer("b"), c: pointer("c"), ahead: pointer("ahead"),
		aRow: stride("aRow"), aCol: stride("aCol"), bRow: stride("bRow"), cRow: stride("cRow")}
	rows := Load(Param("rows"), GP64())
	for n := v.rows; n > 1; n-- {
		CMPQ(rows, U8(n))
		JEQ(LabelRef(rowsLabel(n)))
	}
	for n := 1; n <= v.rows; n++ {
		Label(rowsLabel(n))
		t.left = Load(Param("cols"), GP64())
		t.rows(n)
	}
}

// Bits of MXCSR.
const (
	flushToZero      = 1 << 15
	denormalsAreZero = 1 << 6
)

func rowsLabel(n int) string { return fmt.Sprint("rows", n) }

// tile is the tile's function with its parameters; strides are in bytes.
type tile struct {
	isa
	modes                  Mem // MXCSR, as it has to be when the function returns
	b, c, ahead            reg.Register
	aRow, aCol, bRow, cRow reg.Register
	left                   reg.Register // columns
}

// stride loads an int, a number of float32s, as a number of bytes.
func stride(param string) reg.Register {
	r := Load(Param(param), GP64())
	SHLQ(U8(2), r)
	return r
}

// rows emits the tiles of n rows.
func (t tile) rows(n int) {
	next, last, ready := label("tile"), label("last"), label("ready")
	Label(next)
	sums := t.sums(n)
	CMPQ(t.left, U32(2*t.lanes))
	JLE(LabelRef(last))
	t.update(sums, nil)
	SUBQ(U32(2*t.lanes), t.left)
	ADDQ(U32(8*t.lanes), t.c)
	taken := Load(Param("k"), GP64()) // from the panel's first row to where b is now
	IMULQ(t.bRow, taken)
	SUBQ(taken, t.b)
	LEAQ(Mem{Base: t.b, Index: Load(Param("panel"), GP64()), Scale: 4}, t.b)
	JMP(LabelRef(next))
	Label(last)
	JEQ(LabelRef(ready))
	t.update(sums, t.left)
	t.ret()
	Label(ready)
	t.update(sums, nil)
	t.ret()
}

func (t tile) ret() {
	LDMXCSR(t.modes)
	ret()
}

// sums emits the sums over k, times alpha, for two vectors of n rows.
func (t tile) sums(n int) [][2]reg.VecVirtual {
	// Addresses reach three rows from one register: 0, 1 and 2 times the stride.
	groups := []reg.Register{pointer("a")}
	for i := 3; i < n; i += 3 {
		g := GP64()
		LEAQ(Mem{Base: groups[len(groups)-1], Index: t.aRow, Scale: 2}, g)
		ADDQ(t.aRow, g)
		groups = append(groups, g)
	}
	row := func(i int) Mem {
		m := Mem{Base: groups[i/3]}
		if i%3 > 0 {
			m.Index, m.Scale = t.aRow, uint8(i%3)
		}
		return m
	}
	sums := make([][2]reg.VecVirtual, n)
	for i := range sums {
		sums[i] = [2]reg.VecVirtual{t.constant(0), t.constant(0)}
	}
	k := Load(Param("k"), GP64())
	narrow, done := label("narrow"), label("summed")
	TESTQ(k, k)
	JZ(LabelRef(done))
	CMPQ(t.left, U32(t.lanes))
	JLE(LabelRef(narrow))
	// loop emits the sums for the first vectors of each row.
	loop := func(vectors int) {
		head := label("k")
		Label(head)
		right := make([]reg.VecVirtual, vectors)
		for j := range right {
			right[j] = t.reg()
			VMOVUPS(Mem{Base: t.b, Disp: 4 * t.lanes * j}, right[j])
		}
		ADDQ(t.bRow, t.b)
		PREFETCHT1(Mem{Base: t.ahead})
		ADDQ(U8(8), t.ahead)
		for i := range n {
			x := t.reg()
			VBROADCASTSS(row(i), x)
			for j := range right {
				VFMADD231PS(right[j], x, sums[i][j])
			}
		}
		for _, g := range groups {
			ADDQ(t.aCol, g)
		}
		DECQ(k)
		JNZ(LabelRef(head))
	}
	loop(2)
	JMP(LabelRef(done))
	Label(narrow)
	loop(1)
	Label(done)
	alpha := t.broadcast(address("alpha"))
	for i := range sums {
		for j := range 2 {
			VMULPS(alpha, sums[i][j], sums[i][j])
		}
	}
	return sums
}

// update emits c = beta*c + sums for a tile of cols columns, nil meaning all.
func (t tile) update(sums [][2]reg.VecVirtual, cols reg.Register) {
	var lanes [2]reg.Register // of either vector
	if cols != nil {
		first, second, most := GP64(), GP64(), GP64()
		MOVQ(U32(t.lanes), most)
		MOVQ(cols, first)
		CMPQ(first, most)
		CMOVQGT(most, first)
		MOVQ(cols, second)
		SUBQ(first, second)
		lanes = [2]reg.Register{first, second}
	}
	// -0 counts as 0 here, as it does in Go.
	bits := GP32()
	MOVL(address("beta"), bits)
	beta := t.broadcast(address("beta"))
	overwrite, end := label("overwrite"), label("end")
	ADDL(bits, bits)
	JZ(LabelRef(overwrite))
	store := func(beta Op) {
		for j, n := range lanes {
			s := step{isa: t.isa, ahead: j}
			if n != nil {
				s.mask = t.laneMask(n)
			}
			row := GP64()
			MOVQ(t.c, row)
			for i := range sums {
				if i > 0 {
					ADDQ(t.cRow, row)
				}
				if beta != nil {
					VFMADD231PS(s.loadAt(row), beta, sums[i][j])
				}
				s.storeAt(sums[i][j], row)
			}
		}
	}
	store(beta)
	JMP(LabelRef(end))
	Label(overwrite)
	store(nil)
	Label(end)
}

// pack emits the copying of an operand's panels, width columns each: two vectors for a right operand. Those
// of a left one, which lies column by column, are as wide as a tile has rows, which is less than a vector.
func (v isa) pack(name string, width int) {
	v.function(name, "(dst, src []float32, srcRow, rows, panels int)",
		fmt.Sprintf("is packGeneric for panels of %d columns.", width))
	steps := []step{{isa: v}, {isa: v, ahead: 1}}
	if width < v.lanes {
		lanes := GP64()
		MOVQ(U32(width), lanes)
		steps = []step{{isa: v, mask: v.laneMask(lanes)}}
	}
	dst, src := pointer("dst"), pointer("src")
	srcRow, rows := Load(Param("srcRow"), GP64()), Load(Param("rows"), GP64())
	panels := Load(Param("panels"), GP64())
	SHLQ(U8(2), srcRow)
	panel := GP64() // bytes from one panel of dst to the next
	IMUL3Q(U32(4*width), rows, panel)
	Label("row")
	CMPQ(rows, U8(0))
	JEQ(LabelRef("end"))
	from, to, left := GP64(), GP64(), GP64()
	MOVQ(src, from)
	MOVQ(dst, to)
	MOVQ(panels, left)
	Label("panel")
	TESTQ(left, left)
	JZ(LabelRef("done"))
	var r []Op
	for _, s := range steps {
		r = append(r, s.loadAt(from))
	}
	for i, s := range steps {
		s.storeAt(r[i], to)
	}
	ADDQ(U32(4*width), from)
	ADDQ(panel, to)
	DECQ(left)
	JMP(LabelRef("panel"))
	Label("done")
	ADDQ(srcRow, src)
	ADDQ(U32(4*width), dst)
	DECQ(rows)
	JMP(LabelRef("row"))
	Label("end")
	ret()
}

// transpose8 emits a transposition of eight rows at a time.
func transpose8() {
	isa{}.function("transpose8", "(dst []float32, dstRow int, src []float32, srcRow, k int)",
		"is transposeGeneric for 8 rows and a multiple of 8 columns, in AVX2.")
	dst, src := pointer("dst"), pointer("src")
	// rows returns the addresses of rows 0 to 3 without the first one's.
	rows := func(param string) [4]Mem {
		one, three := stride(param), GP64()
		LEAQ(Mem{Base: one, Index: one, Scale: 2}, three)
		return [4]Mem{{}, {Index: one, Scale: 1}, {Index: one, Scale: 2}, {Index: three, Scale: 1}}
	}
	srcRows, dstRows := rows("srcRow"), rows("dstRow")
	at := func(row Mem, base reg.Register, disp int) Mem {
		row.Base, row.Disp = base, disp
		return row
	}
	k := Load(Param("k"), GP64())
	low := GP64() // source row 4
	LEAQ(Mem{Base: src, Index: srcRows[1].Index, Scale: 4}, low)
	Label("loop")
	CMPQ(k, U8(8))
	JLT(LabelRef("done"))
	for half := range 2 { // four columns of src are four rows of dst
		r := make([]reg.VecVirtual, 4)
		for i := range r {
			r[i] = YMM()
			VMOVUPS(at(srcRows[i], src, 16*half), r[i].AsX())
			VINSERTF128(U8(1), at(srcRows[i], low, 16*half), r[i], r[i])
		}
		t := []reg.VecVirtual{YMM(), YMM(), YMM(), YMM()}
		VUNPCKLPS(r[1], r[0], t[0])
		VUNPCKHPS(r[1], r[0], t[1])
		VUNPCKLPS(r[3], r[2], t[2])
		VUNPCKHPS(r[3], r[2], t[3])
		VUNPCKLPD(t[2], t[0], r[0])
		VUNPCKHPD(t[2], t[0], r[1])
		VUNPCKLPD(t[3], t[1], r[2])
		VUNPCKHPD(t[3], t[1], r[3])
		for i := range r {
			VMOVUPS(r[i], at(dstRows[i], dst, 0))
		}
		LEAQ(Mem{Base: dst, Index: dstRows[1].Index, Scale: 4}, dst)
	}
	ADDQ(U8(32), src)
	ADDQ(U8(32), low)
	SUBQ(U8(8), k)
	JMP(LabelRef("loop"))
	Label("done")
	ret()
}
