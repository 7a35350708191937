package main

import (
	"math"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"

	"github.com/promptcam/promptcam/tensor/internal/kernel/asm/approx"
)

// elementwise emits Add, Mul, Scale and Axpy.
func (v isa) elementwise() {
	binary := func(name string, op func(...Op)) {
		v.loop(name, 1, func(s step) {
			x := s.load("a")
			op(s.load("b"), x, x)
			s.store(x, "dst")
		})
	}
	binary("add", VADDPS)
	binary("mul", VMULPS)
	v.loop("scale", 1, func(s step) { s.store(s.loadAnd(VMULPS, "x", "alpha"), "dst") })
	v.loop("axpy", 1, func(s step) {
		r := s.load("dst")
		VFMADD231PS(s.load("x"), s.param("alpha"), r)
		s.store(r, "dst")
	})
}

// reductions emits dot and sum.
func (v isa) reductions() {
	v.loop("dot", chains, func(s step) { VFMADD231PS(s.load("a"), s.load("b"), s.sum(0)) })
	v.loop("sum", chains, func(s step) { VADDPS(s.load("x"), s.sum(0), s.sum(0)) })
}

// softmax emits Exp and the parts of Softmax and SoftmaxGrad.
func (v isa) softmax() {
	v.loop("exp", 1, func(s step) {
		r := s.load("x")
		v.exp(r)
		s.store(r, "dst")
	})
	v.loop("scaledMax", chains, func(s step) {
		r := s.loadAnd(VMULPS, "x", "scale")
		s.elseLowest(r)
		VMAXPS(s.sum(0), r, s.sum(0))
	})
	v.loop("expSum", 1, func(s step) {
		r := s.loadAnd(VMULPS, "x", "scale")
		VSUBPS(s.param("shift"), r, r)
		v.exp(r)
		s.store(r, "dst")
		s.elseZero(r)
		VADDPS(r, s.sum(0), s.sum(0))
	})
	v.loop("softmaxGrad", 1, func(s step) {
		r := s.loadAnd(VMULPS, "y", "scale")
		VMULPS(s.loadAnd(VSUBPS, "dy", "dot"), r, r)
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

// layerNorm emits the parts of LayerNorm and its adjoints.
func (v isa) layerNorm() {
	v.loop("squares", chains, func(s step) {
		r := s.loadAnd(VSUBPS, "x", "mean")
		s.elseZero(r)
		VFMADD231PS(r, r, s.sum(0))
	})
	v.loop("normalize", 1, func(s step) {
		r, b := s.normalized(), s.load("bias")
		VFMADD231PS(s.load("weight"), r, b)
		s.store(b, "dst")
	})
	// A lane that is masked off adds nothing to the sum, and 0*(0-mean)*rstd to the dot product.
	v.loop("normalizeSums", chains, func(s step) {
		d := s.load("dy")
		VMULPS(s.load("weight"), d, d)
		VADDPS(d, s.sum(0), s.sum(0))
		VFMADD231PS(d, s.normalized(), s.sum(1))
	})
	v.loop("normalizeGrad", 1, func(s step) {
		d := s.load("dy")
		VFMSUB213PS(s.param("meanG"), s.load("weight"), d)
		VFNMADD231PS(s.param("meanGX"), s.normalized(), d)
		VMULPS(s.param("rstd"), d, d)
		s.store(d, "dx")
	})
	v.loop("normalizeParam", 1, func(s step) {
		r, d, w := s.normalized(), s.load("dy"), s.load("dw")
		VFMADD231PS(d, r, w)
		s.store(w, "dw")
		VADDPS(s.load("db"), d, d)
		s.store(d, "db")
	})
}

// normalized returns (x - mean) * rstd.
func (s step) normalized() reg.VecVirtual {
	r := s.loadAnd(VSUBPS, "x", "mean")
	VMULPS(s.param("rstd"), r, r)
	return r
}

// loadAnd returns the result of op on a vector of the slice and a parameter.
func (s step) loadAnd(op func(...Op), slice, param string) reg.VecVirtual {
	r := s.load(slice)
	op(s.param(param), r, r)
	return r
}
