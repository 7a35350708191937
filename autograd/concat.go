package autograd

import "github.com/promptcam/promptcam/tensor"

// Concat returns the rows of all xs after one another, [B, R1+R2+..., D]. Each
// is [B, R, D], or [1, R, D] where every image has the same.
func Concat(xs ...*Var) *Var {
	shape := []int{1, 0, xs[0].Dim(-1)}
	for _, x := range xs {
		if s := x.Shape(); len(s) != 3 || s[2] != shape[2] {
			panic(&tensor.ShapeError{Op: "Concat", Shapes: [][]int{xs[0].Shape(), s}, Reason: "want [B, rows, D] of one D"})
		}
		shape[0] = tensor.Broadcast("Concat", shape[:1], x.Shape()[:1])[0]
		shape[1] += x.Dim(1)
	}
	y := xs[0].tape.result(shape, xs...) // [B, R1+R2+..., D]
	row := 0
	for _, x := range xs {
		tensor.CopyTo(y.value.Slice(1, row, row+x.Dim(1)), x.Value())
		row += x.Dim(1)
	}
	if y.needs {
		y.adjoint(func(dy *tensor.Tensor) {
			row := 0
			for _, x := range xs {
				if g := x.gradSum(); g != nil {
					tensor.AddSumTo(g, dy.Slice(1, row, row+x.value.Dim(1)))
				}
				row += x.value.Dim(1)
			}
		})
	}
	return y
}
