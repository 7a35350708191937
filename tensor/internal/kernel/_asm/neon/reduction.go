package main

// accumulators returns a register for each of the vectors in turn, all of which hold x.
func (f *function) accumulators(x float64) []*register {
	r := make([]*register, turns)
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
	sum := f.add(f.add(r[0], r[1]), f.add(r[2], r[3]))
	sum = f.pairs(sum, sum)
	return f.pairs(sum, sum)
}

// greatest returns the maximum of accumulators and their lanes.
func (f *function) greatest(r []*register) *register {
	return f.greatestLane(f.max(f.max(r[0], r[1]), f.max(r[2], r[3])))
}

// reductions emits dot and sum.
func reductions(p *program) {
	p.loop("dot", func(s step) { s.addProduct(s.sum(0), s.load("a"), s.load("b")) })
	p.loop("sum", func(s step) { s.accumulate(s.sum(0), s.load("x")) })
}
