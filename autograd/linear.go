package autograd

import "github.com/promptcam/promptcam/tensor"

// Linear returns x·wᵀ + b: x [..., in], w [out, in], b [out] or nil, to [..., out].
func Linear(x, w, b *Var) *Var {
	shape := append([]int(nil), x.Shape()...)
	shape[len(shape)-1] = w.Dim(0)
	y := x.tape.result(shape, x, w, b)
	var bias *tensor.Tensor
	if b != nil {
		bias = b.Value()
	}
	tensor.LinearTo(y.value, x.Value(), w.Value(), nil, tensor.After{Bias: bias})
	if y.needs {
		var keep [2]*Var // what each other's gradient reads
		if w.needs {
			keep[0] = x
		}
		if x.needs {
			keep[1] = w
		}
		y.adjoint(func(dy *tensor.Tensor) {
			if w.needs || b != nil && b.needs {
				tensor.LinearBackwardTo(nil, w.gradSum(), b.gradSum(), dy, x.value, w.value)
			}
			x.addGrad(func(g *tensor.Tensor) { tensor.LinearBackwardTo(g, nil, nil, dy, nil, w.value) })
		}, keep[:]...)
	}
	return y
}
