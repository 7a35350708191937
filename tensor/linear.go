package tensor

import (
	"fmt"
	"slices"

	"github.com/promptcam/promptcam/tensor/internal/kernel"
	"github.com/promptcam/promptcam/tensor/internal/parallel"
)

// Activation is an elementwise function.
type Activation int

const (
	Identity  = Activation(kernel.Identity)
	GELU      = Activation(kernel.GELUAct)      // x·Phi(x), Phi the normal distribution's (Hendrycks and Gimpel, arXiv 1606.08415)
	QuickGELU = Activation(kernel.QuickGELUAct) // x·sigmoid(1.702 x), the form in OpenAI's CLIP
)

// After lists what LinearTo applies to x·wᵀ, in this order, while it is still in the CPU's cache. A nil
// tensor is skipped.
type After struct {
	Bias     *Tensor    // [out], added
	Pre      *Tensor    // [..., out], receives the sum so far, the input of Act
	Act      Activation // applied
	Scale    *Tensor    // [out], multiplied by
	Residual *Tensor    // [..., out], added last; not the result itself
}

// Packed is a copy of a weight [out, in] in the order in which LinearTo reads it.
type Packed struct{ kernel kernel.Packed }

// Pack returns a copy of w [out, in] for LinearTo. It is worth its memory if the same weight multiplies few
// rows many times.
func Pack(w *Tensor) *Packed {
	p := new(Packed)
	PackTo(p, w)
	return p
}

// PackTo writes Pack(w) to p, which may be the zero Packed. It reuses p's memory if w has the same shape as
// before; results of p.Rows then change too.
func PackTo(p *Packed, w *Tensor) {
	if len(w.shape) != 2 {
		panic(&ShapeError{"Pack", [][]int{w.shape}, "want [out, in]"})
	}
	m := w.matrix().T()
	if rows, cols := p.kernel.Size(); rows != m.Rows || cols != m.Cols {
		p.kernel = kernel.NewPacked(m.Rows, m.Cols)
	}
	if _, cols := kernel.TileSize(); w.Len() > 0 {
		parallel.For(p.kernel.Panels(), max(1, grain/m.Rows/cols), func(from, to int) { p.kernel.Fill(m, from, to) })
	}
}

// Rows returns the outputs [from, to), without copying. It returns nil unless from is a multiple of the
// kernels' tile width.
func (p *Packed) Rows(from, to int) *Packed {
	if _, all := p.kernel.Size(); from == 0 && to == all {
		return p
	}
	if _, cols := kernel.TileSize(); from%cols != 0 {
		return nil
	}
	return &Packed{p.kernel.Cols(from, to)}
}

// of returns p's copy of a weight [out, in], or the zero value if p is nil.
func (p *Packed) of(op string, out, in int) kernel.Packed {
	if p == nil {
		return kernel.Packed{}
	}
	if rows, cols := p.kernel.Size(); rows != in || cols != out {
		panic(&ShapeError{op, [][]int{{out, in}, {cols, rows}}, "weight and packed weight differ"})
	}
	return p.kernel
}

// LinearTo computes x·wᵀ, applies after and writes the result to dst: x [..., in], w [out, in], dst [...,
// out]. packed is Pack(w) or nil. w may be any view; all else must be contiguous.
func LinearTo(dst, x, w *Tensor, packed *Packed, after After) {
	const op = "LinearTo"
	linearShapes(op, dst, x, w, after.Bias)
	if s := after.Scale; s != nil && !slices.Equal(s.shape, w.shape[:1]) {
		panic(&ShapeError{op, [][]int{s.shape}, fmt.Sprintf("want a scale [%d]", w.shape[0])})
	}
	separate(op, dst, x, w, after.Residual)
	if dst.Len() == 0 {
		return
	}
	p := products.Get()
	p.c, p.a, p.b = dst.flat(), x.flat(), w.matrix().T()
	p.packed = packed.of(op, w.shape[0], w.shape[1])
	p.after = kernel.After{Act: kernel.Activation(after.Act.known())}
	if after.Bias != nil {
		p.after.Bias = after.Bias.Data()
	}
	if after.Pre != nil {
		same(op, dst, after.Pre)
		p.after.Pre = after.Pre.flat()
	}
	if after.Scale != nil {
		p.after.Scale = after.Scale.Data()
	}
	if after.Residual != nil {
		same(op, dst, after.Residual)
		p.after.Residual = after.Residual.flat()
	}
	p.run()
}

// LinearBackwardTo is the adjoint of x·wᵀ given dy, the gradient of its result. It writes to dx and dw; each
// may be nil, and x too if dw is. dx, dy, x and the rows of dw must be contiguous. packed is
// Pack(w.Transpose()) or nil. The gradient of a bias is SumTo of dy.
func LinearBackwardTo(dx, dw, dy, x, w *Tensor, packed *Packed) {
	if dx != nil {
		inputGrad("LinearBackwardTo", dx, dy, w, packed, kernel.After{})
	}
	if dw != nil {
		linearShapes("LinearBackwardTo", dy, x, dw, nil)
		separate("LinearBackwardTo", dw, dy, x)
		if dw.Len() > 0 {
			gemm(dw.matrix(), dy.flat().T(), x.flat())
		}
	}
}

// LinearBackwardActTo writes to dx the gradient of pre, given dy, that of act(pre)·wᵀ: dx = (dy·w)·act'(pre),
// element by element. dx and pre are [..., in]. w may be any view; all else must be contiguous. packed is as
// in LinearBackwardTo.
func LinearBackwardActTo(dx, dy, w *Tensor, packed *Packed, pre *Tensor, act Activation) {
	const op = "LinearBackwardActTo"
	same(op, dx, pre)
	inputGrad(op, dx, dy, w, packed, kernel.After{Pre: pre.flat(), Act: kernel.Activation(act.known()), Derivative: true})
}

// inputGrad computes dy·w, applies after and writes the result to dx.
func inputGrad(op string, dx, dy, w *Tensor, packed *Packed, after kernel.After) {
	linearShapes(op, dy, dx, w, nil)
	separate(op, dx, dy, w)
	if dx.Len() == 0 {
		return
	}
	p := products.Get()
	p.c, p.a, p.b, p.after = dx.flat(), dy.flat(), w.matrix(), after
	p.packed = packed.of(op, w.shape[1], w.shape[0])
	p.run()
}

// linearShapes checks y = x·wᵀ + b; b may be nil.
func linearShapes(op string, y, x, w, b *Tensor) {
	if len(w.shape) != 2 || x.Dim(-1) != w.shape[1] || y.Dim(-1) != w.shape[0] ||
		!slices.Equal(x.shape[:len(x.shape)-1], y.shape[:len(y.shape)-1]) {
		panic(&ShapeError{op, [][]int{y.shape, x.shape, w.shape}, "want [..., out], [..., in] and [out, in]"})
	}
	if b != nil && !slices.Equal(b.shape, w.shape[:1]) {
		panic(&ShapeError{op, [][]int{b.shape}, fmt.Sprintf("want a bias [%d]", w.shape[0])})
	}
}
