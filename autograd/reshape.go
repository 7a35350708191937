package autograd

import "github.com/promptcam/promptcam/tensor"

// Reshape returns x, which must be contiguous, with another shape of as many elements. It shares x's memory.
// One size may be -1: it is inferred from the others.
func Reshape(x *Var, shape ...int) *Var {
	y := x.tape.viewOf(x)
	y.value = y.header.Reshape(x.Value(), shape...) // panics if a copy would be needed
	if len(shape) > 0 && x.value.Rank() > 0 && shape[0] == x.value.Dim(0) {
		y.frozen = x.frozen
	}
	if y.needs {
		*record[reshape](y) = reshape{x}
	}
	return y
}

type reshape struct{ x *Var }

func (n *reshape) back(dy *tensor.Tensor) { n.x.giveGrad(dy) }
