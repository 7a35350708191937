package autograd

import "github.com/promptcam/promptcam/tensor"

// GELU returns x·Phi(x) of any shape, with Phi the normal distribution's
// cumulative function (Hendrycks and Gimpel, arXiv 1606.08415).
func GELU(x *Var) *Var {
	y := x.tape.result(x.Shape(), x)
	tensor.GELUTo(y.value, x.Value())
	if y.needs {
		y.adjoint(func(dy *tensor.Tensor) {
			x.addGrad(func(g *tensor.Tensor) { tensor.GELUBackwardTo(g, x.value, dy) })
		}, x)
	}
	return y
}

// QuickGELU returns x·sigmoid(1.702 x) of any shape, as OpenAI's CLIP has it.
func QuickGELU(x *Var) *Var {
	y := x.tape.result(x.Shape(), x)
	tensor.QuickGELUTo(y.value, x.Value())
	if y.needs {
		y.adjoint(func(dy *tensor.Tensor) {
			x.addGrad(func(g *tensor.Tensor) { tensor.QuickGELUBackwardTo(g, x.value, dy) })
		}, x)
	}
	return y
}
