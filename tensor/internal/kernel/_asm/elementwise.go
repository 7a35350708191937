package main

import (
	. "github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/reg"
)

// elementwise emits Add, Mul, Scale and Axpy.
func (v isa) elementwise() {
	v.loop("add", 1, func(s step) {
		x := s.load("a")
		VADDPS(s.load("b"), x, x)
		s.store(x, "dst")
	})
	v.loop("mul", 1, func(s step) {
		x := s.load("a")
		VMULPS(s.load("b"), x, x)
		s.store(x, "dst")
	})
	v.loop("scale", 1, func(s step) { s.store(s.scaled("x", "alpha"), "dst") })
	v.loop("axpy", 1, func(s step) {
		r := s.load("dst")
		VFMADD231PS(s.load("x"), s.param("alpha"), r)
		s.store(r, "dst")
	})
}

// scaled returns a vector of the slice times a parameter.
func (s step) scaled(slice, factor string) reg.VecVirtual {
	r := s.load(slice)
	VMULPS(s.param(factor), r, r)
	return r
}

// less returns a vector of the slice less a parameter.
func (s step) less(slice, param string) reg.VecVirtual {
	r := s.load(slice)
	VSUBPS(s.param(param), r, r)
	return r
}
