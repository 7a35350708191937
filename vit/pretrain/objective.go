package pretrain

import (
	"math"

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

// contrast returns the objective of MoCo v3 (Chen et al., arXiv 2104.02057, algorithm 1): the student's row of
// a view is to find its image among the teacher's rows of another view of all images of the piece. It is the
// mean, over the images and the pairs of a global view g and a view v other than g, of
//
//	-log softmax(rows of g · row of v / temperature) at the image itself
//
// MoCo v3 passes the student's rows through one more MLP first, scales the loss by twice the temperature and
// has no local views.
//
// Where views have little in common, as pictures of one bird in several scenes, DINO's teacher is unsure at
// first and becomes ever less sure. Here the first step already learns something.
func (w *worker) contrast(d *trainer, b *piece, _ pace) *autograd.Var {
	n := b.images
	if w.own == nil || w.own.Dim(1) != n {
		w.own = tensor.New(1, n, n)
		for i := range n {
			w.own.Set(1, 0, i, i)
		}
	}
	keys := d.teacher.places(w.watching.Const(b.global)) // [1, G·B, bottleneck]
	all := d.student.places(b.all(&w.tape)...)           // [1, V·B, bottleneck]
	var losses [globals]*autograd.Var
	for g := range losses {
		from, to := g*n, g*n+n
		key := w.tape.Const(keys.Value().Slice(1, from, to).Reshape(n, -1)) // [B, bottleneck]
		// View g itself comes first, where CrossViews passes over it.
		rows := autograd.Concat(autograd.Slice(all, 1, from, to), autograd.Slice(all, 1, 0, from), autograd.Slice(all, 1, to, all.Dim(1)))
		similar := autograd.Reshape(autograd.Linear(rows, key, nil), -1, n, n) // [V, B, B]
		losses[g] = autograd.CrossViews(similar, w.own, float32(d.c.Contrast))
	}
	return autograd.Mul(autograd.Add(losses[0], losses[1]), w.tape.Const(tensor.New().Fill(1./globals)))
}
