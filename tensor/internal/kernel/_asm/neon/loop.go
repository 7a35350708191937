package main

// step is one pass of a loop over the elements of slices: a vector of four, or
// a single element of those left at the end.
type step struct {
	*function
	ahead  int  // vectors that this one lies beyond the slices' pointers
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

// turns is the number of vectors that loops take at a time as long as there are
// that many, their instructions in turns: those on one vector wait for one
// another, three or four cycles each. It is also the number of sums that a
// reduction keeps side by side.
const turns = 4

// each runs body over all elements of the slices, which have the length of the one named.
func (f *function) each(slice string, body func(s step)) {
	f.elements(f.length(slice), f.pointers, body)
}

// elements is each for a number of elements, left, which ends up as 0, of the
// slices at the pointers, which move along.
func (f *function) elements(left *register, pointers []*register, body func(s step)) {
	f.strip(left, pointers, 4*turns, func() {
		f.inTurns(turns, func(i int) { body(step{f, i, false}) })
	})
	f.strip(left, pointers, 4, func() { body(step{f, 0, false}) })
	f.strip(left, pointers, 1, func() { body(step{f, 0, true}) })
}

// inTurns runs body n times and emits the first instruction of each, then the
// second of each, and so on.
func (f *function) inTurns(n int, body func(i int)) {
	before := f.code
	all := make([][]*instruction, n)
	for i := range all {
		f.code = nil
		body(i)
		all[i] = f.code
	}
	f.code = before
	for line := range all[0] {
		for i := range all {
			f.code = append(f.code, all[i][line])
		}
	}
}

// strip runs body on so many elements at a time as long as there are as many left.
func (f *function) strip(left *register, pointers []*register, elements int, body func()) {
	f.repeat(left, elements, func() {
		body()
		for _, p := range pointers {
			f.emit("ADD $%d, R%d, R%d", 4*elements, p, p)
		}
	})
}

// repeat runs body as long as at least n are left, and takes n off each time.
func (f *function) repeat(left *register, n int, body func()) {
	loop, done := f.newLabel("loop"), f.newLabel("done")
	f.emit("SUBS $%d, R%d, R%d", n, left, left)
	f.branch(done, "BLT")
	f.label(loop)
	body()
	f.emit("SUBS $%d, R%d, R%d", n, left, left)
	f.branch(loop, "BGE")
	f.label(done)
	f.emit("ADD $%d, R%d, R%d", n, left, left)
}
