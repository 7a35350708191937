package pretrain

import (
	"math"

	"github.com/promptcam/promptcam/autograd"
	"github.com/promptcam/promptcam/tensor"
)

// studentTemperature divides the student's scores, as in DINO.
const studentTemperature = 0.1

// distil returns the objective of DINO (Caron et al., arXiv 2104.14294, algorithm 1): the student's
// probabilities of each view are to be the teacher's of the other views, centred and sharpened.
func (w *worker) distil(d *trainer, b *piece, p pace) *autograd.Var {
	w.scores = d.teacher.scores(b.images, w.watching.Const(b.global)).Value() // [G, B, K]
	if w.targets == nil || w.targets.Len() != w.scores.Len() {
		w.targets = tensor.New(w.scores.Shape()...)
	}
	tensor.SubTo(w.targets, w.scores, d.centre)
	tensor.ScaleTo(w.targets, 1/p.temperature, w.targets)
	tensor.SoftmaxTo(w.targets, w.targets)
	return autograd.CrossViews(d.student.scores(b.images, b.all(&w.tape)...), w.targets, studentTemperature)
}

// begin sets the centre to the mean of the teacher's scores of the first batch. DINO begins with zero: until
// the centre has moved, all images score the same, from which a short training never recovers.
func (d *trainer) begin(batch []*piece) {
	d.centre.Fill(0)
	images := 0
	w := d.take()
	defer func() { d.workers <- w }()
	for _, b := range batch {
		w.watching.Reset()
		tensor.SumTo(d.part, d.teacher.scores(b.images, w.watching.Const(b.global)).Value())
		tensor.Axpy(d.centre, 1, d.part)
		images += b.images
	}
	tensor.ScaleTo(d.centre, 1/float32(globals*images), d.centre)
}

// entropy returns the sum of the entropies of rows of probabilities.
func entropy(p *tensor.Tensor) (nats float64) {
	for _, v := range p.Data() {
		if v > 0 {
			nats -= float64(float64(v) * math.Log(float64(v)))
		}
	}
	return nats
}
