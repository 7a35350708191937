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
// A row depends on other rows only through their keys and values. The methods
// therefore take apart which rows are updated and which are only looked at:
// whatever nobody reads afterwards is not computed.
type Block struct {
	Norm1 *nn.LayerNorm `state:"norm1"`
	Attn  *Attention    `state:"attn"`
	LS1   *LayerScale   `state:"ls1"` // nil means none
	Norm2 *nn.LayerNorm `state:"norm2"`
	MLP   *nn.MLP       `state:"mlp"`
	LS2   *LayerScale   `state:"ls2"` // nil means none

	Heads    int         // H
	DropPath nn.DropPath // of each of the two branches, in training
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

// Forward updates the rows of x [B, R, D], which attend to themselves and to
// the rows `also` [B, A, D]; nil means none. Either may lack the dimension B: then its
// rows are the same for every image, and are projected once.
func (b *Block) Forward(x, also *autograd.Var) *autograd.Var {
	q, kv := b.Project(x)
	see := []autograd.KV{kv}
	if also != nil {
		see = append(see, b.Keys(also))
	}
	y := autograd.Attend(q, b.Heads, see...)
	q.Release()
	for _, s := range see {
		s.Release()
	}
	return b.Update(x, y)
}

// Project returns the queries, keys and values of rows [..., R, D].
func (b *Block) Project(x *autograd.Var) (q *autograd.Var, kv autograd.KV) {
	h := b.Norm1.Forward(x)
	q, kv = b.Attn.project(h)
	h.Release()
	return q, kv
}

// Keys returns the keys and values of rows that are only looked at.
func (b *Block) Keys(x *autograd.Var) autograd.KV {
	h := b.Norm1.Forward(x)
	kv := b.Attn.keys(h)
	h.Release()
	return kv
}

// Query returns the queries of rows [..., R, D] that nobody looks at.
func (b *Block) Query(x *autograd.Var) *autograd.Var {
	h := b.Norm1.Forward(x)
	q := b.Attn.query(h)
	h.Release()
	return q
}

// Update returns the rows x after the block, given y, what they gathered by
// attention: the projection, the MLP and both residuals. It releases y.
func (b *Block) Update(x, y *autograd.Var) *autograd.Var {
	x = b.add(x, b.LS1, b.Attn.Proj, y)
	n := b.Norm2.Forward(x)
	y = b.add(x, b.LS2, b.MLP, n)
	x.Release()
	return y
}

// branch is what a block adds to its rows: the projection or the MLP.
type branch interface {
	Forward(x *autograd.Var) *autograd.Var
	ForwardAdd(r autograd.Residual, x *autograd.Var) *autograd.Var
}

// add returns x plus what f makes of y, and releases y.
func (b *Block) add(x *autograd.Var, scale *LayerScale, f branch, y *autograd.Var) *autograd.Var {
	defer y.Release()
	tp := x.Tape()
	drops := b.DropPath > 0 && tp.Rand != nil
	switch {
	case !drops && scale == nil:
		return f.ForwardAdd(autograd.Residual{X: x}, y)
	case !drops && scale.Gamma.Frozen:
		return f.ForwardAdd(autograd.Residual{X: x, Scale: tp.Param(scale.Gamma)}, y)
	}
	h := f.Forward(y)
	if scale != nil {
		scaled := scale.Forward(h)
		h.Release()
		h = scaled
	}
	if kept := b.DropPath.Forward(h); kept != h {
		h.Release()
		h = kept
	}
	sum := autograd.Add(x, h)
	h.Release()
	return sum
}

// LayerScale multiplies each channel by a learned factor (Touvron et al., arXiv 2103.17239).
type LayerScale struct {
	Gamma *autograd.Param `state:"gamma"` // [D]
}

// Forward scales x [..., D].
func (s *LayerScale) Forward(x *autograd.Var) *autograd.Var {
	return autograd.Mul(x, x.Tape().Param(s.Gamma))
}
