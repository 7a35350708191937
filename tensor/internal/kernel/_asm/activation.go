package main

import (
	"math"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"

	"github.com/promptcam/promptcam/tensor/internal/kernel/asm/approx"
)

// exp emits x = exp(x). With n = x/ln 2 rounded to an integer and r = x - n ln 2,
// exp(x) is 2^n exp(r), and exp(r) a polynomial. The relative error is about
// 1e-7; results that are denormal are rounded, not flushed to 0.
func (v isa) exp(x reg.VecVirtual) {
	v.clamp(approx.ExpMin, approx.ExpMax, x)
	n := v.reg()
	v.mulConst(math.Log2E, x, n)
	if v.wide() {
		VRNDSCALEPS(U8(0), n, n)
	} else {
		VROUNDPS(U8(0), n, n)
	}
	v.subProduct(approx.Ln2High, n, x)
	v.subProduct(approx.Ln2Low, n, x)
	e := v.polynomial(x, approx.Exp)
	if v.wide() {
		VSCALEFPS(n, e, x)
		return
	}
	// 2^n in two factors, as it may lie outside the range of a float32 where the
	// product does not.
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

// normalTail emits what GELU needs at t = |x|, which it clamps: the functions
// E = exp(-t²/2) and R = approx.NormalTail with Phi(-t) = E*R.
func (v isa) normalTail(x Op) (t, e, r reg.VecVirtual) {
	t = v.abs(x, approx.NormalMax)
	w, sum := v.reg(), v.reg()
	v.addConst(-approx.NormalPivot, t, w)
	v.addConst(approx.NormalPivot, t, sum)
	VDIVPS(sum, w, w)
	e = v.reg()
	v.mulConst(-0.5, t, e)
	VMULPS(t, e, e)
	v.exp(e)
	return t, e, v.polynomial(w, approx.NormalTail)
}

// activations emits GELU, QuickGELU and their adjoints.
func (v isa) activations() {
	// x*Phi(x) is max(x, 0) - t*Phi(-t).
	v.function("gelu", "(dst, x []float32)", "is geluGeneric.")
	dst, x := pointer("dst"), pointer("x")
	zero := v.zero()
	v.each("dst", func(s step) {
		r := s.load(x)
		t, e, tail := v.normalTail(r)
		VMULPS(t, e, e)
		VMAXPS(r, zero, r)
		VFNMADD231PS(e, tail, r)
		s.store(r, dst)
	})
	ret()

	// The derivative at -t is d = E*(R - t/√2π), and 1-d at t.
	v.function("geluGrad", "(dst, x, dy []float32)", "is geluGradGeneric.")
	dst, x = pointer("dst"), pointer("x")
	dy := pointer("dy")
	v.each("dst", func(s step) {
		r := s.load(x)
		t, e, d := v.normalTail(r)
		v.subProduct(1/math.Sqrt(2*math.Pi), t, d)
		VMULPS(e, d, d)
		y := v.mirrored(r, d)
		VMULPS(s.load(dy), y, y)
		s.store(y, dst)
	})
	ret()

	v.function("quickGELU", "(dst, x []float32)", "is quickGELUGeneric.")
	dst, x = pointer("dst"), pointer("x")
	v.each("dst", func(s step) {
		r := s.load(x)
		VMAXPS(r, v.constant(-approx.QuickGELUEnd), r)
		e := v.reg()
		v.mulConst(-approx.QuickGELUSlope, r, e)
		v.exp(e)
		v.addConst(1, e, e)
		VDIVPS(e, r, r)
		s.store(r, dst)
	})
	ret()

	// With e = exp(-slope*t) and p = 1/(1+e), the derivative at -t is
	// d = e*p*(1 - slope*t*p), and 1-d at t.
	v.function("quickGELUGrad", "(dst, x, dy []float32)", "is quickGELUGradGeneric.")
	dst, x, dy = pointer("dst"), pointer("x"), pointer("dy")
	v.each("dst", func(s step) {
		r := s.load(x)
		t := v.abs(r, approx.QuickGELUEnd)
		v.mulConst(approx.QuickGELUSlope, t, t)
		e := v.zero()
		VSUBPS(t, e, e)
		v.exp(e)
		one, p, d := v.constant(1), v.reg(), v.constant(1)
		VADDPS(one, e, p)
		VDIVPS(p, one, p)
		VFNMADD231PS(t, p, d)
		VMULPS(p, e, e)
		VMULPS(e, d, d)
		y := v.mirrored(r, d)
		VMULPS(s.load(dy), y, y)
		s.store(y, dst)
	})
	ret()
}

// abs returns |x|, but most where |x| is larger; NaN stays NaN.
func (v isa) abs(x Op, most float64) reg.VecVirtual {
	t := v.reg()
	v.andBits(absBits, x, t)
	VMINPS(t, v.constant(most), t)
	return t
}

// mirrored returns the derivative at x from d, that at -|x|, of a function whose
// derivatives at x and -x add up to 1.
func (v isa) mirrored(x, d Op) reg.VecVirtual {
	r := v.constant(1)
	VSUBPS(d, r, r)
	v.ifNegative(x, d, r)
	return r
}
