package autograd

import "github.com/promptcam/promptcam/tensor"

// LayerNorm returns the rows of x [..., D], each normalised to mean 0 and
// variance 1, times weight [D], plus bias [D]. eps is added to the variance.
func LayerNorm(x, weight, bias *Var, eps float32) *Var {
	y := x.tape.result(x.Shape(), x, weight, bias)
	stats := x.tape.scratch(x.Value().Len()/x.Dim(-1), 2)
	tensor.LayerNormTo(y.value, stats, x.Value(), weight.Value(), bias.Value(), eps)
	if y.needs {
		y.adjoint(func(dy *tensor.Tensor) {
			if weight.needs || bias.needs { // which are found together, even where one is frozen
				dw, db := weight.gradSum(), bias.gradSum()
				if dw == nil {
					dw = x.tape.scratch(weight.value.Shape()...).Fill(0)
				}
				if db == nil {
					db = x.tape.scratch(bias.value.Shape()...).Fill(0)
				}
				tensor.LayerNormBackwardTo(nil, dw, db, dy, x.value, weight.value, stats)
			}
			x.addGrad(func(g *tensor.Tensor) {
				tensor.LayerNormBackwardTo(g, nil, nil, dy, x.value, weight.value, stats)
			})
		}, x, weight)
	}
	return y
}
