package main

import (
	. "github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/reg"
)

// layerNorm emits the parts of LayerNorm and its adjoints.
func (v isa) layerNorm() {
	v.loop("squares", chains, func(s step) {
		r := s.less("x", "mean")
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
	r := s.less("x", "mean")
	VMULPS(s.param("rstd"), r, r)
	return r
}
