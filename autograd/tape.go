package autograd

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/promptcam/promptcam/tensor"
)

// Tape records operations and owns the memory of their results. The zero value is ready to use.
type Tape struct {
	NoGrad bool       // record nothing: results have no gradient
	Rand   *rand.Rand // for Dropout and DropPath; nil means evaluation, which drops nothing

	// Context, if not nil, ends a long computation early: once it is done, models skip the blocks, and
	// Backward the adjoints, that are left. Their results then mean nothing, so whoever sets it checks Err before
	// using them.
	Context context.Context

	recorded []*Var    // results that have an adjoint, in order of computation
	adjoints []adjoint // their adjoints, then those left from the last step
	vars     slab[Var]
	headers  slab[tensor.Header] // of tensors that are not a Var's value
	lists    arena[*Var]
	packs    slab[tensor.Packed] // of LowRank's results
	memory   memory
	params   map[paramKey]*Var
	lowRanks map[lowRank]*Var
	grads    Grads
	backward bool // adjoints are running
	taken    bool // the running adjoint passed its dy on
}

// paramKey distinguishes the Vars of a Param with and without gradient: NoGrad and Frozen may change between
// uses.
type paramKey struct {
	param *Param
	needs bool
}

// Var is a tensor on a tape.
type Var struct {
	tape  *Tape
	value *tensor.Tensor
	needs bool // a gradient is wanted
	grad  *tensor.Tensor
	param *Param

	frozen frozen         // the part of a frozen Param that the value shows, for Linear
	packed *tensor.Packed // a copy for LinearTo, if the Var is LowRank's
	change *lowRank       // for Linear, if the Var is LowRank's of a weight without gradient
	header tensor.Header  // of value, if the tape made it
	owner  *Var           // of value's memory: the Var itself, or the one it is a view of; nil if the memory is not the tape's
	buffer []float32      // an owner's memory, until it is recycled
	users  int            // of an owner's memory: Vars that are not freed
	kept   bool           // an adjoint will read the value
	freed  bool           // the memory is gone; value still has the shape
	whole  *Var           // of a part made by Split: the Var whose gradient contains the part's
	part   int            // its number
}

// adjoint is the adjoint of an operation: back adds to the operands' gradients, given dy, that of the result.
// It may overwrite dy.
type adjoint interface{ back(dy *tensor.Tensor) }

// Err returns the error of Context, nil if there is none or it is not done.
func (tp *Tape) Err() error {
	if tp.Context == nil {
		return nil
	}
	return tp.Context.Err()
}

// Const returns a Var of t that has no gradient. It panics if t is nil.
func (tp *Tape) Const(t *tensor.Tensor) *Var {
	if t == nil {
		panic("autograd: Const of a nil tensor")
	}
	v := tp.next()
	v.value = t
	return v
}

// next returns a Var without a value or gradient.
func (tp *Tape) next() *Var {
	v := tp.vars.next()
	*v = Var{tape: tp, header: v.header}
	return v
}

// Param returns a Var of p's value. Backward computes its gradient unless p is frozen or the tape has NoGrad.
// Until Reset, calls return the same Var as long as neither changes. It panics if p has no Value, or another
// than when the tape first used it.
func (tp *Tape) Param(p *Param) *Var {
	if p.Value == nil {
		panic("autograd: Param without a Value")
	}
	key := paramKey{p, !p.Frozen && !tp.NoGrad}
	if v := tp.params[key]; v != nil {
		if v.value != p.Value {
			panic("autograd: Param whose Value was replaced after the tape had used it: call Reset in between")
		}
		return v
	}
	v := tp.Const(p.Value)
	v.param, v.needs = p, key.needs
	switch {
	case !p.Frozen:
		p.Changed()
	case p.Value.Rank() > 1:
		v.frozen = frozen{p, 0, p.Value.Dim(0)}
	}
	if tp.params == nil {
		tp.params = map[paramKey]*Var{}
	}
	tp.params[key] = v
	return v
}

// Value returns v's tensor. The caller must not change it. Value panics if Frame.Keep or Reset freed v, except
// in the adjoint of an Op with the input v.
func (v *Var) Value() *tensor.Tensor {
	if v.value == nil || v.freed && !(v.tape.backward && v.owner.buffer != nil) {
		panic("autograd: Var used after Keep or Reset freed it")
	}
	return v.value
}

// String returns the shape and the elements of v's value: see tensor.Tensor.String.
func (v *Var) String() string { return v.Value().String() }

// Shape returns the sizes of v's dimensions.
func (v *Var) Shape() []int { return v.Value().Shape() }

// Dim returns the size of dimension i; negative i count from the last.
func (v *Var) Dim(i int) int { return v.Value().Dim(i) }

// Tape returns the tape that v is on.
func (v *Var) Tape() *Tape { return v.tape }

// Backward returns the gradient of loss, a single number, with respect to each Param that is not frozen and
// on which it depends. The gradients end with Reset; a second Backward before Reset adds to them. Backward
// panics if loss is not one number or depends on nothing that needs a gradient.
func (tp *Tape) Backward(loss *Var) Grads {
	if n := loss.Value().Len(); loss.tape != tp {
		panic("autograd: Backward of a loss on another tape")
	} else if n != 1 || !loss.needs {
		panic(fmt.Sprintf("autograd: Backward of a loss of shape %v; want one number that depends on a Param", loss.Shape()))
	}
	if tp.grads == nil {
		tp.grads = Grads{}
	}
	tp.backward = true
	defer func() { tp.backward = false }()
	loss.AddGrad(func(g *tensor.Tensor) { g.Fill(1) })
	for i := len(tp.recorded) - 1; i >= 0; i-- {
		v := tp.recorded[i]
		dy := v.grad
		if dy == nil {
			continue // the loss does not depend on v
		}
		v.grad, tp.taken = nil, false
		if tp.Err() == nil {
			tp.adjoints[i].back(dy)
		}
		if !tp.taken {
			tp.memory.put(dy.Data())
		}
	}
	return tp.grads
}

