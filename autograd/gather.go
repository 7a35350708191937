package autograd

import "github.com/promptcam/promptcam/tensor"

// Gather returns n rows of each image of x [B, R, D] as [B, n, D]: row j of image i is row rows[i*n+j] of
// that image in x. The caller must not change rows before Reset.
func Gather(x *Var, rows []int) *Var {
	shape := [3]int{x.Dim(0), len(rows) / max(1, x.Dim(0)), x.Dim(-1)}
	y := x.tape.result(shape[:], x) // [B, n, D]
	tensor.GatherTo(y.value, x.Value(), rows)
	if y.needs {
		*record[gather](y) = gather{x, rows}
	}
	return y
}

type gather struct {
	x    *Var
	rows []int
}

func (n *gather) back(dy *tensor.Tensor) {
	n.x.addGrad(func(g *tensor.Tensor) { tensor.GatherBackwardTo(g, dy, n.rows) })
}
