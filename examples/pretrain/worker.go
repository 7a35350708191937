package main

import (
	"github.com/promptcam/promptcam/autograd"
	"github.com/promptcam/promptcam/tensor"
)

// worker is what a piece is computed with, on one processor.
type worker struct {
	tape, watching autograd.Tape  // the student's and the teacher's
	targets        *tensor.Tensor // [G, B, K]
	own            *tensor.Tensor // [1, B, B], the identity
}

// take returns a worker that nobody uses.
func (d *dino) take() *worker {
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

// give gives it back.
func (d *dino) give(w *worker) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.workers = append(d.workers, w)
}

// learn returns the loss of a piece and its gradients.
func (w *worker) learn(d *dino, b *piece, p pace) (f found) {
	w.tape.Reset()
	w.watching.Reset()
	var loss *autograd.Var
	if p.contrast > 0 {
		loss = w.contrast(d, b, p.contrast)
	} else {
		f.scores = d.teacher.scores(b.images, w.watching.Const(b.global)).Value() // [G, B, K]
		f.targets = w.sharpen(f.scores, d.centre, p.temperature)
		loss = autograd.CrossViews(d.student.scores(b.images, b.all(&w.tape)...), f.targets, studentTemperature)
	}
	f.loss = float64(loss.Value().At())
	f.grads = w.tape.Backward(loss)
	return f
}

// sharpen returns the teacher's probabilities [G, B, K], given its scores, centred and sharpened.
func (w *worker) sharpen(scores, centre *tensor.Tensor, temperature float32) *tensor.Tensor {
	if w.targets == nil || w.targets.Len() != scores.Len() {
		w.targets = tensor.New(scores.Shape()...)
	}
	tensor.SubTo(w.targets, scores, centre)
	tensor.ScaleTo(w.targets, 1/temperature, w.targets)
	tensor.SoftmaxTo(w.targets, w.targets)
	return w.targets
}

// contrast returns the objective of MoCo v3 (Chen et al., arXiv 2104.02057, algorithm 1): by the
// student's row of a view, its image is to be found among all of the piece by the teacher's rows of
// another view. It is the mean, over the images and the pairs of a global view g and a view v other
// than g, of
//
//	-log softmax(rows of g · row of v / temperature) at the image itself
//
// MoCo v3 passes the student's rows through one more MLP first, scales the loss by twice the
// temperature and has no local views.
//
// Where views have little in common, as drawn birds in several scenes, DINO's teacher, which is sure
// of nothing at first, becomes ever less sure. Here there is something to learn from the first step.
func (w *worker) contrast(d *dino, b *piece, temperature float32) *autograd.Var {
	n := b.images
	if w.own == nil || w.own.Dim(1) != n {
		w.own = tensor.New(1, n, n)
		for i := range n {
			w.own.Set(1, 0, i, i)
		}
	}
	keys := d.teacher.places(w.watching.Const(b.global)) // [1, G·B, bottleneck]
	all := d.student.places(b.all(&w.tape)...)           // [1, V·B, bottleneck]
	var sum *autograd.Var
	for g := range globals {
		from, to := g*n, g*n+n
		key := w.tape.Const(keys.Value().Slice(1, from, to).Reshape(n, -1)) // [B, bottleneck]
		// View g itself comes first, where CrossViews passes over it.
		rows := autograd.Concat(autograd.Slice(all, 1, from, to), autograd.Slice(all, 1, 0, from), autograd.Slice(all, 1, to, all.Dim(1)))
		similar := autograd.Linear(rows, key, nil) // [1, V·B, B]
		loss := autograd.CrossViews(autograd.Reshape(similar, -1, n, n), w.own, temperature)
		if sum == nil {
			sum = loss
		} else {
			sum = autograd.Add(sum, loss)
		}
	}
	return autograd.Mul(sum, w.tape.Const(tensor.New().Fill(1./globals)))
}
