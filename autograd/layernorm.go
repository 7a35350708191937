package autograd

import "github.com/promptcam/promptcam/tensor"

// LayerNorm returns the rows of x [..., D], each normalised to mean 0 and variance 1, times weight [D], plus
// bias [D]. eps is added to the variance.
func LayerNorm(x, weight, bias *Var, eps float32) *Var {
	y := x.tape.result(x.Shape(), x, weight, bias)
	stats := x.tape.scratch(x.Value().Len()/x.Dim(-1), 2)
	tensor.LayerNormTo(y.value, stats, x.Value(), weight.Value(), bias.Value(), eps)
	if y.needs {
		*record[layerNorm](y, x, weight) = layerNorm{x, weight, bias, stats}
	}
	return y
}

type layerNorm struct {
	x, weight, bias *Var
	stats           *tensor.Tensor
}

func (n *layerNorm) back(dy *tensor.Tensor) {
	if n.weight.needs || n.bias.needs { // they are computed together, even if one is frozen
		dw, db := n.weight.gradSum(), n.bias.gradSum()
		if dw == nil {
			dw = n.x.tape.scratch(n.weight.value.Shape()...).Fill(0)
		}
		if db == nil {
			db = n.x.tape.scratch(n.bias.value.Shape()...).Fill(0)
		}
		tensor.LayerNormBackwardTo(nil, dw, db, dy, n.x.value, n.weight.value, n.stats)
	}
	n.x.addGrad(func(g *tensor.Tensor) {
		tensor.LayerNormBackwardTo(g, nil, nil, dy, n.x.value, n.weight.value, n.stats)
	})
}
