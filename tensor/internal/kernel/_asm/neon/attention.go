package main

import (
	"math"

	"github.com/promptcam/promptcam/tensor/internal/kernel/asm/approx"
)

// attention emits what Attention does between its two products.
func attention(p *program) {
	k := p.begin("maxRows")
	most := k.pointer("most")
	k.eachRow("most", func(cols *register) {
		tops := k.accumulators(math.Inf(-1))
		k.elements(cols, func(s step) {
			r := s.load("x")
			s.elseSame(r)
			s.raise(tops[s.ahead], r)
		})
		k.emit("FMOVS.P F%d, 4(R%d)", k.greatest(tops), most)
	})

	k = p.begin("exp2Rows")
	sum, shift := k.pointer("sum"), k.pointer("shift")
	k.eachRow("sum", func(cols *register) {
		less, sums := k.next(shift), k.accumulators(0)
		k.elements(cols, func(s step) {
			y := s.exp2(s.sub(s.load("x"), less))
			s.store(y, "x")
			s.elseZero(y)
			s.accumulate(sums[s.ahead], y)
		})
		k.emit("FMOVS.P F%d, 4(R%d)", k.total(sums), sum)
	})

	k = p.begin("scaleRows")
	scale := k.pointer("scale")
	k.eachRow("scale", func(cols *register) {
		factor := k.next(scale)
		k.elements(cols, func(s step) { s.store(s.mul(factor, s.load("x")), "x") })
	})
}

// next loads the float32 at p into every lane and moves p on to the one behind it.
func (f *function) next(p *register) *register {
	r := vector()
	f.emit("FMOVS.P 4(R%d), F%d", p, r)
	f.emit("VDUP V%d.S[0], V%d.S4", r, r)
	return r
}

// eachRow emits the rest of the kernel: it runs body for each row of the matrix x, as many as the slice has
// elements. body may change its copies of the row's address and of the number of columns.
func (k *kernel) eachRow(slice string, body func(cols *register)) {
	rows := k.length(slice)
	x, row, all := k.pointer("x"), k.stride("row"), k.integer("cols")
	k.repeat(rows, 1, func() {
		at, cols := general(), general()
		k.emit("MOVD R%d, R%d", x, at)
		k.emit("MOVD R%d, R%d", all, cols)
		k.slices["x"], k.moving = at, []*register{at}
		body(cols)
		k.emit("ADD R%d, R%d, R%d", row, x, x)
	})
	k.ret()
}

// exp2 returns 2^x for elements that are at most about 0, or NaN. With n = x rounded, 2^x is 2^n times a
// polynomial in x-n. The relative error is at most about 2e-7.
func (f *function) exp2(x *register) *register {
	x = f.max(x, f.constant(approx.Exp2Min))
	rounder := f.constant(approx.Exp2Rounder)
	power := f.add(x, rounder)
	y := f.polynomial(f.sub(x, f.sub(power, rounder)), approx.Exp2)
	f.emit("VSHL $23, V%d.S4, V%d.S4", power, power)
	return f.mul(y, power)
}
