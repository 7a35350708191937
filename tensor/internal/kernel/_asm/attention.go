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
	v.function("maxRows", "(most, x []float32, row, cols int)", "is maxRowsGeneric.")
	most := pointer("most")
	v.eachRow("most", func(x, cols, r reg.Register) {
		tops := v.accumulators(math.Inf(-1))
		v.elements(cols, chains, func(s step) {
			x := s.load(x)
			s.elseLowest(x)
			VMAXPS(tops[s.ahead], x, tops[s.ahead])
		})
		VMOVSS(v.greatest(tops).AsX(), Mem{Base: most, Index: r, Scale: 4})
	})
	ret()

	v.function("exp2Rows", "(sum, x []float32, row, cols int, shift []float32)", "is exp2RowsGeneric.")
	sum, shift := pointer("sum"), pointer("shift")
	v.eachRow("sum", func(x, cols, r reg.Register) {
		less := v.reg()
		VBROADCASTSS(Mem{Base: shift, Index: r, Scale: 4}, less)
		sums := v.accumulators(0)
		v.groups(cols, chains, func(group []step) {
			y := make([]reg.VecVirtual, len(group))
			for i, s := range group {
				y[i] = s.load(x)
				VSUBPS(less, y[i], y[i])
			}
			v.exp2(y)
			for i, s := range group {
				s.store(y[i], x)
				s.elseZero(y[i])
				VADDPS(y[i], sums[i], sums[i])
			}
		})
		VMOVSS(v.total(sums).AsX(), Mem{Base: sum, Index: r, Scale: 4})
	})
	ret()

	v.function("scaleRows", "(x []float32, row, cols int, scale []float32)", "is scaleRowsGeneric.")
	scale := pointer("scale")
	v.eachRow("scale", func(x, cols, r reg.Register) {
		factor := v.reg()
		VBROADCASTSS(Mem{Base: scale, Index: r, Scale: 4}, factor)
		v.elements(cols, chains, func(s step) {
			y := s.load(x)
			VMULPS(factor, y, y)
			s.store(y, x)
		})
	})
	ret()
}

// eachRow runs body for each row r of the matrix x, as many as the slice has
// elements. body may change cols, its copy of the number of columns.
func (v isa) eachRow(slice string, body func(x, cols, r reg.Register)) {
	rows := Load(Param(slice).Len(), GP64())
	x, row, all := pointer("x"), Load(Param("row"), GP64()), Load(Param("cols"), GP64())
	SHLQ(U8(2), row)
	r := GP64()
	XORQ(r, r)
	head, done := label("row"), label("rows")
	Label(head)
	CMPQ(r, rows)
	JGE(LabelRef(done))
	cols := GP64()
	MOVQ(all, cols)
	body(x, cols, r)
	ADDQ(row, x)
	INCQ(r)
	JMP(LabelRef(head))
	Label(done)
}

// exp2 emits x = 2^x for vectors of elements that are at most about 0, or NaN.
// With n = x rounded, 2^x is 2^n times a polynomial in x-n. The relative error is
// about 1.3e-7. An element takes a dozen instructions that wait for one another, so
// those of several vectors take turns.
func (v isa) exp2(x []reg.VecVirtual) {
	power, n, y := make([]reg.VecVirtual, len(x)), v.reg(), make([]reg.VecVirtual, len(x))
	least := v.constant(approx.Exp2Min)
	for i := range x {
		VMAXPS(x[i], least, x[i]) // keeps NaN: of two operands of which one is NaN, it returns the first
	}
	for i := range x {
		power[i] = v.reg()
		v.addConst(approx.Exp2Rounder, x[i], power[i])
	}
	for i := range x {
		v.addConst(-approx.Exp2Rounder, power[i], n)
		VSUBPS(n, x[i], x[i])
	}
	last := len(approx.Exp2) - 1
	for i := range x {
		y[i] = v.constant(approx.Exp2[last])
	}
	for c := last - 1; c >= 0; c-- {
		for i := range x {
			v.with(math.Float32bits(float32(approx.Exp2[c])), VFMADD213PS, VFMADD213PS_BCST, x[i], y[i])
		}
	}
	for i := range x {
		VPSLLD(U8(23), power[i], power[i])
		VMULPS(power[i], y[i], x[i])
	}
}
