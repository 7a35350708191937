package main

import (
	"math"

	"github.com/promptcam/promptcam/tensor/internal/kernel/asm/approx"
)

// normalTail returns what GELU needs at t = |x|, which it clamps: the functions
// E = exp(-t²/2) and R = approx.NormalTail with Phi(-t) = E*R.
func (f *function) normalTail(x *register) (t, e, r *register) {
	t = f.min(f.abs(x), f.constant(approx.NormalMax))
	pivot := f.constant(approx.NormalPivot)
	w := f.div(f.sub(t, pivot), f.add(t, pivot))
	e = f.exp(f.mul(f.mul(t, f.constant(-0.5)), t))
	return t, e, f.polynomial(w, approx.NormalTail)
}

// mirrored returns the derivative at x from d, that at -|x|, of a function whose
// derivatives at x and -x add up to 1.
func (f *function) mirrored(x, d *register) *register {
	r := f.sub(f.constant(1), d)
	f.choose(f.negative(x), d, r)
	return r
}

// activations emits GELU, QuickGELU and their adjoints.
func activations(p *program) {
	// x*Phi(x) is max(x, 0) - t*Phi(-t).
	f := p.function("gelu", "(dst, x []float32)", "is geluGeneric.")
	dst, x := f.pointer("dst"), f.pointer("x")
	zero := f.zero()
	f.each("dst", func(s step) {
		r := s.load(x)
		t, e, tail := f.normalTail(r)
		y := f.max(r, zero)
		f.subProduct(y, f.mul(t, e), tail)
		s.store(y, dst)
	})
	f.ret()

	// The derivative at -t is d = E*(R - t/√2π), and 1-d at t.
	f = p.function("geluGrad", "(dst, x, dy []float32)", "is geluGradGeneric.")
	dst, x = f.pointer("dst"), f.pointer("x")
	dy := f.pointer("dy")
	f.each("dst", func(s step) {
		r := s.load(x)
		t, e, d := f.normalTail(r)
		f.subProduct(d, t, f.constant(1/math.Sqrt(2*math.Pi)))
		s.store(f.mul(f.mirrored(r, f.mul(d, e)), s.load(dy)), dst)
	})
	f.ret()

	f = p.function("quickGELU", "(dst, x []float32)", "is quickGELUGeneric.")
	dst, x = f.pointer("dst"), f.pointer("x")
	f.each("dst", func(s step) {
		r := f.max(s.load(x), f.constant(-approx.QuickGELUEnd))
		e := f.exp(f.mul(r, f.constant(-approx.QuickGELUSlope)))
		s.store(f.div(r, f.add(e, f.constant(1))), dst)
	})
	f.ret()

	// With e = exp(-slope*t) and p = 1/(1+e), the derivative at -t is
	// d = e*p*(1 - slope*t*p), and 1-d at t.
	f = p.function("quickGELUGrad", "(dst, x, dy []float32)", "is quickGELUGradGeneric.")
	dst, x, dy = f.pointer("dst"), f.pointer("x"), f.pointer("dy")
	f.each("dst", func(s step) {
		r := s.load(x)
		t := f.mul(f.min(f.abs(r), f.constant(approx.QuickGELUEnd)), f.constant(approx.QuickGELUSlope))
		e := f.exp(f.neg(t))
		one := f.constant(1)
		p := f.div(one, f.add(one, e))
		d := f.copy(one)
		f.subProduct(d, t, p)
		d = f.mul(d, f.mul(e, p))
		s.store(f.mul(f.mirrored(r, d), s.load(dy)), dst)
	})
	f.ret()
}
