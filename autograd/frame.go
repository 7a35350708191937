package autograd

import "slices"

// A Frame is the part of a Tape since a call of Tape.Frame. A function returns its result through Keep, which
// frees the rest:
//
//	f := x.Tape().Frame()
//	for _, block := range blocks {
//		x = f.Keep(block.Forward(x)) // the previous x is freed
//	}
//	return x
//
// Frames nest. They cost no memory.
type Frame struct {
	tape *Tape
	from int // the number of Vars on the tape before
}

// Frame begins a Frame.
func (tp *Tape) Frame() Frame { return Frame{tp, tp.vars.n} }

// Keep frees every Var made on the tape since f began, except y and others, and returns y. A freed Var must
// not be used again. Its memory is recycled once all Vars that share it by Reshape, Slice or Split are freed,
// unless an adjoint will read it. Keep does not free Vars from before f, those of Const and Param, and those
// of LowRank, which later calls may return again.
func (f Frame) Keep(y *Var, others ...*Var) *Var {
	for i := f.from; i < f.tape.vars.n; i++ {
		if v := f.tape.vars.at(i); v != y && !slices.Contains(others, v) && v.packed == nil {
			v.free()
		}
	}
	return y
}

// free recycles v's memory if v is its last user.
func (v *Var) free() {
	o := v.owner
	if o == nil || v.freed {
		return
	}
	v.freed = true
	if o.users--; o.users == 0 && !o.kept {
		v.tape.memory.put(o.buffer)
		o.buffer = nil
	}
}
