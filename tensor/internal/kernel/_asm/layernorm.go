package main

import . "github.com/mmcloughlin/avo/build"

// layerNorm emits the parts of LayerNorm and its adjoints.
func (v isa) layerNorm() {
	v.function("squares", "(x []float32, mean float32) float32", "is squaresGeneric.")
	x, mean := pointer("x"), v.broadcast("mean")
	sums := v.accumulators(0)
	v.unrolled("x", chains, func(s step) {
		r := s.load(x)
		VSUBPS(mean, r, r)
		s.elseZero(r)
		VFMADD231PS(r, r, sums[s.ahead])
	})
	giveBack(v.total(sums), 0)
	ret()

	v.function("normalize", "(dst, x, weight, bias []float32, mean, rstd float32)", "is normalizeGeneric.")
	dst, x, weight, bias := pointer("dst"), pointer("x"), pointer("weight"), pointer("bias")
	mean, rstd := v.broadcast("mean"), v.broadcast("rstd")
	v.each("dst", func(s step) {
		r := s.load(x)
		VSUBPS(mean, r, r)
		VMULPS(rstd, r, r)
		b := s.load(bias)
		VFMADD231PS(s.load(weight), r, b)
		s.store(b, dst)
	})
	ret()

	v.function("normalizeSums", "(dy, x, weight []float32, mean, rstd float32) (sum, dot float32)", "is normalizeSumsGeneric.")
	dy, x, weight := pointer("dy"), pointer("x"), pointer("weight")
	mean, rstd = v.broadcast("mean"), v.broadcast("rstd")
	g, gx := v.accumulators(0), v.accumulators(0)
	// A lane that is masked off adds nothing to g, and 0*(0-mean)*rstd to gx.
	v.unrolled("dy", chains, func(s step) {
		d := s.load(dy)
		VMULPS(s.load(weight), d, d)
		VADDPS(d, g[s.ahead], g[s.ahead])
		r := s.load(x)
		VSUBPS(mean, r, r)
		VMULPS(rstd, r, r)
		VFMADD231PS(d, r, gx[s.ahead])
	})
	giveBack(v.total(g), 0)
	giveBack(v.total(gx), 1)
	ret()

	v.function("normalizeGrad", "(dx, dy, x, weight []float32, mean, rstd, meanG, meanGX float32)", "is normalizeGradGeneric.")
	dx, dy, x, weight := pointer("dx"), pointer("dy"), pointer("x"), pointer("weight")
	mean, rstd = v.broadcast("mean"), v.broadcast("rstd")
	gMean, gxMean := v.broadcast("meanG"), v.broadcast("meanGX")
	v.each("dx", func(s step) {
		d := s.load(dy)
		w := s.load(weight)
		VFMSUB213PS(gMean, w, d)
		r := s.load(x)
		VSUBPS(mean, r, r)
		VMULPS(rstd, r, r)
		VFNMADD231PS(gxMean, r, d)
		VMULPS(rstd, d, d)
		s.store(d, dx)
	})
	ret()

	v.function("normalizeParam", "(dw, db, dy, x []float32, mean, rstd float32)", "is normalizeParamGeneric.")
	dw, db, dy, x := pointer("dw"), pointer("db"), pointer("dy"), pointer("x")
	mean, rstd = v.broadcast("mean"), v.broadcast("rstd")
	v.each("dw", func(s step) {
		r := s.load(x)
		VSUBPS(mean, r, r)
		VMULPS(rstd, r, r)
		d := s.load(dy)
		w := s.load(dw)
		VFMADD231PS(d, r, w)
		s.store(w, dw)
		VADDPS(s.load(db), d, d)
		s.store(d, db)
	})
	ret()
}
