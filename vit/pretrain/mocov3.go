package pretrain

import (
	"github.com/promptcam/promptcam/autograd"
	"github.com/promptcam/promptcam/tensor"
)

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
