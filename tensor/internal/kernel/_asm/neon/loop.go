package main

import (
	"slices"

	"github.com/promptcam/promptcam/tensor/internal/kernel/asm/kernels"
)

// kernel is a kernel while it is being written.
type kernel struct {
	*function
	kernels.Kernel
	slices, floats map[string]*register // addresses; vectors of one value
	moving         []*register          // addresses that move along with a loop
	sums           [][]*register        // accumulators of each result
}

// begin begins the kernel of that name.
func (p *program) begin(name string) *kernel {
	k := kernels.Named(name)
	f := p.function(name, k.Signature, k.Doc)
	return &kernel{f, k, map[string]*register{}, map[string]*register{}, nil, nil}
}

// load begins the kernel of that name and loads the slices' addresses and the float32s, some negated.
func (p *program) load(name string, negated ...string) *kernel {
	k := p.begin(name)
	for _, slice := range k.Slices {
		k.slices[slice] = k.pointer(slice)
		k.moving = append(k.moving, k.slices[slice])
	}
	for _, param := range k.Floats {
		k.floats[param] = k.broadcast(param)
		if slices.Contains(negated, param) {
			k.floats[param] = k.neg(k.floats[param])
		}
	}
	return k
}

// loop emits the whole kernel of that name.
func (p *program) loop(name string, body func(s step)) { p.load(name).loop(body) }

// loop emits a pass over all elements of the slices and the return of the results.
func (k *kernel) loop(body func(s step)) {
	for range k.Results {
		k.sums = append(k.sums, k.accumulators(k.Start))
	}
	k.elements(k.length(k.Slices[0]), body)
	for i, sums := range k.sums {
		result := k.total
		if k.Start != 0 {
			result = k.greatest
		}
		k.emit("FMOVS F%d, "+address(k.layout.Results().At(i)), result(sums))
	}
	k.ret()
}

// turns is the number of vectors that loops take at a time while as many are left, their instructions in
// turns: those on one vector wait for one another, three or four cycles each. It is also the number of sums
// that a reduction keeps side by side.
const turns = 4

// elements runs body over so many elements of the slices, whose addresses move along. left ends up as 0.
func (k *kernel) elements(left *register, body func(s step)) {
	k.strip(left, 4*turns, func() {
		k.inTurns(turns, func(i int) { body(step{k, i, false}) })
	})
	k.strip(left, 4, func() { body(step{k, 0, false}) })
	k.strip(left, 1, func() { body(step{k, 0, true}) })
}

// strip runs body on so many elements at a time while as many are left.
func (k *kernel) strip(left *register, elements int, body func()) {
	k.repeat(left, elements, func() {
		body()
		for _, p := range k.moving {
			k.emit("ADD $%d, R%d, R%d", 4*elements, p, p)
		}
	})
}

// inTurns runs body n times and emits the first instruction of each, then the second of each, and so on.
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

// repeat runs body while at least n are left, and takes n off each time.
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

// accumulators returns registers that all hold x, one for each of the vectors in turns.
func (f *function) accumulators(x float64) []*register {
	r := make([]*register, turns)
	for i := range r {
		r[i] = f.constant(x)
	}
	return r
}

// total adds up accumulators and their lanes.
func (f *function) total(r []*register) *register {
	sum := f.add(f.add(r[0], r[1]), f.add(r[2], r[3]))
	return f.pairs(f.pairs(sum))
}

// greatest returns the maximum of accumulators and their lanes.
func (f *function) greatest(r []*register) *register {
	return f.maxLane(f.max(f.max(r[0], r[1]), f.max(r[2], r[3])))
}

// step is one pass of a loop: a vector of four elements, or a single one of those left at the end.
type step struct {
	*kernel
	ahead  int  // vectors from the slices' addresses to this one
	single bool // only the lowest lane counts
}

// param returns a float32 parameter, in every lane.
func (s step) param(name string) *register { return s.floats[name] }

// sum returns the accumulator of a result for this step.
func (s step) sum(result int) *register { return s.sums[result][s.ahead] }

// load returns a vector of the slice, 0 in lanes that do not count.
func (s step) load(slice string) *register {
	r := vector()
	if s.single {
		s.emit("FMOVS (R%d), F%d", s.slices[slice], r)
	} else {
		s.emit("FMOVQ %d(R%d), F%d", 16*s.ahead, s.slices[slice], r)
	}
	return r
}

func (s step) store(r *register, slice string) {
	if s.single {
		s.emit("FMOVS F%d, (R%d)", r, s.slices[slice])
	} else {
		s.emit("FMOVQ F%d, %d(R%d)", r, 16*s.ahead, s.slices[slice])
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
