package autograd

import (
	"fmt"

	"github.com/promptcam/promptcam/tensor"
)

// Patches cuts images [B, C, H, W] into squares of p by p pixels and returns
// them as rows [B, H/p·W/p, C·p·p], each in the order of a convolution's weight
// [D, C, p, p], so that Linear with that weight is the patch embedding. images must be contiguous.
func Patches(images *Var, p int) *Var {
	x := images.Value()
	x.Data() // panics where Reshape would copy, and the gradient be lost in a copy
	if x.Rank() != 4 || p < 1 || x.Dim(2)%p != 0 || x.Dim(3)%p != 0 {
		panic(&tensor.ShapeError{Op: "Patches", Shapes: [][]int{x.Shape()}, Reason: fmt.Sprintf("want [B, C, H, W] with H and W multiples of %d", p)})
	}
	b, c, h, w := x.Dim(0), x.Dim(1), x.Dim(2)/p, x.Dim(3)/p
	// [B, C, h, p, w, p] to [B, h, w, C, p, p]
	cut := func(t *tensor.Tensor) *tensor.Tensor {
		return t.Reshape(b, c, h, p, w, p).Permute(0, 2, 4, 1, 3, 5)
	}
	y := images.tape.result([]int{b, h * w, c * p * p}, images)
	tensor.CopyTo(y.value.Reshape(b, h, w, c, p, p), cut(x))
	if y.needs {
		y.adjoint(func(dy *tensor.Tensor) {
			images.addGrad(func(g *tensor.Tensor) {
				tensor.CopyTo(cut(g), dy.Reshape(b, h, w, c, p, p))
			})
		})
	}
	return y
}
