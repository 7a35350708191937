package autograd

import "github.com/promptcam/promptcam/tensor"

// KV holds the keys and values of rows to attend to, [B, A, D] each, or [A, D] if all images of the batch
// share them.
type KV struct{ K, V *Var }

// Attention returns multi-head attention of the queries q, [B, R, D] or [R, D], to all rows of all kv: [B, R,
// D], or [R, D] if no operand has a batch dimension. It also returns the weights [B, H, R, A1+A2+...], one
// column per row of each kv in order, which end with Reset. See tensor.AttentionTo.
func Attention(q *Var, heads int, kv ...KV) (y *Var, weights *tensor.Tensor) {
	var room [3]int // on the stack
	shape := attentionShape(room[:0], q, kv)
	cols := 0
	for _, s := range kv {
		cols += s.K.Dim(-2)
	}
	weights = q.tape.scratch(tensor.Size("Attention", shape[:len(shape)-2]), heads, q.Dim(-2), cols)
	return attend(q, weights, heads, kv), weights
}

// Attend is like Attention but does not return, or materialise, the weights.
func Attend(q *Var, heads int, kv ...KV) *Var { return attend(q, nil, heads, kv) }

func attend(q *Var, weights *tensor.Tensor, heads int, kv []KV) *Var {
	var room [3]int // on the stack
	shape := attentionShape(room[:0], q, kv)
	y := q.tape.result(shape, q)
	scores := q.needs // whether the gradient of the weights is wanted
	for _, s := range kv {
		y.operands(s.K, s.V)
		scores = scores || s.K.needs
	}
	var few [fewKV]tensor.KV
	if !y.needs {
		tensor.AttentionTo(y.value, nil, weights, q.Value(), heads, values(few[:0], kv)...)
		return y
	}
	stats := q.tape.scratch(tensor.Size("Attention", shape[:len(shape)-2]), heads, 2, q.Dim(-2))
	tensor.AttentionTo(y.value, stats, weights, q.Value(), heads, values(few[:0], kv)...)
	n := record[attention](y, q, keepIf(scores, y)) // the adjoint recomputes the weights
	for _, s := range kv {
		y.keep(s.K, keepIf(scores, s.V))
	}
	n.q, n.kv, n.y, n.stats, n.heads = q, append(n.kv[:0], kv...), y, stats, heads
	return y
}

// fewKV is how many KVs fit on the stack.
const fewKV = 4

type attention struct {
	q, y  *Var
	kv    []KV
	stats *tensor.Tensor
	heads int
}

func (n *attention) back(dy *tensor.Tensor) {
	dq := n.q.firstGrad()
	var few, fewGrads [fewKV]tensor.KV
	dkv := fewGrads[:0]
	for _, s := range n.kv {
		dkv = append(dkv, tensor.KV{K: s.K.firstGrad(), V: s.V.firstGrad()})
	}
	tensor.AttentionBackwardTo(dq, dkv, dy, n.y.value, n.stats, n.q.value, n.heads, values(few[:0], n.kv)...)
	n.q.passGrad(dq)
	for i, s := range n.kv {
		s.K.passGrad(dkv[i].K)
		s.V.passGrad(dkv[i].V)
	}
}

// values appends the tensors of kv to list.
func values(list []tensor.KV, kv []KV) []tensor.KV {
	for _, s := range kv {
		list = append(list, tensor.KV{K: s.K.value, V: s.V.value})
	}
	return list
}

// attentionShape appends the result's shape to shape.
func attentionShape(shape []int, q *Var, kv []KV) []int {
	images := func(v *Var) {
		switch {
		case v.Value().Rank() != 3:
		case len(shape) == 0:
			shape = append(shape, v.Dim(0))
		case shape[0] != v.Dim(0):
			shape[0] = tensor.Broadcast("Attention", shape[:1], v.Shape()[:1])[0]
		}
	}
	images(q)
	for _, s := range kv {
		images(s.K)
		images(s.V)
	}
	return append(shape, q.Dim(-2), q.Dim(-1))
}
