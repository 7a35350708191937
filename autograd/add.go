package autograd

import (
	"slices"

	"github.com/promptcam/promptcam/tensor"
)

// Add returns a + b, broadcast.
func Add(a, b *Var) *Var {
	y := a.tape.result(tensor.Broadcast("Add", a.Shape(), b.Shape()), a, b)
	tensor.AddTo(y.value, a.Value(), b.Value())
	if y.needs {
		y.adjoint(func(dy *tensor.Tensor) {
			addBroadcast(a, dy)
			addBroadcast(b, dy)
		})
	}
	return y
}

// addBroadcast adds dy, summed over the dimensions along which v was broadcast, to v's gradient.
func addBroadcast(v *Var, dy *tensor.Tensor) {
	if slices.Equal(v.value.Shape(), dy.Shape()) {
		v.giveGrad(dy)
		return
	}
	if g := v.gradSum(); g != nil {
		tensor.AddSumTo(g, dy)
	}
}
