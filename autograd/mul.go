package autograd

import (
	"slices"

	"github.com/promptcam/promptcam/tensor"
)

// Mul returns the product of a and b, element by element, broadcast.
func Mul(a, b *Var) *Var {
	y := a.tape.result(broadcast("Mul", a, b), a, b)
	tensor.MulTo(y.value, a.Value(), b.Value())
	if y.needs {
		*record[mul](y, keepIf(a.needs, b), keepIf(b.needs, a)) = mul{a, b}
	}
	return y
}

type mul struct{ a, b *Var }

func (n *mul) back(dy *tensor.Tensor) {
	mulGrad(n.a, n.b, dy)
	mulGrad(n.b, n.a, dy)
}

// mulGrad adds to v's gradient dy times other, summed over the dimensions along which v was broadcast.
func mulGrad(v, other *Var, dy *tensor.Tensor) {
	if slices.Equal(v.value.Shape(), dy.Shape()) {
		v.addGrad(func(g *tensor.Tensor) { tensor.MulTo(g, dy, other.value) })
		return
	}
	g := v.gradSum()
	if g == nil {
		return
	}
	product := v.tape.room(dy.Shape()...)
	tensor.MulTo(product, dy, other.value)
	tensor.AddSumTo(g, product)
	v.tape.memory.put(product.Data())
}
