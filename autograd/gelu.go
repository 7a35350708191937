package autograd

import "github.com/promptcam/promptcam/tensor"

// GELU returns x·Phi(x) of any shape, with Phi the normal distribution's cumulative function (Hendrycks and
// Gimpel, arXiv 1606.08415).
func GELU(x *Var) *Var {
	y := x.tape.result(x.Shape(), x)
	tensor.GELUTo(y.value, x.Value())
	if y.needs {
		*record[gelu](y, x) = gelu{x}
	}
	return y
}

type gelu struct{ x *Var }

func (n *gelu) back(dy *tensor.Tensor) {
	n.x.addGrad(func(g *tensor.Tensor) { tensor.GELUBackwardTo(g, n.x.value, dy) })
}

// QuickGELU returns x·sigmoid(1.702 x) of any shape, as OpenAI's CLIP has it.
func QuickGELU(x *Var) *Var {
	y := x.tape.result(x.Shape(), x)
	tensor.QuickGELUTo(y.value, x.Value())
	if y.needs {
		*record[quickGELU](y, x) = quickGELU{x}
	}
	return y
}

type quickGELU struct{ x *Var }

func (n *quickGELU) back(dy *tensor.Tensor) {
	n.x.addGrad(func(g *tensor.Tensor) { tensor.QuickGELUBackwardTo(g, n.x.value, dy) })
}
