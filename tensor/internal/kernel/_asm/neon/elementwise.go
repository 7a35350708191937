package main

// elementwise emits Add, Mul, Scale and Axpy.
func elementwise(p *program) {
	for _, op := range []struct {
		name string
		do   func(f *function, a, b *register) *register
	}{{"add", (*function).add}, {"mul", (*function).mul}} {
		f := p.function(op.name, "(dst, a, b []float32)", "is "+op.name+"Generic.")
		dst, a, b := f.pointer("dst"), f.pointer("a"), f.pointer("b")
		f.each("dst", func(s step) { s.store(op.do(f, s.load(a), s.load(b)), dst) })
		f.ret()
	}

	f := p.function("scale", "(dst []float32, alpha float32, x []float32)", "is scaleGeneric.")
	dst, x, alpha := f.pointer("dst"), f.pointer("x"), f.broadcast("alpha")
	f.each("dst", func(s step) { s.store(f.mul(alpha, s.load(x)), dst) })
	f.ret()

	f = p.function("axpy", "(dst []float32, alpha float32, x []float32)", "is axpyGeneric.")
	dst, x, alpha = f.pointer("dst"), f.pointer("x"), f.broadcast("alpha")
	f.each("dst", func(s step) {
		r := s.load(dst)
		f.addProduct(r, alpha, s.load(x))
		s.store(r, dst)
	})
	f.ret()
}
