package main

import (
	"strconv"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// tile emits the tile of Gemm: v.rows rows of two vectors at a time. There is one loop for every number of
// rows that may be asked for, so that none is computed in vain.
//
// Denormal numbers count as 0 in it: a product with one takes a hundred times as long, and a model that is
// sure of what it looks at has gradients that are full of them.
func (v isa) tile() {
	v.function("tile", "(rows, cols, k int, alpha float32, a []float32, aRow, aCol int, b []float32, bRow, panel int, beta float32, c []float32, cRow int, ahead []float32)",
		"is tileGeneric for tiles of up to "+strconv.Itoa(v.rows)+" by "+strconv.Itoa(2*v.lanes)+".")
	bytes := func(param string) reg.Register {
		r := Load(Param(param), GP64())
		SHLQ(U8(2), r)
		return r
	}
	modes := AllocLocal(8) // Go's, and this function's
	STMXCSR(modes)
	flush := GP32()
	MOVL(modes, flush)
	ORL(U32(flushToZero|denormalsAreZero), flush)
	MOVL(flush, modes.Offset(4))
	LDMXCSR(modes.Offset(4))
	t := tile{isa: v, modes: modes, b: pointer("b"), c: pointer("c"), ahead: pointer("ahead"),
		aRow: bytes("aRow"), aCol: bytes("aCol"), bRow: bytes("bRow"), cRow: bytes("cRow")}
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

func rowsLabel(n int) string { return "rows" + strconv.Itoa(n) }

// tile is the tile's function with its parameters; strides are in bytes.
type tile struct {
	isa
	modes                  Mem // MXCSR, as it has to be when the function returns
	b, c, ahead            reg.Register
	aRow, aCol, bRow, cRow reg.Register
	left                   reg.Register // columns
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
		sums[i] = [2]reg.VecVirtual{t.zero(), t.zero()}
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
	alpha := t.broadcast("alpha")
	for i := range sums {
		for j := range 2 {
			VMULPS(alpha, sums[i][j], sums[i][j])
		}
	}
	return sums
}

// update emits c = beta*c + sums for a tile of cols columns, nil meaning all.
func (t tile) update(sums [][2]reg.VecVirtual, cols reg.Register) {
	masks := make([]reg.Register, 2) // numbers of lanes
	if cols != nil {
		first, second := GP64(), GP64()
		most := GP64()
		MOVQ(U32(t.lanes), most)
		MOVQ(cols, first)
		CMPQ(first, most)
		CMOVQGT(most, first)
		MOVQ(cols, second)
		SUBQ(first, second)
		masks = []reg.Register{first, second}
	}
	// -0 counts as 0 here, as it does in Go.
	bits := GP32()
	MOVL(address("beta"), bits)
	beta := t.broadcast("beta")
	overwrite, end := label("overwrite"), label("end")
	ADDL(bits, bits)
	JZ(LabelRef(overwrite))
	each := func(f func(s step, sum reg.VecVirtual, row reg.Register)) {
		for j := range 2 {
			s := step{isa: t.isa, i: nil, ahead: j}
			if cols != nil {
				s.mask = t.laneMask(masks[j])
			}
			row := GP64()
			MOVQ(t.c, row)
			for i := range sums {
				f(s, sums[i][j], row)
				if i < len(sums)-1 {
					ADDQ(t.cRow, row)
				}
			}
		}
	}
	each(func(s step, sum reg.VecVirtual, row reg.Register) {
		old := s.loadAt(row)
		VFMADD231PS(old, beta, sum)
		s.storeAt(sum, row)
	})
	JMP(LabelRef(end))
	Label(overwrite)
	each(func(s step, sum reg.VecVirtual, row reg.Register) { s.storeAt(sum, row) })
	Label(end)
}

// pack emits the copying of the panels of a right operand, two vectors wide.
func (v isa) pack() {
	v.function("pack", "(dst, src []float32, srcRow, rows, panels int)", "is packGeneric for panels of "+strconv.Itoa(2*v.lanes)+" columns.")
	v.panels(2*v.lanes, []step{{isa: v}, {isa: v, ahead: 1}})
}

// packA emits the same for a left operand that lies column by column: its panels are as wide as a tile has
// rows, which is less than a vector.
func (v isa) packA() {
	v.function("packA", "(dst, src []float32, srcRow, rows, panels int)", "is packGeneric for panels of "+strconv.Itoa(v.rows)+" columns.")
	width := GP64()
	MOVQ(U32(v.rows), width)
	v.panels(v.rows, []step{{isa: v, mask: v.laneMask(width)}})
}

// panels emits the copying of panels of so many columns, in steps.
func (v isa) panels(width int, steps []step) {
	dst, src := pointer("dst"), pointer("src")
	srcRow, rows, panels := Load(Param("srcRow"), GP64()), Load(Param("rows"), GP64()), Load(Param("panels"), GP64())
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
	TEXT("transpose8", NOSPLIT, "func(dst []float32, dstRow int, src []float32, srcRow, k int)")
	Doc("transpose8 is transposeGeneric for 8 rows and a multiple of 8 columns, in AVX2.")
	Pragma("noescape")
	dst, src := pointer("dst"), pointer("src")
	stride := func(param string) (one, three reg.Register) {
		one, three = Load(Param(param), GP64()), GP64()
		SHLQ(U8(2), one)
		LEAQ(Mem{Base: one, Index: one, Scale: 2}, three)
		return one, three
	}
	srcRow, srcThree := stride("srcRow")
	dstRow, dstThree := stride("dstRow")
	k := Load(Param("k"), GP64())
	low := GP64() // source row 4
	LEAQ(Mem{Base: src, Index: srcRow, Scale: 4}, low)
	// at returns the address of row i < 4 from base.
	at := func(base reg.Register, i int, one, three reg.Register, disp int) Mem {
		switch i {
		case 0:
			return Mem{Base: base, Disp: disp}
		case 3:
			return Mem{Base: base, Index: three, Scale: 1, Disp: disp}
		}
		return Mem{Base: base, Index: one, Scale: uint8(i), Disp: disp}
	}
	Label("loop")
	CMPQ(k, U8(8))
	JLT(LabelRef("done"))
	for half := range 2 { // four columns of src are four rows of dst
		r := make([]reg.VecVirtual, 4)
		for i := range r {
			r[i] = YMM()
			VMOVUPS(at(src, i, srcRow, srcThree, 16*half), r[i].AsX())
			VINSERTF128(U8(1), at(low, i, srcRow, srcThree, 16*half), r[i], r[i])
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
			VMOVUPS(r[i], at(dst, i, dstRow, dstThree, 0))
		}
		LEAQ(Mem{Base: dst, Index: dstRow, Scale: 4}, dst)
	}
	ADDQ(U8(32), src)
	ADDQ(U8(32), low)
	SUBQ(U8(8), k)
	JMP(LabelRef("loop"))
	Label("done")
	ret()
}
