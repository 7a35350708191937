package autograd

import "github.com/promptcam/promptcam/tensor"

// GELU returns x·Phi(x), with Phi the normal distribution's cumulative function.
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

// QuickGELU returns x·sigmoid(1.702 x), as OpenAI's CLIP has it.
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
