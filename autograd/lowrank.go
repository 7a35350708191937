package autograd

import "github.com/promptcam/promptcam/tensor"

// LowRank returns w + scale·b·a, [out, in]: LoRA's update of rank r, a [r, in] and b [out, r], of a weight w
// [out, in] (Hu et al., arXiv 2106.09685, equation 3). As the weight of Linear or MLP it makes x·wᵀ +
// scale·(x·aᵀ)·bᵀ one product. If w needs no gradient, neither does the sum: a and b receive theirs by
// products of r rows or columns. Until Reset, the same operands give the same Var, which no Frame frees,
// unless the first was made with NoGrad and a gradient is wanted now.
func LowRank(w, a, b *Var, scale float32) *Var {
	tp := w.tape
	key := lowRank{w, a, b, scale}
	if y := tp.lowRanks[key]; y != nil && (y.needs || tp.NoGrad || !w.needs && !a.needs && !b.needs) {
		return y
	}
	w, a, b = contig(w), contig(a), contig(b)
	y := tp.result(w.Shape(), w, a, b)
	s := tp.room(w.Dim(1)).Fill(scale)
	tensor.LinearTo(y.value, b.Value(), a.Value().Transpose(), nil, tensor.After{Scale: s, Residual: w.Value()})
	tp.memory.put(s.Data())
	y.packed = tp.packs.next()
	tensor.PackTo(y.packed, y.value)
	if y.needs {
		n := record[lowRank](y, keepIf(b.needs, a), keepIf(a.needs, b))
		*n = lowRank{w, a, b, scale}
		if !w.needs {
			y.change = n
		}
	}
	if tp.lowRanks == nil {
		tp.lowRanks = map[lowRank]*Var{}
	}
	tp.lowRanks[key] = y
	return y
}

type lowRank struct {
	w, a, b *Var
	scale   float32
}

func (n *lowRank) back(dy *tensor.Tensor) {
	n.a.AddGrad(func(g *tensor.Tensor) {
		tensor.MatMulTo(g, n.b.value.Transpose(), dy)
		tensor.ScaleTo(g, n.scale, g)
	})
	n.b.AddGrad(func(g *tensor.Tensor) {
		tensor.LinearTo(g, dy, n.a.value, nil, tensor.After{})
		tensor.ScaleTo(g, n.scale, g)
	})
	n.w.giveGrad(dy)
}

// backOf is back, given dy [..., out], the gradient of x·wᵀ for x [..., in], rather than that of the weight,
// dyᵀ·x.
func (n *lowRank) backOf(dy, x *tensor.Tensor) {
	tp := n.w.tape
	var room [8]int // on the stack
	shape := append(room[:0], x.Shape()...)
	shape[len(shape)-1] = n.a.value.Dim(0)
	thin := tp.room(shape...) // [..., r]
	n.a.AddGrad(func(g *tensor.Tensor) {
		tensor.LinearBackwardTo(thin, nil, dy, nil, n.b.value, nil)
		tensor.ScaleTo(thin, n.scale, thin)
		tensor.LinearBackwardTo(nil, g, thin, x, n.a.value, nil)
	})
	n.b.AddGrad(func(g *tensor.Tensor) {
		tensor.LinearTo(thin, x, n.a.value, nil, tensor.After{})
		tensor.ScaleTo(thin, n.scale, thin)
		turned := tp.room(n.b.value.Dim(1), n.b.value.Dim(0)) // [r, out]: r rows cost a third of r columns
		tensor.LinearBackwardTo(nil, turned, thin, dy, turned, nil)
		tensor.CopyTo(g, turned.Transpose())
		tp.memory.put(turned.Data())
	})
	tp.memory.put(thin.Data())
}
