package autograd

import "github.com/promptcam/promptcam/tensor"

// GELU returns x·Phi(x) of any shape, with Phi the standard normal's cumulative function (Hendrycks and
// Gimpel, arXiv 1606.08415).
func GELU(x *Var) *Var {
	x = contig(x)
	y := x.tape.result(x.Shape(), x)
	tensor.GELU.To(y.value, x.Value())
	if y.needs {
		*record[gelu](y, x) = gelu{x}
	}
	return y
}

type gelu struct{ x *Var }

func (n *gelu) back(dy *tensor.Tensor) {
	n.x.AddGrad(func(g *tensor.Tensor) { tensor.GELU.BackwardTo(g, n.x.value, dy) })
}
