package autograd

import "github.com/promptcam/promptcam/tensor"

// Combine returns weights·x, [..., n, D], for weights [n, M] without gradient and x [..., M, D]: n fixed
// combinations of the rows of x, such as position embeddings resampled for another grid of patches.
func Combine(weights *tensor.Tensor, x *Var) *Var {
	var room [8]int // on the stack
	shape := append(room[:0], x.Shape()...)
	if weights.Rank() != 2 || len(shape) < 2 || weights.Dim(1) != x.Dim(-2) {
		panic(&tensor.ShapeError{Op: "Combine", Shapes: [][]int{weights.Shape(), x.Shape()}, Reason: "want [n, M] and [..., M, D]"})
	}
	shape[len(shape)-2] = weights.Dim(0)
	y := x.tape.result(shape, x)
	tensor.MatMulTo(y.value, weights, x.Value())
	if y.needs {
		*record[combine](y) = combine{weights, x}
	}
	return y
}

type combine struct {
	weights *tensor.Tensor
	x       *Var
}

func (n *combine) back(dy *tensor.Tensor) {
	n.x.addGrad(func(g *tensor.Tensor) { tensor.MatMulTo(g, n.weights.Transpose(), dy) })
}
