package autograd

import (
	"fmt"

	"github.com/promptcam/promptcam/tensor"
)

// Split returns the n equal parts of x [..., n·d] along its last dimension,
// [..., d] each. They look at x's memory, and adjoints write their
// gradients side by side into x's, so that nothing is copied either way.
func Split(x *Var, n int) []*Var {
	if n < 1 || x.Dim(-1)%n != 0 {
		panic(&tensor.ShapeError{Op: "Split", Shapes: [][]int{x.Shape()}, Reason: fmt.Sprintf("%d parts do not divide the last dimension", n)})
	}
	d := x.Dim(-1) / n
	whole := x.tape.viewOf(x, x.Value()) // holds the parts' gradients, nobody's to use
	parts := make([]*Var, n)
	for i := range parts {
		parts[i] = x.tape.viewOf(x, x.Value().Slice(-1, i*d, i*d+d))
		parts[i].whole, parts[i].part = whole, i
	}
	whole.Release()
	if whole.needs {
		whole.adjoint(func(dy *tensor.Tensor) {
			for i, p := range parts {
				if p.grad == nil {
					dy.Slice(-1, i*d, i*d+d).Fill(0)
				}
				p.grad = nil
			}
			x.giveGrad(dy)
		})
	}
	return parts
}

// partGrad returns the room that v's gradient has for that of its part p.
func (v *Var) partGrad(p *Var) *tensor.Tensor {
	if v.grad == nil {
		v.grad = v.newGrad()
	}
	d := p.value.Dim(-1)
	return v.grad.Slice(-1, p.part*d, p.part*d+d)
}
