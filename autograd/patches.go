package autograd

import "github.com/promptcam/promptcam/tensor"

// Patches cuts images [B, C, H, W] into squares of p by p pixels and returns them as rows [B, H/p·W/p,
// C·p·p], see tensor.PatchesTo: Linear with the weight of a convolution is then the patch embedding. images
// must be contiguous.
func Patches(images *Var, p int) *Var {
	x := images.Value()
	y := images.tape.result(tensor.PatchesShape(x, p), images)
	tensor.PatchesTo(y.value, x, p)
	if y.needs {
		*record[patches](y) = patches{images, p}
	}
	return y
}

type patches struct {
	images *Var
	p      int
}

func (n *patches) back(dy *tensor.Tensor) {
	n.images.addGrad(func(g *tensor.Tensor) { tensor.PatchesBackwardTo(g, dy, n.p) })
}
