package main

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

	grad := p.begin("normalizeGrad")
	grad.loadSlices()
	grad.floats["mean"], grad.floats["rstd"] = grad.broadcast("mean"), grad.broadcast("rstd")
	less, gxMean := grad.neg(grad.broadcast("meanG")), grad.broadcast("meanGX")
	grad.loop(func(s step) {
		d := s.copy(less)
		s.addProduct(d, s.load("dy"), s.load("weight"))
		s.subProduct(d, s.normalized(), gxMean)
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
