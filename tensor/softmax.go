package tensor

import (
	"github.com/promptcam/promptcam/tensor/internal/kernel"
	"github.com/promptcam/promptcam/tensor/internal/parallel"
)

// Softmax returns the softmax along the last dimension.
func (t *Tensor) Softmax() *Tensor {
	dst := New(t.shape...)
	SoftmaxTo(dst, t.Contig())
	return dst
}

// SoftmaxTo writes the softmax of x along the last dimension to dst. Both
// must be contiguous. A score of -Inf gets 0; a row with a NaN becomes NaN.
func SoftmaxTo(dst, x *Tensor) {
	same("SoftmaxTo", dst, x)
	d, s := dst.Data(), x.Data()
	eachRow(x, func(i, j int) { kernel.Softmax(d[i:j], s[i:j], 1) })
}

// SoftmaxBackwardTo writes to dx the gradient of the scores, given y, their
// softmax, and dy, its gradient. All must be contiguous; dx may be y or dy.
func SoftmaxBackwardTo(dx, y, dy *Tensor) {
	same("SoftmaxBackwardTo", dx, y)
	same("SoftmaxBackwardTo", dx, dy)
	d, p, g := dx.Data(), y.Data(), dy.Data()
	eachRow(dx, func(i, j int) { kernel.SoftmaxGrad(d[i:j], p[i:j], g[i:j], 1) })
}

// eachRow calls f, on several cores, with where each row along the last
// dimension of a contiguous tensor starts and ends.
func eachRow(t *Tensor, f func(from, to int)) {
	if t.Len() == 0 {
		return
	}
	n := t.Dim(-1)
	parallel.For(t.Len()/n, max(1, grain/n), func(from, to int) {
		for r := from; r < to; r++ {
			f(r*n, r*n+n)
		}
	})
}
