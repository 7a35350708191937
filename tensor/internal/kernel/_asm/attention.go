package main

import (
	"math"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"

	"github.com/promptcam/promptcam/tensor/internal/kernel/asm/approx"
)

// attention emits what Attention does between its two products.
func (v isa) attention() {
	k := v.begin("maxRows")
	most := pointer("most")
	k.eachRow("most", func(cols, r reg.Register) {
		tops := v.accumulators(chains, math.Inf(-1))
		k.elements(cols, chains, func(s step) {
			x := s.load("x")
			s.elseLowest(x)
			VMAXPS(tops[s.ahead], x, tops[s.ahead])
		})
		VMOVSS(v.greatest(tops).AsX(), Mem{Base: most, Index: r, Scale: 4})
	})

	k = v.begin("exp2Rows")
	sum, shift := pointer("sum"), pointer("shift")
	k.eachRow("sum", func(cols, r reg.Register) {
		less := v.broadcast(Mem{Base: shift, Index: r, Scale: 4})
		sums := v.accumulators(chains, 0)
		k.groups(cols, chains, func(group []step) {
			y := make([]reg.VecVirtual, len(group))
			for i, s := range group {
				y[i] = s.load("x")
				VSUBPS(less, y[i], y[i])
			}
			v.exp2(y)
			for i, s := range group {
				s.store(y[i], "x")
				s.elseZero(y[i])
				VADDPS(y[i], sums[i], sums[i])
			}
		})
		VMOVSS(v.total(sums).AsX(), Mem{Base: sum, Index: r, Scale: 4})
	})

	k = v.begin("scaleRows")
	scale := pointer("scale")
	k.eachRow("scale", func(cols, r reg.Register) {
		factor := v.broadcast(Mem{Base: scale, Index: r, Scale: 4})
		k.elements(cols, chains, func(s step) {
			y := s.load("x")
			VMULPS(factor, y, y)
			s.store(y, "x")
		})
	})
}

// eachRow emits the rest of the kernel: it runs body for each row r of the matrix x, as many as the slice has
// elements. body may change cols, its copy of the number of columns.
func (k *kernel) eachRow(slice string, body func(cols, r reg.Register)) {
	rows := Load(Param(slice).Len(), GP64())
	x, row, all := pointer("x"), Load(Param("row"), GP64()), Load(Param("cols"), GP64())
	k.slices["x"] = x
	SHLQ(U8(2), row)
	r := GP64()
	XORQ(r, r)
	head, done := label("row"), label("rows")
	Label(head)
	CMPQ(r, rows)
	JGE(LabelRef(done))
	cols := GP64()
	MOVQ(all, cols)
	body(cols, r)
	ADDQ(row, x)
	INCQ(r)
	JMP(LabelRef(head))
	Label(done)
	ret()
}

// exp2 emits x = 2^x for vectors of elements that are at most about 0, or NaN. With n = x rounded, 2^x is 2^n
// times a polynomial in x-n. The relative error is about 1.3e-7. An element takes a dozen instructions that
// wait for one another, so those of several vectors take turns.
func (v isa) exp2(x []reg.VecVirtual) {
	power, n := make([]reg.VecVirtual, len(x)), v.reg()
	least := v.constant(approx.Exp2Min)
	for i := range x {
		VMAXPS(x[i], least, x[i]) // keeps NaN: of two operands of which one is NaN, it returns the first
	}
	for i := range x {
		power[i] = v.reg()
		v.with(bits(approx.Exp2Rounder), VADDPS, VADDPS_BCST, x[i], power[i])
	}
	for i := range x {
		v.with(bits(-approx.Exp2Rounder), VADDPS, VADDPS_BCST, power[i], n)
		VSUBPS(n, x[i], x[i])
	}
	y := v.polynomials(x, approx.Exp2)
	for i := range x {
		VPSLLD(U8(23), power[i], power[i])
		VMULPS(power[i], y[i], x[i])
	}
}
