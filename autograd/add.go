package autograd

import (
	"slices"

	"github.com/promptcam/promptcam/tensor"
)

// Add returns a + b, broadcast.
func Add(a, b *Var) *Var {
	y := a.tape.result(broadcast("Add", a, b), a, b)
	tensor.AddTo(y.value, a.Value(), b.Value())
	if y.needs {
		*record[add](y) = add{a, b}
	}
	return y
}

type add struct{ a, b *Var }

func (n *add) back(dy *tensor.Tensor) {
	addBroadcast(n.a, dy)
	addBroadcast(n.b, dy)
}

// broadcast returns the shape to which a and b broadcast.
func broadcast(op string, a, b *Var) []int {
	if slices.Equal(a.Shape(), b.Shape()) {
		return a.Shape()
	}
	return tensor.Broadcast(op, a.Shape(), b.Shape())
}

// addBroadcast adds to v's gradient dy, summed over the dimensions along which v was broadcast.
func addBroadcast(v *Var, dy *tensor.Tensor) {
	if slices.Equal(v.value.Shape(), dy.Shape()) {
		v.giveGrad(dy)
		return
	}
	if g := v.gradSum(); g != nil {
		tensor.AddSumTo(g, dy)
	}
}
