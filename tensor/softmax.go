package tensor

import "github.com/promptcam/promptcam/tensor/internal/kernel"

// Softmax returns the softmax along the last dimension.
func (t *Tensor) Softmax() *Tensor {
	dst := New(t.shape...)
	SoftmaxTo(dst, t.Contig())
	return dst
}

// SoftmaxTo writes the softmax of x along the last dimension to dst. Both must be contiguous. A score of -Inf
// gets 0; a row with a NaN becomes NaN.
func SoftmaxTo(dst, x *Tensor) {
	same("SoftmaxTo", dst, x)
	softmaxTasks.eachRow(dst, softmax{dst: dst.Data(), x: x.Data(), n: dst.Dim(-1)})
}

type softmax struct {
	dst, x []float32
	n      int // elements of a row
}

var softmaxTasks tasks[softmax, *softmax]

func (s *softmax) Do(from, to int) {
	for i := from * s.n; i < to*s.n; i += s.n {
		kernel.Softmax(s.dst[i:i+s.n], s.x[i:i+s.n], 1)
	}
}
