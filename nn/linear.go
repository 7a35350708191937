package nn

import (
	"github.com/promptcam/promptcam/autograd"
	"github.com/promptcam/promptcam/tensor"
)

// Linear is y = x·Wᵀ + b.
type Linear struct {
	Weight *autograd.Param `state:"weight"` // [out, in]
	Bias   *autograd.Param `state:"bias"`   // [out]; nil means none
}

// NewLinear returns a Linear of zeros; an initialiser or Load gives it its values.
func NewLinear(in, out int) *Linear {
	return &Linear{Weight: NewParam(out, in), Bias: NewParam(out)}
}

// Forward turns x [..., in] to [..., out].
func (l *Linear) Forward(x *autograd.Var) *autograd.Var {
	return l.Rows(x, 0, l.Weight.Value.Dim(0))
}

// Rows is Forward for the outputs [from, to) alone: [..., to-from].
func (l *Linear) Rows(x *autograd.Var, from, to int) *autograd.Var {
	part := func(p *autograd.Param) *autograd.Var {
		v := x.Tape().Param(p)
		if to-from == p.Value.Dim(0) {
			return v
		}
		return autograd.Slice(v, 0, from, to)
	}
	if l.Bias == nil {
		return autograd.Linear(x, part(l.Weight), nil)
	}
	return autograd.Linear(x, part(l.Weight), part(l.Bias))
}

// NewParam returns a Param of zeros.
func NewParam(shape ...int) *autograd.Param {
	return &autograd.Param{Value: tensor.New(shape...)}
}
