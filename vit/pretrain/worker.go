package pretrain

import (
	"github.com/promptcam/promptcam/autograd"
	"github.com/promptcam/promptcam/tensor"
)

// worker is the memory that a piece is computed in, on one processor.
type worker struct {
	tape, watching  autograd.Tape  // the student's, and the teacher's without gradients
	scores, targets *tensor.Tensor // [G, B, K], the teacher's scores and probabilities, for DINO
	own             *tensor.Tensor // [1, B, B], the identity, for MoCo v3
}

// take returns an idle worker, to be sent back to workers.
func (d *trainer) take() *worker {
	select {
	case w := <-d.workers:
		return w
	default:
		return &worker{watching: autograd.Tape{NoGrad: true}}
	}
}

// learn returns the loss of a piece and its gradients.
func (w *worker) learn(d *trainer, b *piece, p pace) (float64, autograd.Grads) {
	w.tape.Reset()
	w.watching.Reset()
	loss := w.distil
	if d.c.Contrast > 0 {
		loss = w.contrast
	}
	l := loss(d, b, p)
	return float64(l.Value().At()), w.tape.Backward(l)
}
