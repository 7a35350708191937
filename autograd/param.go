package autograd

import (
	"sync"

	"github.com/promptcam/promptcam/tensor"
)

// Param is a tensor that may be learned.
type Param struct {
	Value *tensor.Tensor // contiguous

	// Frozen says that no gradient is wanted, and none is computed, and that Value
	// does not change: Linear keeps a copy of it in the order in which it is read. Whoever
	// writes to the Value of a Param that is, or ever was, frozen has to call Changed.
	Frozen bool

	mu     sync.Mutex // several tapes may meet at the first use
	packed *tensor.Packed
	source *tensor.Tensor // the Value that packed is a copy of
}

// Grads holds the gradient of a loss with respect to each parameter that it
// depends on, of the parameter's own shape. Frozen parameters have none.
type Grads map[*Param]*tensor.Tensor

// Changed says that Value was written to. Only a Param that is, or ever was, frozen
// needs to be told; nor need one whose Value is now another tensor.
func (p *Param) Changed() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.packed, p.source = nil, nil
}

// frozen is the part of a frozen Param that a Var's value is: the elements [from,
// to) along its first dimension, whatever the others. The zero value is none.
type frozen struct {
	param    *Param
	from, to int
}

// pack returns a copy of the part for LinearTo, as a weight [to-from, in], or nil.
func (f frozen) pack() *tensor.Packed {
	p := f.param
	if p == nil {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.source != p.Value {
		p.packed, p.source = tensor.Pack(p.Value.Reshape(p.Value.Dim(0), -1)), p.Value
	}
	return p.packed.Rows(f.from, f.to)
}
