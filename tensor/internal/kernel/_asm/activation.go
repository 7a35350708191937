package main

import (
	"math"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"

	"github.com/promptcam/promptcam/tensor/internal/kernel/asm/approx"
)

// activations emits GELU, QuickGELU and their adjoints. Each needs one function of t = |x|: Phi(-t) or
// sigmoid(-slope*t), or the derivative of the activation at -t.
func (v isa) activations() {
	v.activation("gelu", approx.GELU(v.lanes))
	v.activationGrad("geluGrad", approx.GELUGrad(v.lanes))
	v.activation("quickGELU", approx.QuickGELU(v.lanes))
	v.activationGrad("quickGELUGrad", approx.QuickGELUGrad(v.lanes))
}

// activation emits x*F(x), where F(-t) is the tail and F(t) 1 less it, as max(x, 0) - t*F(-t).
func (v isa) activation(name string, tail approx.Pieces) {
	k := v.load(name)
	table, zero := v.table(tail), v.constant(0)
	k.loop(1, func(s step) {
		r := s.load("x")
		t, f := v.pieces(r, tail, table)
		VMAXPS(r, zero, r)
		VFNMADD231PS(t, f, r)
		s.store(r, "dst")
	})
}

// activationGrad emits dy times the derivative, which is d at -t and 1-d at t.
func (v isa) activationGrad(name string, tail approx.Pieces) {
	k := v.load(name)
	table, one := v.table(tail), v.constant(1)
	k.loop(1, func(s step) {
		r := s.load("x")
		_, d := v.pieces(r, tail, table)
		y := v.reg()
		VSUBPS(d, one, y)
		v.ifNegative(r, d, y)
		VMULPS(s.load("dy"), y, y)
		s.store(y, "dst")
	})
}

// table returns the coefficients of p, a vector of them for each power.
func (v isa) table(p approx.Pieces) []Op {
	table := make([]Op, len(p.Coefficients))
	for i, c := range p.Coefficients {
		table[i] = vectorAddr(c)
		if v.wide() { // AVX2 has too few registers to hold it
			r := v.reg()
			VMOVUPS(table[i], r)
			table[i] = r
		}
	}
	return table
}

// pieces returns t = min(|x|, p.End) and the value of p at t. To find an element's piece, it adds a number so
// large that a float32 of that size has no bits for fractions: the lowest bits of the sum are then the
// piece's number, as the lookup of coefficients wants it. NaN stays NaN, whatever it looks up.
func (v isa) pieces(x Op, p approx.Pieces, table []Op) (t, y reg.VecVirtual) {
	const rounder = 3 << 22
	t = v.reg()
	if v.wide() {
		VPANDD_BCST(constantAddr(math.MaxInt32), x, t)
	} else {
		VPAND(constantAddr(math.MaxInt32), x, t)
	}
	VMINPS(t, v.constant(p.End), t)
	piece, r := v.constant(rounder), v.reg()
	v.with(bits(p.Scale), VFMADD231PS, VFMADD231PS_BCST, t, piece)
	v.with(bits(-rounder), VADDPS, VADDPS_BCST, piece, r)
	v.with(bits(p.Scale), VFMSUB231PS, VFMSUB231PS_BCST, t, r)
	for i := len(table) - 1; i >= 0; i-- {
		c := v.reg()
		VPERMPS(table[i], piece, c)
		if y != nil {
			VFMADD231PS(r, y, c)
		}
		y = c
	}
	return t, y
}
