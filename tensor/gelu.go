package tensor

import "github.com/promptcam/promptcam/tensor/internal/kernel"

// GELUTo writes x·Phi(x), with Phi the normal distribution's cumulative function (Hendrycks and Gimpel, arXiv
// 1606.08415), to dst. Both must be contiguous.
//
// All functions of this file have an absolute error of about one unit in the last place of max(1, |x|) (times
// |dy|). The relative error is not small: below about x = -5.2, results may be exactly 0, and derivatives
// -2^-64.
func GELUTo(dst, x *Tensor) {
	activate("GELUTo", dst, x, x, func(dst, x, _ []float32) { kernel.GELU(dst, x) })
}

// GELUBackwardTo writes to dx the gradient of GELUTo's x, given that of its result. All must be contiguous;
// dx may be x or dy.
func GELUBackwardTo(dx, x, dy *Tensor) { activate("GELUBackwardTo", dx, x, dy, kernel.GELUGrad) }

// QuickGELUTo writes x·sigmoid(1.702 x), the form in OpenAI's CLIP, to dst. Both must be contiguous. For its
// accuracy see GELUTo.
func QuickGELUTo(dst, x *Tensor) {
	activate("QuickGELUTo", dst, x, x, func(dst, x, _ []float32) { kernel.QuickGELU(dst, x) })
}

// QuickGELUBackwardTo writes to dx the gradient of QuickGELUTo's x, given that of its result. All must be
// contiguous; dx may be x or dy.
func QuickGELUBackwardTo(dx, x, dy *Tensor) {
	activate("QuickGELUBackwardTo", dx, x, dy, kernel.QuickGELUGrad)
}

// geluGrain is smaller than grain: an exponential costs several times an addition.
const geluGrain = grain / 4

// activate calls f with matching pieces of dst, x and dy, on several cores.
func activate(op string, dst, x, dy *Tensor, f func(dst, x, dy []float32)) {
	same(op, dst, x)
	same(op, dst, dy)
	d := dst.Data()
	pieceTasks.run(len(d), geluGrain, pieces{d, x.Data(), dy.Data(), f})
}

type pieces struct {
	dst, x, dy []float32
	f          func(dst, x, dy []float32)
}

var pieceTasks tasks[pieces, *pieces]

func (p *pieces) Do(from, to int) { p.f(p.dst[from:to], p.x[from:to], p.dy[from:to]) }
