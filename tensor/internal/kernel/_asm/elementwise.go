package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
)

// elementwise emits Add, Mul, Scale and Axpy.
func (v isa) elementwise() {
	for _, f := range []struct {
		name string
		op   func(...Op)
	}{{"add", VADDPS}, {"mul", VMULPS}} {
		v.function(f.name, "(dst, a, b []float32)", "is "+f.name+"Generic.")
		dst, a, b := pointer("dst"), pointer("a"), pointer("b")
		v.each("dst", func(s step) {
			x := s.load(a)
			f.op(s.load(b), x, x)
			s.store(x, dst)
		})
		ret()
	}

	v.function("scale", "(dst []float32, alpha float32, x []float32)", "is scaleGeneric.")
	dst, x, alpha := pointer("dst"), pointer("x"), v.broadcast("alpha")
	v.each("dst", func(s step) {
		r := s.load(x)
		VMULPS(alpha, r, r)
		s.store(r, dst)
	})
	ret()

	v.function("axpy", "(dst []float32, alpha float32, x []float32)", "is axpyGeneric.")
	dst, x, alpha = pointer("dst"), pointer("x"), v.broadcast("alpha")
	v.each("dst", func(s step) {
		r := s.load(dst)
		VFMADD231PS(s.load(x), alpha, r)
		s.store(r, dst)
	})
	ret()
}
