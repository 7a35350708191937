package main

// step is one pass of a loop over the elements of slices: a vector of four, or
// a single element of those left at the end. The slices' pointers move along.
type step struct {
	*function
	ahead  int  // vectors that this one lies beyond the pointers
	single bool // only the lowest lane counts
}

// load returns a vector of the slice at p, 0 in lanes that do not count.
func (s step) load(p *register) *register {
	r := vector()
	if s.single {
		s.emit("FMOVS (R%d), F%d", p, r)
	} else {
		s.emit("FMOVQ %d(R%d), F%d", 16*s.ahead, p, r)
	}
	return r
}

func (s step) store(r, p *register) {
	if s.single {
		s.emit("FMOVS F%d, (R%d)", r, p)
	} else {
		s.emit("FMOVQ F%d, %d(R%d)", r, 16*s.ahead, p)
	}
}

// elseZero sets lanes of r that do not count to 0.
func (s step) elseZero(r *register) {
	if s.single {
		s.emit("FMOVS F%d, F%d", r, r)
	}
}

// elseSame sets lanes of r that do not count to the one that does.
func (s step) elseSame(r *register) {
	if s.single {
		s.emit("VDUP V%d.S[0], V%d.S4", r, r)
	}
}

// each runs body over all elements of the slices, which have the length of the one named.
func (f *function) each(slice string, body func(s step)) { f.unrolled(slice, 1, body) }

// unrolled is each that takes n vectors at a time as long as there are that many.
func (f *function) unrolled(slice string, n int, body func(s step)) {
	left := f.length(slice)
	if n > 1 {
		f.strip(left, 4*n, func() {
			for ahead := range n {
				body(step{f, ahead, false})
			}
		})
	}
	f.strip(left, 4, func() { body(step{f, 0, false}) })
	f.strip(left, 1, func() { body(step{f, 0, true}) })
}

// strip runs body on so many elements at a time as long as there are as many left.
func (f *function) strip(left *register, elements int, body func()) {
	loop, done := f.newLabel("loop"), f.newLabel("done")
	f.emit("SUBS $%d, R%d, R%d", elements, left, left)
	f.branch(done, "BLT")
	f.label(loop)
	body()
	for _, p := range f.pointers {
		f.emit("ADD $%d, R%d, R%d", 4*elements, p, p)
	}
	f.emit("SUBS $%d, R%d, R%d", elements, left, left)
	f.branch(loop, "BGE")
	f.label(done)
	f.emit("ADD $%d, R%d, R%d", elements, left, left)
}
