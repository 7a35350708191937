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
func (l *Linear) Forward(x *autograd.Var) *autograd.Var { return l.ForwardAdd(autograd.Residual{}, x) }

// ForwardAdd adds Forward(x) to r.
func (l *Linear) ForwardAdd(r autograd.Residual, x *autograd.Var) *autograd.Var {
	w, b := l.params(x.Tape())
	return autograd.LinearAdd(r, x, w, b)
}

// Rows is Forward for the outputs [from, to) alone: [..., to-from].
func (l *Linear) Rows(x *autograd.Var, from, to int) *autograd.Var {
	w, b := l.params(x.Tape())
	w = autograd.Slice(w, 0, from, to)
	if b != nil {
		b = autograd.Slice(b, 0, from, to)
	}
	return autograd.Linear(x, w, b)
}

// params returns the weight and the bias, or nil, on a tape.
func (l *Linear) params(tp *autograd.Tape) (w, b *autograd.Var) {
	if l.Bias != nil {
		b = tp.Param(l.Bias)
	}
	return tp.Param(l.Weight), b
}

// NewParam returns a Param of zeros.
func NewParam(shape ...int) *autograd.Param {
	return &autograd.Param{Value: tensor.New(shape...)}
}
