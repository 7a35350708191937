package main

import (
	"math"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"

	"github.com/promptcam/promptcam/tensor/internal/kernel/asm/approx"
)

// softmax emits Exp and the parts of Softmax and SoftmaxGrad.
func (v isa) softmax() {
	v.loop("exp", 1, func(s step) {
		r := s.load("x")
		v.exp(r)
		s.store(r, "dst")
	})
	v.loop("scaledMax", chains, func(s step) {
		r := s.scaled("x", "scale")
		s.elseLowest(r)
		VMAXPS(s.sum(0), r, s.sum(0))
	})
	v.loop("expSum", 1, func(s step) {
		r := s.scaled("x", "scale")
		VSUBPS(s.param("shift"), r, r)
		v.exp(r)
		s.store(r, "dst")
		s.elseZero(r)
		VADDPS(r, s.sum(0), s.sum(0))
	})
	v.loop("softmaxGrad", 1, func(s step) {
		r := s.scaled("y", "scale")
		VMULPS(s.less("dy", "dot"), r, r)
		s.store(r, "dst")
	})
}

// exp emits x = exp(x). With n = x/ln 2 rounded to an integer and r = x - n ln 2, exp(x) is 2^n exp(r), and
// exp(r) a polynomial. The relative error is about 1e-7; results that are denormal are rounded, not flushed
// to 0.
func (v isa) exp(x reg.VecVirtual) {
	// Of two operands of which one is NaN, VMAXPS and VMINPS return the first: NaN stays NaN.
	VMAXPS(x, v.constant(approx.ExpMin), x)
	VMINPS(x, v.constant(approx.ExpMax), x)
	n := v.reg()
	v.with(bits(math.Log2E), VMULPS, VMULPS_BCST, x, n)
	if v.wide() {
		VRNDSCALEPS(U8(0), n, n)
	} else {
		VROUNDPS(U8(0), n, n)
	}
	v.with(bits(approx.Ln2High), VFNMADD231PS, VFNMADD231PS_BCST, n, x)
	v.with(bits(approx.Ln2Low), VFNMADD231PS, VFNMADD231PS_BCST, n, x)
	e := v.polynomials([]reg.VecVirtual{x}, approx.Exp)[0]
	if v.wide() {
		VSCALEFPS(n, e, x)
		return
	}
	// 2^n in two factors, as it may lie outside the range of a float32 where the product does not.
	half := YMM()
	VCVTPS2DQ(n, n)
	VPSRAD(U8(1), n, half)
	VPSUBD(half, n, n)
	for _, m := range []reg.VecVirtual{half, n} {
		VPADDD(constantAddr(127), m, m) // the exponent's bias
		VPSLLD(U8(23), m, m)
		VMULPS(m, e, e)
	}
	VMOVAPS(e, x)
}
