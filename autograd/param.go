package autograd

import (
	"sync"

	"github.com/promptcam/promptcam/tensor"
)

// Param is a tensor that may be learned.
type Param struct {
	Value *tensor.Tensor // contiguous

	// Frozen says that no gradient is computed and that Value does not change: Linear caches packed copies,
	// one for the forward pass and, if gradients pass through, one for the backward pass. After writing to
	// the Value of a Param that is, or ever was, frozen, call Changed.
	Frozen bool

	mu     sync.Mutex     // several tapes may use the Param first
	source *tensor.Tensor // the Value of the copies
	packed *tensor.Packed // for LinearTo
	turned *tensor.Packed // the transpose, for LinearBackwardTo
}

// Grads holds the gradient of a loss with respect to each parameter that it depends on, of the parameter's
// own shape. Frozen parameters have none. A map is ranged over in random order: where order changes the bits, as
// in a sum over parameters, range over nn.Params and look each up.
type Grads map[*Param]*tensor.Tensor

// Changed drops cached copies of Value after a write to it. Only a Param that is, or ever was, frozen needs
// it, and not if Value is now another tensor.
func (p *Param) Changed() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.source, p.packed, p.turned = nil, nil, nil
}

// frozen is the part of a frozen Param that a Var shows: the elements [from, to) along the first dimension.
// The zero value is none.
type frozen struct {
	param    *Param
	from, to int
}

// pack returns a copy of v, a weight [out, in], for LinearTo, or nil.
func (v *Var) pack() *tensor.Packed {
	f := v.frozen
	p := f.param
	if p == nil {
		return v.packed
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.dropOthers()
	if p.packed == nil {
		p.packed = tensor.Pack(p.weight())
	}
	return p.packed.Rows(f.from, f.to)
}

// turn returns a copy of the whole for LinearBackwardTo; nil if f is not the whole.
func (f frozen) turn() *tensor.Packed {
	p := f.param
	if p == nil || f.from > 0 || f.to < p.Value.Dim(0) {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.dropOthers()
	if p.turned == nil {
		p.turned = tensor.Pack(p.weight().Transpose())
	}
	return p.turned
}

// weight returns Value as a weight [out, in].
func (p *Param) weight() *tensor.Tensor { return p.Value.Reshape(p.Value.Dim(0), -1) }

// dropOthers drops the copies of another Value.
func (p *Param) dropOthers() {
	if p.source != p.Value {
		p.source, p.packed, p.turned = p.Value, nil, nil
	}
}
