package main

// layerNorm emits the parts of LayerNorm and its adjoints.
func layerNorm(p *program) {
	f := p.function("squares", "(x []float32, mean float32) float32", "is squaresGeneric.")
	x, mean := f.pointer("x"), f.broadcast("mean")
	sums := f.accumulators(0)
	f.each("x", func(s step) {
		r := f.sub(s.load(x), mean)
		s.elseZero(r)
		f.addProduct(sums[s.ahead], r, r)
	})
	f.giveBack(f.total(sums), 0)
	f.ret()

	f = p.function("normalize", "(dst, x, weight, bias []float32, mean, rstd float32)", "is normalizeGeneric.")
	dst, x, weight, bias := f.pointer("dst"), f.pointer("x"), f.pointer("weight"), f.pointer("bias")
	mean, rstd := f.broadcast("mean"), f.broadcast("rstd")
	f.each("dst", func(s step) {
		r := f.mul(f.sub(s.load(x), mean), rstd)
		y := s.load(bias)
		f.addProduct(y, r, s.load(weight))
		s.store(y, dst)
	})
	f.ret()

	f = p.function("normalizeSums", "(dy, x, weight []float32, mean, rstd float32) (sum, dot float32)", "is normalizeSumsGeneric.")
	dy, x, weight := f.pointer("dy"), f.pointer("x"), f.pointer("weight")
	mean, rstd = f.broadcast("mean"), f.broadcast("rstd")
	g, gx := f.accumulators(0), f.accumulators(0)
	f.each("dy", func(s step) {
		d := f.mul(s.load(dy), s.load(weight))
		f.accumulate(g[s.ahead], d)
		r := f.mul(f.sub(s.load(x), mean), rstd)
		s.elseZero(r)
		f.addProduct(gx[s.ahead], d, r)
	})
	f.giveBack(f.total(g), 0)
	f.giveBack(f.total(gx), 1)
	f.ret()

	f = p.function("normalizeGrad", "(dx, dy, x, weight []float32, mean, rstd, meanG, meanGX float32)", "is normalizeGradGeneric.")
	dx, dy, x, weight := f.pointer("dx"), f.pointer("dy"), f.pointer("x"), f.pointer("weight")
	mean, rstd = f.broadcast("mean"), f.broadcast("rstd")
	gMean, gxMean := f.neg(f.broadcast("meanG")), f.broadcast("meanGX")
	f.each("dx", func(s step) {
		d := f.copy(gMean)
		f.addProduct(d, s.load(dy), s.load(weight))
		r := f.mul(f.sub(s.load(x), mean), rstd)
		f.subProduct(d, r, gxMean)
		s.store(f.mul(d, rstd), dx)
	})
	f.ret()

	f = p.function("normalizeParam", "(dw, db, dy, x []float32, mean, rstd float32)", "is normalizeParamGeneric.")
	dw, db, dy, x := f.pointer("dw"), f.pointer("db"), f.pointer("dy"), f.pointer("x")
	mean, rstd = f.broadcast("mean"), f.broadcast("rstd")
	f.each("dw", func(s step) {
		r := f.mul(f.sub(s.load(x), mean), rstd)
		d := s.load(dy)
		w := s.load(dw)
		f.addProduct(w, d, r)
		s.store(w, dw)
		s.store(f.add(d, s.load(db)), db)
	})
	f.ret()
}
