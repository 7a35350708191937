package autograd

import (
	"fmt"

	"github.com/promptcam/promptcam/tensor"
)

// Reshape returns x with another shape of as many elements. It shares x's memory, unless x has gaps. One size
// may be -1: it is inferred from the others.
func Reshape(x *Var, shape ...int) *Var {
	x = contig(x)
	y := x.tape.viewOf(x)
	y.value = y.header.Reshape(x.Value(), shape...)
	if len(shape) > 0 && x.value.Rank() > 0 && shape[0] == x.value.Dim(0) {
		y.frozen = x.frozen
	}
	if y.needs {
		*record[reshape](y) = reshape{x}
	}
	return y
}

type reshape struct{ x *Var }

func (n *reshape) back(dy *tensor.Tensor) { n.x.giveGrad(dy) }

// contig returns x itself if it is contiguous or nil, and a copy otherwise.
func contig(x *Var) *Var {
	if x == nil || x.Value().Contiguous() {
		return x
	}
	y := x.tape.result(x.Shape(), x)
	tensor.CopyTo(y.value, x.value)
	if y.needs {
		*record[copied](y) = copied{x}
	}
	return y
}

type copied struct{ x *Var }

func (n *copied) back(dy *tensor.Tensor) { n.x.giveGrad(dy) }

// Slice returns the elements [from, to) of x along dimension dim, which may count from the last. It shares
// x's memory.
func Slice(x *Var, dim, from, to int) *Var {
	y := x.tape.viewOf(x)
	y.value = y.header.Slice(x.Value(), dim, from, to)
	if f := x.frozen; f.param != nil && (dim == 0 || dim == -x.value.Rank()) {
		y.frozen = frozen{f.param, f.from + from, f.from + to}
	}
	if y.needs {
		*record[slice](y) = slice{x, dim, from, to}
	}
	return y
}

type slice struct {
	x             *Var
	dim, from, to int
}

func (n *slice) back(dy *tensor.Tensor) {
	tensor.Axpy(n.x.tape.slice(n.x.gradSum(), n.dim, n.from, n.to), 1, dy)
}

// Split returns the n equal parts of x [..., n·d] along its last dimension, [..., d] each. They share x's
// memory, and adjoints write the parts' gradients directly to x's: nothing is copied. The slice, too, ends
// with Reset.
func Split(x *Var, n int) []*Var {
	if n < 1 || x.Dim(-1)%n != 0 {
		panic(&tensor.ShapeError{Op: "Split", Shapes: [][]int{x.Shape()}, Reason: fmt.Sprintf("%d parts do not divide the last dimension", n)})
	}
	d := x.Dim(-1) / n
	whole := x.tape.viewOf(x) // internal, holds the parts' gradients
	whole.value = whole.header.Slice(x.Value(), -1, 0, n*d)
	parts := x.tape.lists.next(n)
	for i := range parts {
		parts[i] = x.tape.viewOf(x)
		parts[i].value = parts[i].header.Slice(x.Value(), -1, i*d, i*d+d)
		parts[i].whole, parts[i].part = whole, i
	}
	whole.free()
	if whole.needs {
		*record[split](whole) = split{x, parts}
	}
	return parts
}

type split struct {
	x     *Var
	parts []*Var
}

func (n *split) back(dy *tensor.Tensor) {
	for _, p := range n.parts {
		if p.grad == nil {
			partOf(dy, p).Fill(0)
		}
		p.grad = nil
	}
	n.x.giveGrad(dy)
}

// partGrad returns the part of v's gradient that is that of its part p.
func (v *Var) partGrad(p *Var) *tensor.Tensor {
	if v.grad == nil {
		v.grad = v.newGrad()
	}
	return partOf(v.grad, p)
}

// partOf returns the part of g, a gradient of the whole, that belongs to p.
func partOf(g *tensor.Tensor, p *Var) *tensor.Tensor {
	d := p.value.Dim(-1)
	return p.tape.slice(g, -1, p.part*d, p.part*d+d)
}
