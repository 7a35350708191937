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

// Attend is Attention for when nobody reads the weights: without a gradient to be found
// they never exist as a whole.
func Attend(q *Var, heads int, kv ...KV) *Var {
	if q.needs || slices.ContainsFunc(kv, func(s KV) bool { return s.K.needs || s.V.needs }) {
		y, _ := Attention(q, heads, kv...)
		return y
	}
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
	tensor.AttentionTo(y.value, weights, q.Value(), heads, segments...)
	if y.needs {
		var keep []*Var // what each other's gradient reads
		keys := slices.ContainsFunc(kv, func(s KV) bool { return s.K.needs })
		if keys {
			keep = append(keep, q)
		}
		for _, s := range kv {
			if q.needs {
				keep = append(keep, s.K)
			}
			if q.needs || keys {
				keep = append(keep, s.V)
			}
		}
		y.adjoint(func(dy *tensor.Tensor) {
			batch := tensor.Size("Attention", dy.Shape()[:dy.Rank()-2])
			dq := imageGrad(q, batch)
			dkv := make([]tensor.KV, len(kv))
			for i, s := range kv {
				dkv[i] = tensor.KV{K: imageGrad(s.K, batch), V: imageGrad(s.V, batch)}
			}
			tensor.AttentionBackwardTo(dq, dkv, dy, weights, q.value, heads, segments...)
			passImageGrad(q, dq)
			for i, s := range kv {
				passImageGrad(s.K, dkv[i].K)
				passImageGrad(s.V, dkv[i].V)
			}
		}, keep...)
	}
	return y
}

// imageGrad returns memory for the gradient of an operand, image by image:
// v's own gradient where it is the first and v has images, else scratch memory.
func imageGrad(v *Var, batch int) *tensor.Tensor {
	if !v.needs {
		return nil
	}
	if v.grad == nil && v.value.Len() == batch*v.value.Dim(-1)*v.value.Dim(-2) {
		v.grad = v.newGrad()
		return v.grad
	}
	return v.tape.tensors.next().Remake(v.tape.memory.get(batch*v.value.Dim(-2)*v.value.Dim(-1)), batch, v.value.Dim(-2), v.value.Dim(-1))
}

// passImageGrad adds what imageGrad returned for v, now filled, to v's gradient.
func passImageGrad(v *Var, g *tensor.Tensor) {
	if g == nil || g == v.grad {
		return
	}
	if v.value.Rank() == 2 || v.value.Dim(0) < g.Dim(0) {
		tensor.AddSumTo(v.gradSum(), g)
	} else {
		tensor.Axpy(v.gradSum(), 1, g)
	}
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
