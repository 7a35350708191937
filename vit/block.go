package vit

import (
	"github.com/promptcam/promptcam/autograd"
	"github.com/promptcam/promptcam/nn"
	"github.com/promptcam/promptcam/tensor"
)

// Block is one layer of the transformer, in its pre-norm form:
//
//	x = x + ls1·proj(attention(norm1(x)))
//	x = x + ls2·mlp(norm2(x))
//
// A row depends on other rows only through their keys and values. Forward updates rows that attend to each
// other. Query, Keys and Update do the least work for rows to which no row attends, such as class prompts and
// the class token in the last block.
type Block struct {
	Norm1 *nn.LayerNorm `state:"norm1"`
	Attn  *Attention    `state:"attn"`
	LS1   *LayerScale   `state:"ls1"` // nil means none
	Norm2 *nn.LayerNorm `state:"norm2"`
	MLP   *nn.MLP       `state:"mlp"`
	LS2   *LayerScale   `state:"ls2"` // nil means none

	Heads    int     // H
	DropPath float32 // probability of dropping either branch for an image in training (stochastic depth)
}

func newBlock(c Config) *Block {
	act := tensor.GELU
	if c.QuickGELU {
		act = tensor.QuickGELU
	}
	b := &Block{
		Norm1: nn.NewLayerNorm(c.Dim, c.Eps),
		Attn:  &Attention{QKV: nn.NewLinear(c.Dim, 3*c.Dim), Proj: nn.NewLinear(c.Dim, c.Dim)},
		Norm2: nn.NewLayerNorm(c.Dim, c.Eps),
		MLP:   nn.NewMLP(c.Dim, c.Hidden, act),
		Heads: c.Heads,
	}
	if c.LayerScale {
		b.LS1, b.LS2 = &LayerScale{nn.NewParam(c.Dim)}, &LayerScale{nn.NewParam(c.Dim)}
	}
	return b
}

// Attention holds the projections of multi-head attention.
type Attention struct {
	QKV  *nn.Linear `state:"qkv"`  // [3D, D]: queries, keys, values
	Proj *nn.Linear `state:"proj"` // [D, D]
}

// Forward updates the rows x [B, R, D], which attend to themselves and to the rows `also` [B, A, D], which
// may be nil. Rows without the dimension B are shared by all images and projected once.
func (b *Block) Forward(x, also *autograd.Var) *autograd.Var {
	f := x.Tape().Frame()
	q, kv := b.Project(x)
	see := []autograd.KV{kv}
	if also != nil {
		see = append(see, b.Keys(also))
	}
	return b.complete(f, x, autograd.Attend(q, b.Heads, see...))
}

// Project returns the queries, keys and values of rows x [..., R, D].
func (b *Block) Project(x *autograd.Var) (q *autograd.Var, kv autograd.KV) {
	f := x.Tape().Frame()
	parts := autograd.Split(b.Attn.QKV.Forward(b.Norm1.Forward(x)), 3)
	f.Keep(parts[0], parts[1:]...)
	return parts[0], autograd.KV{K: parts[1], V: parts[2]}
}

// Keys returns the keys and values of rows x [..., R, D] that are not updated.
func (b *Block) Keys(x *autograd.Var) autograd.KV {
	f, d := x.Tape().Frame(), x.Dim(-1)
	parts := autograd.Split(b.Attn.QKV.Rows(b.Norm1.Forward(x), d, 3*d), 2)
	f.Keep(parts[0], parts[1])
	return autograd.KV{K: parts[0], V: parts[1]}
}

// Query returns the queries of rows x [..., R, D] to which no row attends.
func (b *Block) Query(x *autograd.Var) *autograd.Var {
	f := x.Tape().Frame()
	return f.Keep(b.Attn.QKV.Rows(b.Norm1.Forward(x), 0, x.Dim(-1)))
}

// Update returns the rows x [B, R, D] after the block, given their queries q and the rows that they attend
// to.
func (b *Block) Update(x, q *autograd.Var, see ...autograd.KV) *autograd.Var {
	f := x.Tape().Frame()
	return b.complete(f, x, autograd.Attend(q, b.Heads, see...))
}

// Attention is Update, with the same bits, but also returns the attention weights [B, H, R, columns], one
// column per row of each KV of see in order. They end with the tape's Reset.
func (b *Block) Attention(x, q *autograd.Var, see ...autograd.KV) (y *autograd.Var, weights *tensor.Tensor) {
	f := x.Tape().Frame()
	y, weights = autograd.Attention(q, b.Heads, see...)
	return b.complete(f, x, y), weights
}

// Complete returns the rows x [B, R, D] after the block, given y [B, R, D], the concatenated outputs of the
// heads.
func (b *Block) Complete(x, y *autograd.Var) *autograd.Var { return b.complete(x.Tape().Frame(), x, y) }

// complete is Complete. It frees all of f before the MLP, where memory use peaks.
func (b *Block) complete(f autograd.Frame, x, y *autograd.Var) *autograd.Var {
	x = f.Keep(b.add(x, b.LS1, b.Attn.Proj, y))
	return f.Keep(b.add(x, b.LS2, b.MLP, b.Norm2.Forward(x)))
}

// branch is the last layer of one of a block's two branches.
type branch interface {
	Forward(x *autograd.Var) *autograd.Var
	ForwardAdd(r autograd.Residual, x *autograd.Var) *autograd.Var
}

// add returns x + scale∘f(y), with DropPath in training.
func (b *Block) add(x *autograd.Var, scale *LayerScale, f branch, y *autograd.Var) *autograd.Var {
	tp := x.Tape()
	drops := b.DropPath != 0 && tp.Rand != nil // DropPath panics for what is no probability
	switch {
	case !drops && scale == nil:
		return f.ForwardAdd(autograd.Residual{X: x}, y)
	case !drops && scale.Gamma.Frozen:
		return f.ForwardAdd(autograd.Residual{X: x, Scale: tp.Param(scale.Gamma)}, y)
	}
	frame := tp.Frame()
	h := f.Forward(y)
	if scale != nil {
		h = frame.Keep(scale.Forward(h))
	}
	h = frame.Keep(autograd.DropPath(h, b.DropPath))
	return frame.Keep(autograd.Add(x, h))
}

// LayerScale multiplies each channel by a learned factor (Touvron et al., arXiv 2103.17239).
type LayerScale struct {
	Gamma *autograd.Param `state:"gamma"` // [D]
}

// Forward scales x [..., D].
func (s *LayerScale) Forward(x *autograd.Var) *autograd.Var {
	return autograd.Mul(x, x.Tape().Param(s.Gamma))
}
