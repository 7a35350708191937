package main

import (
	"math"

	"github.com/promptcam/promptcam/tensor/internal/kernel/asm/approx"
)

// attention emits what Attention does between its two products.
func attention(p *program) {
	f := p.function("maxRows", "(most, x []float32, row, cols int)", "is maxRowsGeneric.")
	most := f.pointer("most")
	f.eachRow("most", func(cols *register, x []*register) {
		tops := f.accumulators(math.Inf(-1))
		f.elements(cols, x, func(s step) {
			r := s.load(x[0])
			s.elseSame(r)
			f.raise(tops[s.ahead], r)
		})
		f.emit("FMOVS.P F%d, 4(R%d)", f.greatest(tops), most)
	})
	f.ret()

	f = p.function("exp2Rows", "(sum, x []float32, row, cols int, shift []float32)", "is exp2RowsGeneric.")
	sum, shift := f.pointer("sum"), f.pointer("shift")
	f.eachRow("sum", func(cols *register, x []*register) {
		less := f.next(shift)
		sums := f.accumulators(0)
		f.elements(cols, x, func(s step) {
			y := f.exp2(f.sub(s.load(x[0]), less))
			s.store(y, x[0])
			s.elseZero(y)
			f.accumulate(sums[s.ahead], y)
		})
		f.emit("FMOVS.P F%d, 4(R%d)", f.total(sums), sum)
	})
	f.ret()

	f = p.function("scaleRows", "(x []float32, row, cols int, scale []float32)", "is scaleRowsGeneric.")
	scale := f.pointer("scale")
	f.eachRow("scale", func(cols *register, x []*register) {
		factor := f.next(scale)
		f.elements(cols, x, func(s step) { s.store(f.mul(factor, s.load(x[0])), x[0]) })
	})
	f.ret()
}

// next loads the float32 at p into every lane and moves p on to the one behind it.
func (f *function) next(p *register) *register {
	r := vector()
	f.emit("FMOVS.P 4(R%d), F%d", p, r)
	f.emit("VDUP V%d.S[0], V%d.S4", r, r)
	return r
}

// eachRow runs body for each row of the matrix x, as many as the slice has
// elements. body may change its copies of the number of columns and of the row's
// pointer, the only one in at.
func (f *function) eachRow(slice string, body func(cols *register, at []*register)) {
	rows := f.length(slice)
	x, row, all := f.pointer("x"), f.stride("row"), f.integer("cols")
	f.repeat(rows, 1, func() {
		at, cols := general(), general()
		f.emit("MOVD R%d, R%d", x, at)
		f.emit("MOVD R%d, R%d", all, cols)
		body(cols, []*register{at})
		f.emit("ADD R%d, R%d, R%d", row, x, x)
	})
}

// exp2 returns 2^x for elements that are at most about 0, or NaN. With n = x
// rounded, 2^x is 2^n times a polynomial in x-n. The relative error is at most about 2e-7.
func (f *function) exp2(x *register) *register {
	x = f.max(x, f.constant(approx.Exp2Min))
	rounder := f.constant(approx.Exp2Rounder)
	power := f.add(x, rounder)
	y := f.polynomial(f.sub(x, f.sub(power, rounder)), approx.Exp2)
	f.emit("VSHL $23, V%d.S4, V%d.S4", power, power)
	return f.mul(y, power)
}
