package tensor

import "github.com/promptcam/promptcam/tensor/internal/kernel"

// GELUTo writes x·Phi(x), with Phi the normal distribution's cumulative function (Hendrycks and Gimpel, arXiv
// 1606.08415), to dst. Both must be contiguous.
//
// All functions of this file have an absolute error of about one unit in the last place of max(1, |x|) (times
// |dy|). The relative error is not small: below about x = -5.2, results may be exactly 0, and derivatives
// -2^-64.
func GELUTo(dst, x *Tensor) { unary("GELUTo", dst, x, kernel.GELU) }

// GELUBackwardTo writes to dx the gradient of GELUTo's x, given that of its result. All must be contiguous;
// dx may be x or dy.
func GELUBackwardTo(dx, x, dy *Tensor) { unaryGrad("GELUBackwardTo", dx, x, dy, kernel.GELUGrad) }

// QuickGELUTo writes x·sigmoid(1.702 x), the form in OpenAI's CLIP, to dst. Both must be contiguous. For its
// accuracy see GELUTo.
func QuickGELUTo(dst, x *Tensor) { unary("QuickGELUTo", dst, x, kernel.QuickGELU) }

// QuickGELUBackwardTo writes to dx the gradient of QuickGELUTo's x, given that of its result. All must be
// contiguous; dx may be x or dy.
func QuickGELUBackwardTo(dx, x, dy *Tensor) {
	unaryGrad("QuickGELUBackwardTo", dx, x, dy, kernel.QuickGELUGrad)
}

// geluGrain is smaller than grain: an exponential costs several times an addition.
const geluGrain = grain / 4

// unary calls f with matching pieces of dst and x, on several cores.
func unary(op string, dst, x *Tensor, f func(dst, x []float32)) {
	same(op, dst, x)
	d := dst.Data()
	pieceTasks.run(len(d), geluGrain, pieces{dst: d, x: x.Data(), f: f})
}

// unaryGrad is unary for an adjoint.
func unaryGrad(op string, dx, x, dy *Tensor, grad func(dst, x, dy []float32)) {
	same(op, dx, x)
	same(op, dx, dy)
	d := dx.Data()
	pieceTasks.run(len(d), geluGrain, pieces{dst: d, x: x.Data(), dy: dy.Data(), grad: grad})
}

// pieces applies f, or grad, to ranges of elements.
type pieces struct {
	dst, x, dy []float32
	f          func(dst, x []float32)
	grad       func(dst, x, dy []float32)
}

var pieceTasks tasks[pieces, *pieces]

func (p *pieces) Do(from, to int) {
	if p.grad != nil {
		p.grad(p.dst[from:to], p.x[from:to], p.dy[from:to])
		return
	}
	p.f(p.dst[from:to], p.x[from:to])
}
