package autograd

import (
	"math"
	"slices"

	"github.com/promptcam/promptcam/tensor"
)

// Standardize returns the columns of x [..., D], each shifted and scaled to mean 0 and variance 1 over all
// rows: batch normalisation with the statistics of the batch (Ioffe and Szegedy, arXiv 1502.03167), without
// weight and bias. eps is added to the variance.
func Standardize(x *Var, eps float32) *Var {
	y := x.tape.result(x.Shape(), x)
	d := x.Dim(-1)
	deviations := x.tape.scratch(d)
	mean, variance := make([]float64, d), make([]float64, d)
	share := float64(d) / float64(x.Value().Len()) // of a row in the mean
	for row := range slices.Chunk(x.value.Data(), d) {
		for j, v := range row {
			mean[j] += float64(float64(v) * share)
		}
	}
	for row := range slices.Chunk(x.value.Data(), d) {
		for j, v := range row {
			off := float64(v) - mean[j]
			variance[j] += float64(float64(off*off) * share)
		}
	}
	for j, v := range variance {
		deviations.Data()[j] = float32(math.Sqrt(v + float64(eps)))
	}
	for i := 0; i < x.value.Len(); i += d {
		out := y.value.Data()[i:][:d]
		for j, v := range x.value.Data()[i:][:d] {
			out[j] = float32(float64(v)-mean[j]) / deviations.Data()[j]
		}
	}
	if y.needs {
		*record[standardize](y, y) = standardize{x, y, deviations}
	}
	return y
}

type standardize struct {
	x, y       *Var
	deviations *tensor.Tensor // [D]
}

func (n *standardize) back(dy *tensor.Tensor) {
	n.x.addGrad(func(g *tensor.Tensor) {
		d := g.Dim(-1)
		share := float64(d) / float64(g.Len())
		mean, along := make([]float64, d), make([]float64, d) // of dy, and of its product with y
		rows := func(do func(g, dy, y []float32)) {
			for i := 0; i < g.Len(); i += d {
				do(g.Data()[i:][:d], dy.Data()[i:][:d], n.y.value.Data()[i:][:d])
			}
		}
		rows(func(_, dy, y []float32) {
			for j, v := range dy {
				mean[j] += float64(float64(v) * share)
				along[j] += float64(float64(float64(v)*float64(y[j])) * share)
			}
		})
		rows(func(g, dy, y []float32) {
			for j, v := range dy {
				g[j] = float32(float64(v)-mean[j]-float64(float64(y[j])*along[j])) / n.deviations.Data()[j]
			}
		})
	})
}
