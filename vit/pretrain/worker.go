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

// take returns an idle worker. The caller gives it back.
func (d *trainer) take() *worker {
	d.mu.Lock()
	defer d.mu.Unlock()
	if last := len(d.workers) - 1; last >= 0 {
		w := d.workers[last]
		d.workers = d.workers[:last]
		return w
	}
	w := &worker{}
	w.watching.NoGrad = true
	return w
}

func (d *trainer) give(w *worker) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.workers = append(d.workers, w)
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
