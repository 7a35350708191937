package nn

import (
	"github.com/promptcam/promptcam/autograd"
	"github.com/promptcam/promptcam/tensor"
)

// MLP is two Linears with an activation in between, as in a transformer block.
type MLP struct {
	FC1 *Linear `state:"fc1"` // [hidden, D]
	FC2 *Linear `state:"fc2"` // [D, hidden]
	Act tensor.Activation
}

// NewMLP returns an MLP of zeros.
func NewMLP(dim, hidden int, act tensor.Activation) *MLP {
	return &MLP{NewLinear(dim, hidden), NewLinear(hidden, dim), act}
}

// Forward turns x [..., D] to [..., D].
func (m *MLP) Forward(x *autograd.Var) *autograd.Var { return m.ForwardAdd(autograd.Residual{}, x) }

// ForwardAdd adds Forward(x) to r.
func (m *MLP) ForwardAdd(r autograd.Residual, x *autograd.Var) *autograd.Var {
	tp := x.Tape()
	w1, b1 := m.FC1.params(tp)
	w2, b2 := m.FC2.params(tp)
	return autograd.MLP(r, x, w1, b1, w2, b2, m.Act)
}
