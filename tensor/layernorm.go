package tensor

import "github.com/promptcam/promptcam/tensor/internal/kernel"

// LayerNormTo writes to dst the rows of x along the last dimension, each minus its mean, divided by its
// standard deviation sqrt(var + eps), scaled by weight [D] and shifted by bias [D]. stats [rows, 2] receives
// each row's mean and 1/sqrt(var + eps) for the adjoint. All must be contiguous.
func LayerNormTo(dst, stats, x, weight, bias *Tensor, eps float32) {
	const op = "LayerNormTo"
	same(op, dst, x)
	layerNormShapes(op, x, stats, weight)
	layerNormShapes(op, x, stats, bias)
	layerNormTasks.eachRow(x, layerNorm{layerNormRows{x.Data(), stats.Data(), x.Dim(-1)}, dst.Data(), weight.Data(), bias.Data(), eps})
}

// LayerNormBackwardTo is the adjoint of LayerNormTo given dy, the gradient of its result, and the stats it
// wrote. It writes to dx, and adds to dw [D] and db [D]; dx may be nil or dy, and dw and db may be nil
// together. All must be contiguous.
func LayerNormBackwardTo(dx, dw, db, dy, x, weight, stats *Tensor) {
	const op = "LayerNormBackwardTo"
	same(op, dy, x)
	layerNormShapes(op, x, stats, weight)
	rows := layerNormRows{x.Data(), stats.Data(), x.Dim(-1)}
	if dw != nil {
		layerNormShapes(op, x, stats, dw)
		layerNormShapes(op, x, stats, db)
		if x.Len() > 0 {
			layerNormParamGrad(rows, dw.Data(), db.Data(), dy.Data())
		}
	}
	if dx != nil {
		same(op, dx, x)
		layerNormGradTasks.eachRow(x, layerNormGrad{rows, dx.Data(), dy.Data(), weight.Data()})
	}
}

// layerNormRows holds rows of n elements, and the mean and inverse deviation of each.
type layerNormRows struct {
	x, stats []float32
	n        int
}

type layerNorm struct {
	layerNormRows
	dst, weight, bias []float32
	eps               float32
}

type layerNormGrad struct {
	layerNormRows
	dx, dy, weight []float32
}

type layerNormParam struct {
	layerNormRows
	dy        []float32
	blockSums // of dw, then db
}

var (
	layerNormTasks      tasks[layerNorm, *layerNorm]
	layerNormGradTasks  tasks[layerNormGrad, *layerNormGrad]
	layerNormParamTasks tasks[layerNormParam, *layerNormParam]
)

func (l *layerNorm) Do(from, to int) {
	for r := from; r < to; r++ {
		i, j := r*l.n, (r+1)*l.n
		l.stats[2*r], l.stats[2*r+1] = kernel.LayerNorm(l.dst[i:j], l.x[i:j], l.weight, l.bias, l.eps)
	}
}

func (l *layerNormGrad) Do(from, to int) {
	for r := from; r < to; r++ {
		i, j := r*l.n, (r+1)*l.n
		kernel.LayerNormGrad(l.dx[i:j], l.dy[i:j], l.x[i:j], l.weight, l.stats[2*r], l.stats[2*r+1])
	}
}

// layerNormParamGrad adds the gradients of weight and bias to dw and db.
func layerNormParamGrad(rows layerNormRows, dw, db, dy []float32) {
	n := rows.n
	l := layerNormParamTasks.Get()
	l.layerNormRows, l.dy, l.width = rows, dy, 2*n
	l.run(len(dy)/n, l)
	for b := range l.blocks() {
		kernel.Axpy(dw, 1, b[:n])
		kernel.Axpy(db, 1, b[n:])
	}
	l.layerNormRows, l.dy = layerNormRows{}, nil
	layerNormParamTasks.Put(l)
}

func (l *layerNormParam) Do(from, to int) {
	b := l.block(from)
	for r := from; r < to; r++ {
		i, j := r*l.n, (r+1)*l.n
		kernel.LayerNormParamGrad(b[:l.n], b[l.n:], l.dy[i:j], l.x[i:j], l.stats[2*r], l.stats[2*r+1])
	}
}

// layerNormShapes checks the shapes of x, its statistics and a parameter.
func layerNormShapes(op string, x, stats, param *Tensor) {
	if param.Len() != x.Dim(-1) || stats.Len()*x.Dim(-1) != 2*x.Len() {
		panic(&ShapeError{op, [][]int{x.shape, param.shape, stats.shape}, "want [rows, D], [D] and [rows, 2]"})
	}
}
