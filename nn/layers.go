package nn

import (
	"github.com/promptcam/promptcam/autograd"
	"github.com/promptcam/promptcam/tensor"
)

// LayerNorm normalises rows to mean 0 and variance 1, then scales and shifts them (Ba et al., arXiv
// 1607.06450).
type LayerNorm struct {
	Weight *autograd.Param `state:"weight"` // [D]
	Bias   *autograd.Param `state:"bias"`   // [D]
	Eps    float32         // added to the variance
}

// NewLayerNorm returns a layer norm of rows of width dim with weight 1 and bias 0.
func NewLayerNorm(dim int, eps float32) *LayerNorm {
	n := &LayerNorm{NewParam(dim), NewParam(dim), eps}
	n.Weight.Value.Fill(1)
	return n
}

// Forward normalises x [..., D].
func (n *LayerNorm) Forward(x *autograd.Var) *autograd.Var {
	tp := x.Tape()
	return autograd.LayerNorm(x, tp.Param(n.Weight), tp.Param(n.Bias), n.Eps)
}

// MLP is two Linears with an activation in between, as in a transformer block.
type MLP struct {
	FC1 *Linear `state:"fc1"` // [hidden, D]
	FC2 *Linear `state:"fc2"` // [D, hidden]
	Act tensor.Activation
}

// NewMLP returns an MLP of zeros, for an initialiser or Load to fill: from zeros it learns only its last bias.
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
