package autograd

import (
	"fmt"
	"math"
	"slices"

	"github.com/promptcam/promptcam/tensor"
)

// LayerNorm returns the rows of x [..., D], each normalised to mean 0 and variance 1, times weight [D], plus
// bias [D]. eps, at least 0, is added to the variance.
func LayerNorm(x, weight, bias *Var, eps float32) *Var {
	notNegative("LayerNorm", eps)
	x, weight, bias = contig(x), contig(weight), contig(bias)
	y := x.tape.result(x.Shape(), x, weight, bias)
	stats := x.tape.scratch(x.Value().Len()/x.Dim(-1), 2)
	tensor.LayerNormTo(y.value, stats, x.Value(), weight.Value(), bias.Value(), eps)
	if y.needs {
		*record[layerNorm](y, x, weight) = layerNorm{x, weight, bias, stats}
	}
	return y
}

type layerNorm struct {
	x, weight, bias *Var
	stats           *tensor.Tensor
}

func (n *layerNorm) back(dy *tensor.Tensor) {
	if n.weight.needs || n.bias.needs { // they are computed together, even if one is frozen
		dw, db := n.weight.gradSum(), n.bias.gradSum()
		if dw == nil {
			dw = n.x.tape.scratch(n.weight.value.Shape()...).Fill(0)
		}
		if db == nil {
			db = n.x.tape.scratch(n.bias.value.Shape()...).Fill(0)
		}
		tensor.LayerNormBackwardTo(nil, dw, db, dy, n.x.value, n.weight.value, n.stats)
	}
	n.x.AddGrad(func(g *tensor.Tensor) {
		tensor.LayerNormBackwardTo(g, nil, nil, dy, n.x.value, n.weight.value, n.stats)
	})
}

// notNegative panics unless eps is at least 0.
func notNegative(op string, eps float32) {
	if !(eps >= 0) {
		panic(fmt.Sprintf("autograd: %s with eps %v, want at least 0", op, eps))
	}
}

// Normalize returns the rows of x [..., D], each divided by its length, or by 1e-12 if that is more, like
// PyTorch's F.normalize. Applied to the weight [out, D] of a Linear it is weight normalisation with all
// lengths fixed at 1 (Salimans and Kingma, arXiv 1602.07868).
func Normalize(x *Var) *Var {
	x = contig(x)
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
	n.x.AddGrad(func(g *tensor.Tensor) {
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

// Standardize returns the columns of x [..., D], each shifted and scaled to mean 0 and variance 1 over all
// rows: batch normalisation with the statistics of the batch (Ioffe and Szegedy, arXiv 1502.03167), without
// weight and bias. eps, at least 0, is added to the variance.
func Standardize(x *Var, eps float32) *Var {
	notNegative("Standardize", eps)
	x = contig(x)
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
	n.x.AddGrad(func(g *tensor.Tensor) {
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
