package autograd

import "github.com/promptcam/promptcam/tensor"

// Slice returns the elements [from, to) of x along dimension dim, which may
// count from the last. It looks at x's memory.
func Slice(x *Var, dim, from, to int) *Var {
	y := x.tape.viewOf(x, x.Value().Slice(dim, from, to))
	if y.needs {
		y.adjoint(func(dy *tensor.Tensor) {
			tensor.Axpy(x.gradSum().Slice(dim, from, to), 1, dy)
		})
	}
	return y
}
