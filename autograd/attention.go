package autograd

import (
	"slices"

	"github.com/promptcam/promptcam/tensor"
)

// KV is a set of rows to attend to: keys and values, [B, A, D] each, or
// [A, D] where every image of the batch has the same.
type KV struct{ K, V *Var }

// Release releases both.
func (s KV) Release() {
	s.K.Release()
	s.V.Release()
}

// Attention returns what the rows q, [B, R, D] or [R, D], gather from all
// rows of all kv by multi-head attention, [B, R, D] ([R, D] if no operand has
// images), and the attention weights [B, H, R, A1+A2+...], one column per row
// of kv in turn. See tensor.AttentionTo. The weights are the tape's and end with Reset.
func Attention(q *Var, heads int, kv ...KV) (y *Var, weights *tensor.Tensor) {
	shape, cols := attentionShape(q, kv)
	batch := tensor.Size("Attention", shape[:len(shape)-2])
	weights = q.tape.scratch(batch, heads, shape[len(shape)-2], cols)
	return attention(q, weights, shape, heads, kv), weights
}

// Attend is Attention for when nobody reads the weights, which then never exist as a whole.
func Attend(q *Var, heads int, kv ...KV) *Var {
	shape, _ := attentionShape(q, kv)
	return attention(q, nil, shape, heads, kv)
}

func attention(q *Var, weights *tensor.Tensor, shape []int, heads int, kv []KV) *Var {
	operands, segments := []*Var{q}, make([]tensor.KV, len(kv))
	for i, s := range kv {
		operands = append(operands, s.K, s.V)
		segments[i] = tensor.KV{K: s.K.Value(), V: s.V.Value()}
	}
	y := q.tape.result(shape, operands...)
	if !y.needs {
		tensor.AttentionTo(y.value, nil, weights, q.Value(), heads, segments...)
		return y
	}
	stats := q.tape.scratch(tensor.Size("Attention", shape[:len(shape)-2]), heads, 2, q.Dim(-2))
	tensor.AttentionTo(y.value, stats, weights, q.Value(), heads, segments...)
	keep := []*Var{q} // the adjoint computes the weights again
	scores := q.needs || slices.ContainsFunc(kv, func(s KV) bool { return s.K.needs })
	if scores {
		keep = append(keep, y)
	}
	for _, s := range kv {
		keep = append(keep, s.K)
		if scores {
			keep = append(keep, s.V)
		}
	}
	y.adjoint(func(dy *tensor.Tensor) {
		dq, dkv := q.firstGrad(), make([]tensor.KV, len(kv))
		for i, s := range kv {
			dkv[i] = tensor.KV{K: s.K.firstGrad(), V: s.V.firstGrad()}
		}
		tensor.AttentionBackwardTo(dq, dkv, dy, y.value, stats, q.value, heads, segments...)
		q.passGrad(dq)
		for i, s := range kv {
			s.K.passGrad(dkv[i].K)
			s.V.passGrad(dkv[i].V)
		}
	}, keep...)
	return y
}

// firstGrad returns memory for an adjoint to write a gradient to that passGrad is
// then given: v's own gradient if this is the first; nil if none is wanted.
func (v *Var) firstGrad() *tensor.Tensor {
	if !v.needs {
		return nil
	}
	if v.grad == nil {
		v.grad = v.newGrad()
		return v.grad
	}
	return v.tape.tensors.next().Remake(v.tape.memory.get(v.value.Len()), v.value.Shape()...)
}

// passGrad adds what firstGrad returned, unless it is v's gradient itself.
func (v *Var) passGrad(g *tensor.Tensor) {
	if g == nil || g == v.grad {
		return
	}
	tensor.Axpy(v.grad, 1, g)
	v.tape.memory.put(g.Data())
}

// attentionShape returns the result's shape and the number of rows attended to.
func attentionShape(q *Var, kv []KV) (shape []int, cols int) {
	images := []int(nil)
	if q.Value().Rank() == 3 {
		images = q.Shape()[:1]
	}
	for _, s := range kv {
		for _, v := range []*Var{s.K, s.V} {
			if v.Value().Rank() == 3 {
				images = tensor.Broadcast("Attention", images, v.Shape()[:1])
			}
		}
		cols += s.K.Dim(-2)
	}
	return append(slices.Clone(images), q.Dim(-2), q.Dim(-1)), cols
}
