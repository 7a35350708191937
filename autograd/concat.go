package autograd

import (
	"slices"

	"github.com/promptcam/promptcam/tensor"
)

// Concat returns the rows of all xs after one another, [B, R1+R2+..., D]. Each
// is [B, R, D], or [1, R, D] where every image has the same.
func Concat(xs ...*Var) *Var {
	shape := slices.Clone(xs[0].Shape())
	for _, x := range xs[1:] {
		shape[0] = max(shape[0], x.Dim(0))
		shape[1] += x.Dim(1)
	}
	y := xs[0].tape.result(shape, xs...)
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
