package autograd

import (
	"math"

	"github.com/promptcam/promptcam/tensor"
)

// Normalize returns the rows of x [..., D], each divided by its length, or by 1e-12 if that is more, like
// PyTorch's F.normalize. Applied to the weight [out, D] of a Linear it is weight normalisation with all
// lengths fixed at 1 (Salimans and Kingma, arXiv 1602.07868).
func Normalize(x *Var) *Var {
	y := x.tape.result(x.Shape(), x)
	d := x.Dim(-1)
	lengths := x.tape.scratch(x.Value().Len() / d)
	in, out := x.value.Data(), y.value.Data()
	for i := range lengths.Data() {
		row := in[i*d:][:d]
		length := float32(max(math.Sqrt(dot(row, row)), shortest))
		for j, v := range row {
			out[i*d+j] = v / length
		}
		lengths.Data()[i] = length
	}
	if y.needs {
		*record[normalize](y, y) = normalize{x, y, lengths}
	}
	return y
}

// shortest is the least that Normalize divides by.
const shortest = 1e-12

type normalize struct {
	x, y    *Var
	lengths *tensor.Tensor // of each row
}

func (n *normalize) back(dy *tensor.Tensor) {
	n.x.addGrad(func(g *tensor.Tensor) {
		d, dx, dy, y := g.Dim(-1), g.Data(), dy.Data(), n.y.value.Data()
		for i, length := range n.lengths.Data() {
			from, to := i*d, i*d+d
			along := float32(dot(y[from:to], dy[from:to]))
			if length <= shortest {
				along = 0 // the divisor is constant
			}
			for j := from; j < to; j++ {
				dx[j] = (dy[j] - float32(along*y[j])) / length
			}
		}
	})
}

// dot is the product of two rows, summed in float64.
func dot(a, b []float32) (sum float64) {
	for i, v := range a {
		sum += float64(float64(v) * float64(b[i]))
	}
	return sum
}