// Reset ends every Var, tensor and Grads that came from tp and recycles their memory. The tensors are then
// empty, so that they do not keep alive memory that the tape no longer holds.
func (tp *Tape) Reset() {
	for i := range tp.vars.n {
		v := tp.vars.at(i)
		if v.buffer != nil {
			tp.memory.put(v.buffer)
		}
		v.header.FromSlice(nil, 0)
		*v = Var{header: v.header}
	}
	for i := range tp.headers.n {
		tp.headers.at(i).FromSlice(nil, 0)
	}
	tp.memory.reclaim()
	tp.vars.reset()
	tp.headers.reset()
	tp.lists.reset()
	tp.packs.reset()
	tp.adjoints = slices.Delete(tp.adjoints, len(tp.recorded), len(tp.adjoints))
	clear(tp.recorded)
	tp.recorded = tp.recorded[:0]
	clear(tp.params)
	clear(tp.lowRanks)
	clear(tp.grads)
}

// result returns a Var for an operation to fill in. It needs a gradient if an operand does; only then should
// the operation record its adjoint.
func (tp *Tape) result(shape []int, operands ...*Var) *Var {
	v := tp.next()
	v.buffer = tp.memory.get(tensor.Size("result", shape))
	v.value = v.header.FromSlice(v.buffer, shape...)
	v.owner, v.users = v, 1
	v.operands(operands...)
	return v
}

// viewOf returns a Var that shares v's memory, for an operation to set its value.
func (tp *Tape) viewOf(v *Var) *Var {
	v.Value() // panics if it is freed
	y := tp.next()
	if y.owner = v.owner; y.owner != nil {
		y.owner.users++
	}
	y.operands(v)
	return y
}

// operands notes that v is computed from operands. It skips nil.
func (v *Var) operands(operands ...*Var) {
	for _, o := range operands {
		if o == nil {
			continue
		}
		if o.tape != v.tape {
			panic("autograd: operands on different tapes")
		}
		v.needs = v.needs || o.needs && !v.tape.NoGrad
	}
}

// record returns v's adjoint for the caller to fill in. The adjoint reads the values of keep, except nil.
// Since steps repeat, record reuses the adjoint in the same place of the last step if it has the right type.
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

// keep notes that v's adjoint reads these values.
func (v *Var) keep(read ...*Var) {
	for _, k := range read {
		if k != nil && k.owner != nil {
			k.owner.kept = true
		}
	}
}

// keepIf returns v if it is read, else nil.
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
	return tp.headers.next().FromSlice(data, shape...)
}

// room returns a tensor of undefined values whose memory the caller puts back.
func (tp *Tape) room(shape ...int) *tensor.Tensor {
	return tp.headers.next().FromSlice(tp.memory.get(tensor.Size("room", shape)), shape...)
}

// slice is t.Slice in a header of the tape.
func (tp *Tape) slice(t *tensor.Tensor, dim, from, to int) *tensor.Tensor {
	return tp.headers.next().Slice(t, dim, from, to)
}

// AddGrad adds to v's gradient what write writes: for adjoints, see Op. It does not call write if no gradient
// is wanted. g has v's shape, undefined values, all of which write must set, and gaps if v is a part that
// Split returned. AddGrad panics outside of Backward.
func (v *Var) AddGrad(write func(g *tensor.Tensor)) {
	if v.tape == nil || !v.tape.backward {
		panic("autograd: AddGrad outside of Backward")
	}
	if g := v.firstGrad(); g != nil {
		write(g)
		v.passGrad(g)
	}
}

// firstGrad returns memory for a gradient of v: v's own if this is the first, otherwise a room. passGrad
// takes it back. It returns nil if no gradient is wanted.
func (v *Var) firstGrad() *tensor.Tensor {
	if !v.needs {
		return nil
	}
	if v.grad == nil {
		v.grad = v.newGrad()
		return v.grad
	}
	return v.tape.room(v.value.Shape()...)
}

// passGrad adds g, which firstGrad returned, to v's gradient unless it is that itself.
func (v *Var) passGrad(g *tensor.Tensor) {
	if g == nil || g == v.grad {
		return
	}
	tensor.Axpy(v.grad, 1, g)
	v.tape.memory.put(g.Data())
}

// gradSum returns v's gradient for an adjoint to add to, or nil if none is wanted.
func (v *Var) gradSum() *tensor.Tensor {
	if v == nil || !v.needs {
		return nil
	}
	if v.grad == nil {
		v.grad = v.newGrad().Fill(0)
	}
	return v.grad
}

// giveGrad adds dy, which the running adjoint no longer needs, to v's gradient. If dy is the first, giveGrad
// takes it without a copy.
func (v *Var) giveGrad(dy *tensor.Tensor) {
	if !v.needs {
		return
	}
	dy = v.tape.headers.next().FromSlice(dy.Data(), v.value.Shape()...)
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
