package nn

import "github.com/promptcam/promptcam/autograd"

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
