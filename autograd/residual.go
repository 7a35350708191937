package autograd

import (
	"slices"

	"github.com/promptcam/promptcam/tensor"
)

// Residual holds x and scale in x + scale∘layer(x). The zero value leaves the layer's output unchanged.
type Residual struct {
	X     *Var // [..., out], or a shape that broadcasts to it, such as rows that all images share; nil means none
	Scale *Var // [out]; must not require a gradient; nil means one
}

// result returns a Var for r.X + r.Scale∘layer(x). The last two params are the layer's last weight [out, ...]
// and bias.
func (r Residual) result(x *Var, params ...*Var) *Var {
	if r.Scale != nil && r.Scale.needs {
		panic("autograd: the scale of a Residual has no gradient: use Mul and Add")
	}
	x.Dim(-1)       // panics for a scalar
	var room [8]int // on the stack
	shape := append(room[:0], x.Shape()...)
	shape[len(shape)-1] = params[len(params)-2].Dim(0)
	y := x.tape.result(shape, r.X, r.Scale, x)
	y.operands(params...)
	return y
}

// contig returns r with contiguous operands.
func (r Residual) contig() Residual { return Residual{contig(r.X), contig(r.Scale)} }

// linearTo writes r.X + r.Scale∘(x·wᵀ + b) to y.
func (r Residual) linearTo(y, x *tensor.Tensor, w, b *Var) {
	after := tensor.After{Bias: b.valueOrNil(), Scale: r.Scale.valueOrNil(), Residual: r.X.valueOrNil()}
	shared := r.X != nil && !slices.Equal(r.X.Shape(), y.Shape())
	if shared {
		after.Residual = nil
	}
	tensor.LinearTo(y, x, w.Value(), w.pack(), after)
	if shared {
		tensor.AddTo(y, y, r.X.Value())
	}
}

// unscaled returns the gradient of the layer's output, given dy, that of the result.
func (r Residual) unscaled(dy *tensor.Tensor) *tensor.Tensor {
	if r.Scale == nil {
		return dy
	}
	d := r.Scale.tape.room(dy.Shape()...)
	tensor.MulTo(d, dy, r.Scale.value)
	return d
}

// giveGrad passes dy on to r.X and recycles d, which unscaled returned.
func (r Residual) giveGrad(dy, d *tensor.Tensor) {
	if d != dy {
		r.Scale.tape.memory.put(d.Data())
	}
	if r.X != nil {
		addBroadcast(r.X, dy)
	}
}

// valueOrNil is Value, or nil for a nil Var.
func (v *Var) valueOrNil() *tensor.Tensor {
	if v == nil {
		return nil
	}
	return v.Value()
}
