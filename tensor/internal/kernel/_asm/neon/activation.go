package main

import (
	"math"

	"github.com/promptcam/promptcam/tensor/internal/kernel/asm/approx"
)

// normalTail returns what GELU needs at t = |x|, which it clamps: the functions E = exp(-t²/2) and
// R = approx.NormalTail with Phi(-t) = E*R.
func (f *function) normalTail(x *register) (t, e, r *register) {
	t = f.min(f.abs(x), f.constant(approx.NormalMax))
	pivot := f.constant(approx.NormalPivot)
	w := f.div(f.sub(t, pivot), f.add(t, pivot))
	e = f.exp(f.mul(f.mul(t, f.constant(-0.5)), t))
	return t, e, f.polynomial(w, approx.NormalTail)
}

// mirrored returns the derivative at x from d, that at -|x|, of a function whose derivatives at x and -x add
// up to 1.
func (f *function) mirrored(x, d *register) *register {
	r := f.sub(f.constant(1), d)
	f.choose(f.negative(x), d, r)
	return r
}

// activations emits GELU, QuickGELU and their adjoints.
func activations(p *program) {
	// x*Phi(x) is max(x, 0) - t*Phi(-t).
	k := p.load("gelu")
	zero := k.constant(0)
	k.loop(func(s step) {
		r := s.load("x")
		t, e, tail := s.normalTail(r)
		y := s.max(r, zero)
		s.subProduct(y, s.mul(t, e), tail)
		s.store(y, "dst")
	})

	// The derivative at -t is d = E*(R - t/√2π), and 1-d at t.
	p.loop("geluGrad", func(s step) {
		r := s.load("x")
		t, e, d := s.normalTail(r)
		s.subProduct(d, t, s.constant(1/math.Sqrt(2*math.Pi)))
		s.store(s.mul(s.mirrored(r, s.mul(d, e)), s.load("dy")), "dst")
	})

	p.loop("quickGELU", func(s step) {
		r := s.max(s.load("x"), s.constant(-approx.QuickGELUEnd))
		e := s.exp(s.mul(r, s.constant(-approx.QuickGELUSlope)))
		s.store(s.div(r, s.add(e, s.constant(1))), "dst")
	})

	// With e = exp(-slope*t) and p = 1/(1+e), the derivative at -t is d = e*p*(1 - slope*t*p), and 1-d at t.
	p.loop("quickGELUGrad", func(s step) {
		r := s.load("x")
		t := s.mul(s.min(s.abs(r), s.constant(approx.QuickGELUEnd)), s.constant(approx.QuickGELUSlope))
		e := s.exp(s.neg(t))
		one := s.constant(1)
		p := s.div(one, s.add(one, e))
		d := s.copy(one)
		s.subProduct(d, t, p)
		d = s.mul(d, s.mul(e, p))
		s.store(s.mul(s.mirrored(r, d), s.load("dy")), "dst")
	})
}
