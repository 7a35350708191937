package tensor

import "github.com/promptcam/promptcam/tensor/internal/kernel"

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
	softmaxTasks.eachRow(dst, softmax{dst: dst.Data(), x: x.Data(), n: dst.Dim(-1)})
}

// SoftmaxBackwardTo writes to dx the gradient of the scores, given y, their
// softmax, and dy, its gradient. All must be contiguous; dx may be y or dy.
func SoftmaxBackwardTo(dx, y, dy *Tensor) {
	same("SoftmaxBackwardTo", dx, y)
	same("SoftmaxBackwardTo", dx, dy)
	softmaxTasks.eachRow(dx, softmax{dst: dx.Data(), x: y.Data(), dy: dy.Data(), n: dx.Dim(-1)})
}

// softmax is the softmax of rows of n elements, or where dy is given its adjoint.
type softmax struct {
	dst, x, dy []float32
	n          int
}

var softmaxTasks tasks[softmax, *softmax]

// Do does the rows [from, to).
func (s *softmax) Do(from, to int) {
	for i := from * s.n; i < to*s.n; i += s.n {
		j := i + s.n
		if s.dy != nil {
			kernel.SoftmaxGrad(s.dst[i:j], s.x[i:j], s.dy[i:j], 1)
			continue
		}
		kernel.Softmax(s.dst[i:j], s.x[i:j], 1)
	}
}
