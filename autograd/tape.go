package autograd

import (
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/promptcam/promptcam/tensor"
)

// Tape records operations and owns the memory of their results. The zero
// value is ready to use.
type Tape struct {
	NoGrad bool       // record nothing: results have no gradient
	Rand   *rand.Rand // for Dropout and DropPath; nil means evaluation, which drops nothing

	recorded []*Var    // results that have an adjoint, in the order they were computed
	adjoints []adjoint // theirs, then those left over from the last step
	vars     slab[Var]
	tensors  slab[tensor.Tensor] // headers of memory that is no Var's value
	lists    arena[*Var]
	packs    slab[tensor.Packed] // of what LowRank made
	memory   memory
	params   map[*Param]*Var
	lowRanks map[lowRank]*Var
	grads    Grads
	taken    bool // the adjoint now running gave its dy away
}

// Var is a tensor on a tape.
type Var struct {
	tape  *Tape
	value *tensor.Tensor
	needs bool // a gradient is wanted
	grad  *tensor.Tensor
	param *Param

	frozen   frozen         // what of a frozen Param the value is, for Linear
	packed   *tensor.Packed // a copy for LinearTo, where LowRank made the value
	change   *lowRank       // where LowRank made v of a weight without gradient, for Linear
	header   tensor.Tensor  // value, where the tape made it
	owner    *Var           // whose memory value looks at: v itself, or what v is a view of; nil where not the tape's
	buffer   []float32      // memory of an owner, until it is recycled
	users    int            // of an owner: how many Vars that look at its memory are not released
	kept     bool           // an adjoint will read the value
	released bool           // the memory is gone; value still tells the shape
	whole    *Var           // for a part made by Split: the Var whose gradient has room for v's
	part     int            // which one
}

// adjoint undoes an operation: back adds to the operands' gradients, given dy, that of the
// result. It may use dy's memory up.
type adjoint interface{ back(dy *tensor.Tensor) }

// Const returns a Var of t that has no gradient.
func (tp *Tape) Const(t *tensor.Tensor) *Var {
	v := tp.vars.next()
	*v = Var{tape: tp, value: t, header: v.header}
	return v
}

// Param returns a Var of p's value. Unless p is frozen, Backward finds its gradient.
func (tp *Tape) Param(p *Param) *Var {
	if v := tp.params[p]; v != nil {
		return v
	}
	v := tp.Const(p.Value)
	v.param = p
	v.needs = !p.Frozen && !tp.NoGrad
	switch {
	case !p.Frozen:
		p.Changed()
	case p.Value.Rank() > 1:
		v.frozen = frozen{p, 0, p.Value.Dim(0)}
	}
	if tp.params == nil {
		tp.params = map[*Param]*Var{}
	}
	tp.params[p] = v
	return v
}

// Value returns v's tensor, which must not be changed. It panics after Release and Reset.
func (v *Var) Value() *tensor.Tensor {
	if v.value == nil || v.released {
		panic("autograd: Var used after Release or Reset")
	}
	return v.value
}

// Shape returns the sizes of v's dimensions.
func (v *Var) Shape() []int { return v.Value().Shape() }

// Dim returns the size of dimension i; negative i count from the last.
func (v *Var) Dim(i int) int { return v.Value().Dim(i) }

// Tape returns the tape that v is on.
func (v *Var) Tape() *Tape { return v.tape }

// Release says that the caller will not use v again. Once v, and every Var
// that looks at the same memory by Reshape, Slice or Split, are released, the
// memory is recycled, unless an adjoint will read it.
func (v *Var) Release() {
	o := v.owner
	if o == nil || v.released {
		return
	}
	v.released = true
	if o.users--; o.users == 0 && !o.kept {
		v.tape.memory.put(o.buffer)
		o.buffer = nil
	}
}

// Backward returns the gradient of loss, a single number, with respect to each
// Param that is not frozen and on which it depends. The gradients are the
// tape's and end with Reset; a second Backward before that adds to them.
// It panics if loss is not one number or nothing it depends on wants a gradient.
func (tp *Tape) Backward(loss *Var) Grads {
	if n := loss.Value().Len(); loss.tape != tp {
		panic("autograd: Backward of a loss on another tape")
	} else if n != 1 || !loss.needs {
		panic(fmt.Sprintf("autograd: Backward of a loss of shape %v; want one number that depends on a Param", loss.Shape()))
	}
	if tp.grads == nil {
		tp.grads = Grads{}
	}
	loss.addGrad(func(g *tensor.Tensor) { g.Fill(1) })
	for i := len(tp.recorded) - 1; i >= 0; i-- {
		v := tp.recorded[i]
		dy := v.grad
		if dy == nil {
			continue // the loss does not depend on v
		}
		v.grad, tp.taken = nil, false
		tp.adjoints[i].back(dy)
		if !tp.taken {
			tp.memory.put(dy.Data())
		}
	}
	return tp.grads
}

