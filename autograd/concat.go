package autograd

import "github.com/promptcam/promptcam/tensor"

// Concat returns the rows of all xs in order, [B, R1+R2+..., D]. Each x is [B, R, D], or [1, R, D] if all
// images share it.
func Concat(xs ...*Var) *Var {
	shape := [3]int{1, 0, xs[0].Dim(-1)}
	for _, x := range xs {
		if s := x.Shape(); len(s) != 3 || s[2] != shape[2] {
			panic(&tensor.ShapeError{Op: "Concat", Shapes: [][]int{xs[0].Shape(), s}, Reason: "want [B, rows, D] of one D"})
		}
		if shape[0] != x.Dim(0) {
			shape[0] = tensor.Broadcast("Concat", []int{shape[0]}, x.Shape()[:1])[0]
		}
		shape[1] += x.Dim(1)
	}
	y := xs[0].tape.result(shape[:], xs...) // [B, R1+R2+..., D]
	row := 0
	for _, x := range xs {
		tensor.CopyTo(y.tape.slice(y.value, 1, row, row+x.Dim(1)), x.Value())
		row += x.Dim(1)
	}
	if y.needs {
		n := record[concat](y)
		n.xs = append(n.xs[:0], xs...)
	}
	return y
}

type concat struct{ xs []*Var }

func (n *concat) back(dy *tensor.Tensor) {
	row := 0
	for _, x := range n.xs {
		if g := x.gradSum(); g != nil {
			tensor.AddSumTo(g, x.tape.slice(dy, 1, row, row+x.value.Dim(1)))
		}
		row += x.value.Dim(1)
	}
}
