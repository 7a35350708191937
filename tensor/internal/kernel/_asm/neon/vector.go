package main

import (
	"math"

	"github.com/promptcam/promptcam/tensor/internal/kernel/asm/approx"
)

// elementwise emits Add, Mul, Scale and Axpy.
func elementwise(p *program) {
	p.loop("add", func(s step) { s.store(s.add(s.load("a"), s.load("b")), "dst") })
	p.loop("mul", func(s step) { s.store(s.mul(s.load("a"), s.load("b")), "dst") })
	p.loop("scale", func(s step) { s.store(s.mul(s.param("alpha"), s.load("x")), "dst") })
	p.loop("axpy", func(s step) {
		r := s.load("dst")
		s.addProduct(r, s.param("alpha"), s.load("x"))
		s.store(r, "dst")
	})
}

// reductions emits dot and sum.
func reductions(p *program) {
	p.loop("dot", func(s step) { s.addProduct(s.sum(0), s.load("a"), s.load("b")) })
	p.loop("sum", func(s step) { s.accumulate(s.sum(0), s.load("x")) })
}

// softmax emits Exp and the parts of Softmax and SoftmaxGrad.
func softmax(p *program) {
	p.loop("exp", func(s step) { s.store(s.exp(s.load("x")), "dst") })
	p.loop("scaledMax", func(s step) {
		r := s.mul(s.param("scale"), s.load("x"))
		s.elseSame(r)
		s.raise(s.sum(0), r)
	})
	p.loop("expSum", func(s step) {
		e := s.exp(s.sub(s.mul(s.param("scale"), s.load("x")), s.param("shift")))
		s.store(e, "dst")
		s.elseZero(e)
		s.accumulate(s.sum(0), e)
	})
	p.loop("softmaxGrad", func(s step) {
		y := s.mul(s.param("scale"), s.load("y"))
		s.store(s.mul(y, s.sub(s.load("dy"), s.param("dot"))), "dst")
	})
}

// exp returns exp(x). With n = x/ln 2 rounded to an integer and r = x - n ln 2, exp(x) is 2^n exp(r), and
// exp(r) a polynomial. The relative error is about 1e-7; results that are denormal are rounded, not flushed
// to 0.
func (f *function) exp(x *register) *register {
	r := f.min(f.max(x, f.constant(approx.ExpMin)), f.constant(approx.ExpMax)) // keeps NaN
	n := f.round(f.mul(r, f.constant(math.Log2E)))
	f.subProduct(r, n, f.constant(approx.Ln2High))
	f.subProduct(r, n, f.constant(approx.Ln2Low))
	e := f.polynomial(r, approx.Exp)
	// 2^n in two factors, as it may lie outside the range of a float32 where the product does not.
	n = f.integers(n)
	half := f.halved(n)
	f.emit("VSUB"+goAll, half, n, n)
	bias := f.bits(127) // the exponent's
	for _, m := range []*register{half, n} {
		f.emit("VADD"+goAll, bias, m, m)
		f.emit("VSHL $23, V%d.S4, V%d.S4", m, m)
		e = f.mul(e, m)
	}
	return e
}

// layerNorm emits the parts of LayerNorm and its adjoints.
func layerNorm(p *program) {
	p.loop("squares", func(s step) {
		r := s.sub(s.load("x"), s.param("mean"))
		s.elseZero(r)
		s.addProduct(s.sum(0), r, r)
	})
	p.loop("normalize", func(s step) {
		r, y := s.normalized(), s.load("bias")
		s.addProduct(y, r, s.load("weight"))
		s.store(y, "dst")
	})
	p.loop("normalizeSums", func(s step) {
		d := s.mul(s.load("dy"), s.load("weight"))
		s.accumulate(s.sum(0), d)
		r := s.normalized()
		s.elseZero(r)
		s.addProduct(s.sum(1), d, r)
	})
	p.load("normalizeGrad", "meanG").loop(func(s step) {
		d := s.copy(s.param("meanG"))
		s.addProduct(d, s.load("dy"), s.load("weight"))
		s.subProduct(d, s.normalized(), s.param("meanGX"))
		s.store(s.mul(d, s.param("rstd")), "dx")
	})
	p.loop("normalizeParam", func(s step) {
		r, d, w := s.normalized(), s.load("dy"), s.load("dw")
		s.addProduct(w, d, r)
		s.store(w, "dw")
		s.store(s.add(d, s.load("db")), "db")
	})
}

// normalized returns (x - mean) * rstd.
func (s step) normalized() *register {
	return s.mul(s.sub(s.load("x"), s.param("mean")), s.param("rstd"))
}
