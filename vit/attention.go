package vit

import (
	"github.com/promptcam/promptcam/autograd"
	"github.com/promptcam/promptcam/nn"
)

// Attention holds the projections of multi-head attention.
type Attention struct {
	QKV  *nn.Linear `state:"qkv"`  // [3D, D]: queries, keys, values
	Proj *nn.Linear `state:"proj"` // [D, D]
}

// project turns normalised rows [..., R, D] to queries, keys and values, [..., R, D] each.
func (a *Attention) project(x *autograd.Var) (q *autograd.Var, kv autograd.KV) {
	qkv := a.QKV.Forward(x) // [..., R, 3D]
	parts := autograd.Split(qkv, 3)
	qkv.Release()
	return parts[0], autograd.KV{K: parts[1], V: parts[2]}
}

// keys turns normalised rows to keys and values alone.
func (a *Attention) keys(x *autograd.Var) autograd.KV {
	d := x.Dim(-1)
	kv := a.QKV.Rows(x, d, 3*d) // [..., R, 2D]
	parts := autograd.Split(kv, 2)
	kv.Release()
	return autograd.KV{K: parts[0], V: parts[1]}
}

// query turns normalised rows to queries alone.
func (a *Attention) query(x *autograd.Var) *autograd.Var {
	return a.QKV.Rows(x, 0, x.Dim(-1))
}
