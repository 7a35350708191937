package autograd

import "github.com/promptcam/promptcam/tensor"

// Slice returns the elements [from, to) of x along dimension dim, which may count from the last. It shares
// x's memory.
func Slice(x *Var, dim, from, to int) *Var {
	y := x.tape.viewOf(x)
	y.value = y.header.Slice(x.Value(), dim, from, to)
	if f := x.frozen; f.param != nil && (dim == 0 || dim == -x.value.Rank()) {
		y.frozen = frozen{f.param, f.from + from, f.from + to}
	}
	if y.needs {
		*record[slice](y) = slice{x, dim, from, to}
	}
	return y
}

type slice struct {
	x             *Var
	dim, from, to int
}

func (n *slice) back(dy *tensor.Tensor) {
	tensor.Axpy(n.x.tape.slice(n.x.gradSum(), n.dim, n.from, n.to), 1, dy)
}
