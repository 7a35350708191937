package main

import (
	"github.com/promptcam/promptcam/autograd"
	"github.com/promptcam/promptcam/tensor"
)

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
func (d *dino) contrast(b *piece, temperature float32) *autograd.Var {
	n := b.images
	if d.own == nil || d.own.Dim(1) != n {
		d.own = tensor.New(1, n, n)
		for i := range n {
			d.own.Set(1, 0, i, i)
		}
	}
	keys := d.teacher.places(d.watching.Const(b.global)) // [1, G·B, bottleneck]
	all := d.student.places(b.all(&d.tape)...)           // [1, V·B, bottleneck]
	var sum *autograd.Var
	for g := range globals {
		from, to := g*n, g*n+n
		key := d.tape.Const(keys.Value().Slice(1, from, to).Reshape(n, -1)) // [B, bottleneck]
		// View g itself comes first, where CrossViews passes over it.
		rows := autograd.Concat(autograd.Slice(all, 1, from, to), autograd.Slice(all, 1, 0, from), autograd.Slice(all, 1, to, all.Dim(1)))
		similar := autograd.Linear(rows, key, nil) // [1, V·B, B]
		loss := autograd.CrossViews(autograd.Reshape(similar, -1, n, n), d.own, temperature)
		if sum == nil {
			sum = loss
		} else {
			sum = autograd.Add(sum, loss)
		}
	}
	return autograd.Mul(sum, d.tape.Const(tensor.New().Fill(1./globals)))
}
