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
	v.function("exp", "(dst, x []float32)", "is expGeneric.")
	dst, x := pointer("dst"), pointer("x")
	v.each("dst", func(s step) {
		r := s.load(x)
		v.exp(r)
		s.store(r, dst)
	})
	ret()

	v.function("scaledMax", "(x []float32, scale float32) float32", "is scaledMaxGeneric.")
	x = pointer("x")
	scale := v.broadcast("scale")
	most := v.accumulators(math.Inf(-1))
	v.unrolled("x", chains, func(s step) {
		r := s.load(x)
		VMULPS(scale, r, r)
		s.elseLowest(r)
		VMAXPS(most[s.ahead], r, most[s.ahead])
	})
	giveBack(v.greatest(most), 0)
	ret()

	v.function("expSum", "(dst, x []float32, scale, shift float32) float32", "is expSumGeneric.")
	dst, x = pointer("dst"), pointer("x")
	scale = v.broadcast("scale")
	shift := v.broadcast("shift")
	sum := v.zero()
	v.each("dst", func(s step) {
		r := s.load(x)
		VMULPS(scale, r, r)
		VSUBPS(shift, r, r)
		v.exp(r)
		s.store(r, dst)
		s.elseZero(r)
		VADDPS(r, sum, sum)
	})
	giveBack(v.reduceLanes(VADDPS, sum), 0)
	ret()

	v.function("softmaxGrad", "(dst, y, dy []float32, scale, dot float32)", "is softmaxGradGeneric.")
	dst, y, dy := pointer("dst"), pointer("y"), pointer("dy")
	scale, dot := v.broadcast("scale"), v.broadcast("dot")
	v.each("dst", func(s step) {
		r := s.load(y)
		VMULPS(scale, r, r)
		d := s.load(dy)
		VSUBPS(dot, d, d)
		VMULPS(d, r, r)
		s.store(r, dst)
	})
	ret()
}

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
