package main

// chains is the number of sums a reduction keeps side by side: an addition
// takes two to four cycles, and each must wait for the one before it in its sum.
const chains = 4

// accumulators returns registers that all hold x.
func (f *function) accumulators(x float64) []*register {
	r := make([]*register, chains)
	for i := range r {
		if x == 0 {
			r[i] = f.zero()
		} else {
			r[i] = f.constant(x)
		}
	}
	return r
}

// total adds up accumulators and their lanes.
func (f *function) total(r []*register) *register {
	return f.lanes(f.add(f.add(r[0], r[1]), f.add(r[2], r[3])))
}

// lanes adds up the lanes of r.
func (f *function) lanes(r *register) *register {
	r = f.pairs(r, r)
	return f.pairs(r, r)
}

// reductions emits dot and sum.
func reductions(p *program) {
	f := p.function("dot", "(a, b []float32) float32", "is dotGeneric.")
	a, b := f.pointer("a"), f.pointer("b")
	sums := f.accumulators(0)
	f.unrolled("a", chains, func(s step) { f.addProduct(sums[s.ahead], s.load(a), s.load(b)) })
	f.giveBack(f.total(sums), 0)
	f.ret()

	f = p.function("sum", "(x []float32) float32", "is sumGeneric.")
	x := f.pointer("x")
	sums = f.accumulators(0)
	f.unrolled("x", chains, func(s step) { f.accumulate(sums[s.ahead], s.load(x)) })
	f.giveBack(f.total(sums), 0)
	f.ret()
}
