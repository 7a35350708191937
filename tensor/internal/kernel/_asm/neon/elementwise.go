package main

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
