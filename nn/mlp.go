package nn

import "github.com/promptcam/promptcam/autograd"

// MLP is a hidden layer between two Linears, as in a transformer block.
type MLP struct {
	FC1 *Linear `state:"fc1"` // [hidden, D]
	FC2 *Linear `state:"fc2"` // [D, hidden]
	Act func(*autograd.Var) *autograd.Var
}

// NewMLP returns an MLP of zeros. act is autograd.GELU or autograd.QuickGELU.
func NewMLP(dim, hidden int, act func(*autograd.Var) *autograd.Var) *MLP {
	return &MLP{NewLinear(dim, hidden), NewLinear(hidden, dim), act}
}

// Forward turns x [..., D] to [..., D].
func (m *MLP) Forward(x *autograd.Var) *autograd.Var {
	h := m.FC1.Forward(x) // [..., hidden]
	a := m.Act(h)
	h.Release()
	y := m.FC2.Forward(a) // [..., D]
	a.Release()
	return y
}
