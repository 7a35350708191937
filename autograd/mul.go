package autograd

import (
	"slices"

	"github.com/promptcam/promptcam/tensor"
)

// Mul returns the product of a and b, element by element, broadcast.
func Mul(a, b *Var) *Var {
	y := a.tape.result(tensor.Broadcast("Mul", a.Shape(), b.Shape()), a, b)
	tensor.MulTo(y.value, a.Value(), b.Value())
	if y.needs {
		factor := func(v, other *Var) *Var {
			if v.needs {
				return other // whose value v's gradient needs
			}
			return nil
		}
		y.adjoint(func(dy *tensor.Tensor) {
			mulGrad(a, b, dy)
			mulGrad(b, a, dy)
		}, factor(a, b), factor(b, a))
	}
	return y
}

// mulGrad adds dy times other, summed over the dimensions along which v was broadcast, to v's gradient.
func mulGrad(v, other *Var, dy *tensor.Tensor) {
	if slices.Equal(v.value.Shape(), dy.Shape()) {
		v.addGrad(func(g *tensor.Tensor) { tensor.MulTo(g, dy, other.value) })
		return
	}
	g := v.gradSum()
	if g == nil {
		return
	}
	data := v.tape.memory.get(dy.Len())
	product := v.tape.tensors.next().Remake(data, dy.Shape()...)
	tensor.MulTo(product, dy, other.value)
	tensor.AddSumTo(g, product)
	v.tape.memory.put(data)
}
