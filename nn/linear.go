package nn

import (
	"github.com/promptcam/promptcam/autograd"
	"github.com/promptcam/promptcam/tensor"
)

// Linear is y = x·Wᵀ + b.
type Linear struct {
	Weight  *autograd.Param `state:"weight"` // [out, in]
	Bias    *autograd.Param `state:"bias"`   // [out] or nil
	Adapter *Adapter        `state:""`       // adapts W; may be nil
}

// NewLinear returns a Linear of zeros, for an initialiser such as KaimingUniform or Load to fill. Alone it
// learns from zeros too; of two in a row neither weight does, only the last bias.
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
	tp := x.Tape()
	w := autograd.Slice(tp.Param(l.Weight), 0, from, to)
	if a := l.Adapter; a != nil {
		w = autograd.LowRank(w, tp.Param(a.A), autograd.Slice(tp.Param(a.B), 0, from, to), a.Scale)
	}
	var b *autograd.Var
	if l.Bias != nil {
		b = autograd.Slice(tp.Param(l.Bias), 0, from, to)
	}
	return autograd.Linear(x, w, b)
}

// params returns the adapted weight and the bias, or nil, on a tape.
func (l *Linear) params(tp *autograd.Tape) (w, b *autograd.Var) {
	if l.Bias != nil {
		b = tp.Param(l.Bias)
	}
	w = tp.Param(l.Weight)
	if a := l.Adapter; a != nil {
		w = autograd.LowRank(w, tp.Param(a.A), tp.Param(a.B), a.Scale)
	}
	return w, b
}

// NewParam returns a Param of zeros.
func NewParam(shape ...int) *autograd.Param {
	return &autograd.Param{Value: tensor.New(shape...)}
}

// Adapter is a LoRA adapter of rank r (Hu et al., arXiv 2106.09685): it adds Scale·(x·Aᵀ)·Bᵀ to the output of
// a Linear, whose weight may be frozen and shared with other Linears. Names are those of Hugging Face's PEFT.
type Adapter struct {
	A     *autograd.Param `state:"lora_A"` // [r, in]
	B     *autograd.Param `state:"lora_B"` // [out, r]
	Scale float32
}

// NewAdapter returns an Adapter of rank r for l, all zeros. While B is zero it has no effect; A must be
// initialised for it to learn.
func NewAdapter(l *Linear, r int, scale float32) *Adapter {
	return &Adapter{NewParam(r, l.Weight.Value.Dim(1)), NewParam(l.Weight.Value.Dim(0), r), scale}
}
