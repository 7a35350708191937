package pretrain

import (
	"github.com/promptcam/promptcam/autograd"
	"github.com/promptcam/promptcam/tensor"
)

// worker is the memory that a piece is computed in, on one processor.
type worker struct {
	tape, watching autograd.Tape  // the student's, and the teacher's without gradients
	targets        *tensor.Tensor // [G, B, K]
	own            *tensor.Tensor // [1, B, B], the identity
}

// take returns an idle worker.
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

// give returns it to the idle ones.
func (d *trainer) give(w *worker) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.workers = append(d.workers, w)
}

// learn returns the loss of a piece and its gradients.
func (w *worker) learn(d *trainer, b *piece, p pace) (f found) {
	w.tape.Reset()
	w.watching.Reset()
	var loss *autograd.Var
	if c := d.c.Contrast; c > 0 {
		loss = w.contrast(d, b, float32(c))
	} else {
		loss, f.scores, f.targets = w.distil(d, b, p.temperature)
	}
	f.loss = float64(loss.Value().At())
	f.grads = w.tape.Backward(loss)
	return f
}
