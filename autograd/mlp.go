package autograd

import "github.com/promptcam/promptcam/tensor"

// MLP returns r.X + r.Scale∘(act(x·w1ᵀ + b1)·w2ᵀ + b2), [..., out], for x [..., in], w1 [hidden, in], w2
// [out, hidden] and biases, which may be nil. It keeps the input of act if x, w1 or b1 needs a gradient, and
// its output if w2 does.
func MLP(r Residual, x, w1, b1, w2, b2 *Var, act tensor.Activation) *Var {
	r, x, b1, b2 = r.contig(), contig(x), contig(b1), contig(b2)
	y := r.result(x, w1, b1, w2, b2)
	tp := y.tape
	n := mlp{r: r, x: x, w1: w1, b1: b1, w2: w2, b2: b2, act: act}
	var room [8]int // on the stack
	shape := append(room[:0], x.Shape()...)
	shape[len(shape)-1] = w1.Dim(0)
	if n.hidden() {
		n.pre = tp.scratch(shape...)
	}
	n.out = tp.room(shape...)
	tensor.LinearTo(n.out, x.Value(), w1.Value(), w1.pack(), tensor.After{Bias: b1.valueOrNil(), Pre: n.pre, Act: act})
	r.linearTo(y.value, n.out, w2, b2)
	if w2.needs {
		tp.memory.lend(n.out.Data())
	} else {
		tp.memory.put(n.out.Data())
	}
	if y.needs {
		*record[mlp](y, r.Scale, keepIf(w1.needs, x), keepIf(x.needs, w1), keepIf(n.hidden(), w2)) = n
	}
	return y
}

type mlp struct {
	r                 Residual
	x, w1, b1, w2, b2 *Var
	act               tensor.Activation
	pre, out          *tensor.Tensor // [..., hidden]: before and after act, if kept
}

// hidden reports whether the gradient of pre is wanted.
func (n *mlp) hidden() bool { return n.x.needs || n.w1.needs || n.b1 != nil && n.b1.needs }

func (n *mlp) back(dy *tensor.Tensor) {
	tp := n.x.tape
	d := n.r.unscaled(dy)
	paramGrad(d, n.out, n.w2, n.b2)
	if n.hidden() {
		dpre := tp.room(n.pre.Shape()...)
		tensor.LinearBackwardActTo(dpre, d, n.w2.value, n.w2.frozen.turn(), n.pre, n.act)
		linearGrad(dpre, n.x, n.w1, n.b1)
		tp.memory.put(dpre.Data())
	}
	n.r.giveGrad(dy, d)
}