// Reset ends every Var, tensor and Grads that came from tp, and takes their memory back.
// The tensors are then empty, so that they hold on to nothing that memory gives up.
func (tp *Tape) Reset() {
	for v := range tp.vars.used() {
		if v.buffer != nil {
			tp.memory.put(v.buffer)
		}
		*v = Var{header: *v.header.Remake(nil, 0)}
	}
	for t := range tp.tensors.used() {
		t.Remake(nil, 0)
	}
	tp.memory.reclaim()
	tp.vars.reset()
	tp.tensors.reset()
	tp.lists.reset()
	tp.packs.reset()
	tp.adjoints = slices.Delete(tp.adjoints, len(tp.recorded), len(tp.adjoints))
	clear(tp.recorded)
	tp.recorded = tp.recorded[:0]
	clear(tp.params)
	clear(tp.lowRanks)
	clear(tp.grads)
}

// result returns a Var for an operation to fill in. Its gradient is wanted if
// one of the operands' is; only then should the operation set its adjoint.
func (tp *Tape) result(shape []int, operands ...*Var) *Var {
	v := tp.Const(nil)
	v.buffer = tp.memory.get(tensor.Size("result", shape))
	v.value = v.header.Remake(v.buffer, shape...)
	v.owner, v.users = v, 1
	v.operands(operands...)
	return v
}

// viewOf returns a Var that looks at v's memory, for an operation to set its header.
func (tp *Tape) viewOf(v *Var) *Var {
	v.Value() // panics if it is gone
	y := tp.Const(nil)
	y.value = &y.header
	if y.owner = v.owner; y.owner != nil {
		y.owner.users++
	}
	y.operands(v)
	return y
}

// operands notes what v is computed from; nil operands are passed over.
func (v *Var) operands(operands ...*Var) {
	for _, o := range operands {
		if o == nil {
			continue
		}
		if o.tape != v.tape {
			panic("autograd: operands on different tapes")
		}
		v.needs = v.needs || o.needs
	}
}

// record notes that v has an adjoint, for the caller to fill in. Each Var in keep
// has a value that it reads; nil is passed over. Steps repeat, so that v's adjoint is as
// a rule the one that stood in its place in the last step.
func record[T any, P interface {
	*T
	adjoint
}](v *Var, keep ...*Var) P {
	v.keep(keep...)
	tp := v.tape
	i := len(tp.recorded)
	tp.recorded = append(tp.recorded, v)
	if i == len(tp.adjoints) {
		tp.adjoints = append(tp.adjoints, nil)
	}
	a, ok := tp.adjoints[i].(P)
	if !ok {
		a = new(T)
		tp.adjoints[i] = a
	}
	return a
}

// keep notes values that v's adjoint reads.
func (v *Var) keep(read ...*Var) {
	for _, k := range read {
		if k != nil && k.owner != nil {
			k.owner.kept = true
		}
	}
}

// keepIf returns v if something else reads it.
func keepIf(read bool, v *Var) *Var {
	if read {
		return v
	}
	return nil
}

// scratch returns a tensor of undefined values that lasts until Reset.
func (tp *Tape) scratch(shape ...int) *tensor.Tensor {
	data := tp.memory.get(tensor.Size("scratch", shape))
	tp.memory.lend(data)
	return tp.tensors.next().Remake(data, shape...)
}

// room returns a tensor of undefined values whose memory the caller gives back.
func (tp *Tape) room(shape ...int) *tensor.Tensor {
	return tp.tensors.next().Remake(tp.memory.get(tensor.Size("room", shape)), shape...)
}

// slice is t.Slice with a header of the tape's.
func (tp *Tape) slice(t *tensor.Tensor, dim, from, to int) *tensor.Tensor {
	return tp.tensors.next().RemakeSlice(t, dim, from, to)
}

// addGrad adds to v's gradient what write writes, if a gradient is wanted.
func (v *Var) addGrad(write func(g *tensor.Tensor)) {
	if !v.needs {
		return
	}
	if v.grad == nil {
		v.grad = v.newGrad()
		write(v.grad)
		return
	}
	g := v.tape.room(v.value.Shape()...)
	write(g)
	tensor.Axpy(v.grad, 1, g)
	v.tape.memory.put(g.Data())
}

// gradSum returns v's gradient for an adjoint to add to; nil if none is wanted.
func (v *Var) gradSum() *tensor.Tensor {
	if v == nil || !v.needs {
		return nil
	}
	if v.grad == nil {
		v.grad = v.newGrad().Fill(0)
	}
	return v.grad
}

// giveGrad adds dy, which the running adjoint needs no longer, to v's gradient:
// without copying it, if it is the first.
func (v *Var) giveGrad(dy *tensor.Tensor) {
	if !v.needs {
		return
	}
	dy = v.tape.tensors.next().Remake(dy.Data(), v.value.Shape()...)
	switch {
	case v.grad != nil:
		tensor.Axpy(v.grad, 1, dy)
	case v.param == nil && v.whole == nil && !v.tape.taken:
		v.grad, v.tape.taken = dy, true
	default:
		v.grad = v.newGrad()
		tensor.CopyTo(v.grad, dy)
	}
}

// newGrad returns memory, of undefined values, for v's gradient.
func (v *Var) newGrad() *tensor.Tensor {
	switch {
	case v.param != nil:
		g := v.tape.scratch(v.value.Shape()...)
		v.tape.grads[v.param] = g
		return g
	case v.whole != nil:
		return v.whole.partGrad(v)
	default:
		return v.tape.room(v.value.Shape()...)
	}
}
