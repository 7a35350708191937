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
	n := patches{images, b, c, h, w, p}
	y := images.tape.result([]int{b, h * w, c * p * p}, images)
	tensor.CopyTo(n.rows(y.value), n.cut(x))
	if y.needs {
		*record[patches](y) = n
	}
	return y
}

type patches struct {
	images        *Var
	b, c, h, w, p int
}

func (n *patches) back(dy *tensor.Tensor) {
	n.images.addGrad(func(g *tensor.Tensor) { tensor.CopyTo(n.cut(g), n.rows(dy)) })
}

// cut views images [B, C, H, W] as [B, h, w, C, p, p].
func (n *patches) cut(t *tensor.Tensor) *tensor.Tensor {
	return t.Reshape(n.b, n.c, n.h, n.p, n.w, n.p).Permute(0, 2, 4, 1, 3, 5)
}

// rows views rows [B, h·w, C·p·p] as [B, h, w, C, p, p].
func (n *patches) rows(t *tensor.Tensor) *tensor.Tensor {
	return t.Reshape(n.b, n.h, n.w, n.c, n.p, n.p)
}
