package main

import (
	"math"

	"github.com/promptcam/promptcam/tensor/internal/kernel/asm/approx"
)

// exp returns exp(x). With n = x/ln 2 rounded to an integer and r = x - n ln 2,
// exp(x) is 2^n exp(r), and exp(r) a polynomial. The relative error is about
// 1e-7; results that are denormal are rounded, not flushed to 0.
func (f *function) exp(x *register) *register {
	r := f.clamp(x, approx.ExpMin, approx.ExpMax)
	n := f.round(f.mul(r, f.constant(math.Log2E)))
	f.subProduct(r, n, f.constant(approx.Ln2High))
	f.subProduct(r, n, f.constant(approx.Ln2Low))
	e := f.polynomial(r, approx.Exp)
	// 2^n in two factors, as it may lie outside the range of a float32 where the
	// product does not.
	n = f.integers(n)
	half := f.halved(n)
	f.emit("VSUB V%d.S4, V%d.S4, V%d.S4", half, n, n)
	bias := f.bits(127) // the exponent's
	for _, m := range []*register{half, n} {
		f.emit("VADD V%d.S4, V%d.S4, V%d.S4", bias, m, m)
		f.emit("VSHL $23, V%d.S4, V%d.S4", m, m)
		e = f.mul(e, m)
	}
	return e
}

// softmax emits Exp and the parts of Softmax and SoftmaxGrad.
func softmax(p *program) {
	f := p.function("exp", "(dst, x []float32)", "is expGeneric.")
	dst, x := f.pointer("dst"), f.pointer("x")
	f.each("dst", func(s step) { s.store(f.exp(s.load(x)), dst) })
	f.ret()

	f = p.function("scaledMax", "(x []float32, scale float32) float32", "is scaledMaxGeneric.")
	x = f.pointer("x")
	scale := f.broadcast("scale")
	most := f.accumulators(math.Inf(-1))
	f.each("x", func(s step) {
		r := f.mul(scale, s.load(x))
		s.elseSame(r)
		f.raise(most[s.ahead], r)
	})
	f.giveBack(f.greatest(most), 0)
	f.ret()

	f = p.function("expSum", "(dst, x []float32, scale, shift float32) float32", "is expSumGeneric.")
	dst, x = f.pointer("dst"), f.pointer("x")
	scale, shift := f.broadcast("scale"), f.broadcast("shift")
	sums := f.accumulators(0)
	f.each("dst", func(s step) {
		e := f.exp(f.sub(f.mul(scale, s.load(x)), shift))
		s.store(e, dst)
		s.elseZero(e)
		f.accumulate(sums[s.ahead], e)
	})
	f.giveBack(f.total(sums), 0)
	f.ret()

	f = p.function("softmaxGrad", "(dst, y, dy []float32, scale, dot float32)", "is softmaxGradGeneric.")
	dst, y, dy := f.pointer("dst"), f.pointer("y"), f.pointer("dy")
	scale, dot := f.broadcast("scale"), f.broadcast("dot")
	f.each("dst", func(s step) {
		s.store(f.mul(f.mul(scale, s.load(y)), f.sub(s.load(dy), dot)), dst)
	})
	f.ret()
}
