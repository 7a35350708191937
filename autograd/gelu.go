package autograd

import "github.com/promptcam/promptcam/tensor"

// GELU returns x·Phi(x) of any shape, with Phi the standard normal's cumulative function (Hendrycks and
// Gimpel, arXiv 1606.08415).
func GELU(x *Var) *Var { return activate(x, tensor.GELUTo, tensor.GELUBackwardTo) }

// QuickGELU returns x·sigmoid(1.702 x) of any shape, as in OpenAI's CLIP.
func QuickGELU(x *Var) *Var { return activate(x, tensor.QuickGELUTo, tensor.QuickGELUBackwardTo) }

func activate(x *Var, to func(y, x *tensor.Tensor), backward func(dx, x, dy *tensor.Tensor)) *Var {
	y := x.tape.result(x.Shape(), x)
	to(y.value, x.Value())
	if y.needs {
		*record[activation](y, x) = activation{x, backward}
	}
	return y
}

type activation struct {
	x        *Var
	backward func(dx, x, dy *tensor.Tensor)
}

func (n *activation) back(dy *tensor.Tensor) {
	n.x.addGrad(func(g *tensor.Tensor) { n.backward(g, n.x.value, dy) })
}
