package autograd

import "github.com/promptcam/promptcam/tensor"

// Linear returns x·wᵀ + b: x [..., in], w [out, in], b [out] or nil, to [..., out].
func Linear(x, w, b *Var) *Var { return LinearAdd(Residual{}, x, w, b) }

// LinearAdd returns r.X + r.Scale∘(x·wᵀ + b), see Linear, in one operation.
func LinearAdd(r Residual, x, w, b *Var) *Var {
	r, x, b = r.contig(), contig(x), contig(b)
	y := r.result(x, w, b)
	r.linearTo(y.value, x.Value(), w, b)
	if y.needs {
		*record[linear](y, r.Scale, keepIf(w.needs, x), keepIf(x.needs, w)) = linear{r, x, w, b}
	}
	return y
}

type linear struct {
	r       Residual
	x, w, b *Var
}

func (n *linear) back(dy *tensor.Tensor) {
	d := n.r.unscaled(dy)
	linearGrad(d, n.x, n.w, n.b)
	n.r.giveGrad(dy, d)
}

// linearGrad passes dy, the gradient of x·wᵀ + b, on to x, w and b.
func linearGrad(dy *tensor.Tensor, x, w, b *Var) {
	paramGrad(dy, x.value, w, b)
	x.AddGrad(func(g *tensor.Tensor) { tensor.LinearBackwardTo(g, nil, dy, nil, w.value, w.frozen.turn()) })
}

// paramGrad passes dy, the gradient of x·wᵀ + b, on to w and b; x may be nil if w wants no gradient.
func paramGrad(dy, x *tensor.Tensor, w, b *Var) {
	if w.change != nil {
		w.change.backOf(dy, x)
	} else {
		w.AddGrad(func(g *tensor.Tensor) { tensor.LinearBackwardTo(nil, g, dy, x, w.value, nil) })
	}
	if db := b.gradSum(); db != nil {
		tensor.AddSumTo(db, dy)
	}
}
