package autograd

import "github.com/promptcam/promptcam/tensor"

// Concat returns the rows of all xs in order, [B, R1+R2+..., D]. Each x is [B, R, D], or [1, R, D] if all
// images share it. It panics without xs.
func Concat(xs ...*Var) *Var {
	if len(xs) == 0 {
		panic("autograd: Concat of nothing")
	}
	shape := [3]int{1, 0, xs[0].Dim(-1)}
	for _, x := range xs {
		if s := x.Shape(); len(s) != 3 || s[2] != shape[2] {
			panic(&tensor.ShapeError{Op: "Concat", Shapes: [][]int{xs[0].Shape(), s}, Reason: "want [B, rows, D] of one D"})
		}
		if shape[0] != x.Dim(0) {
			shape[0] = tensor.Broadcast("Concat", []int{shape[0]}, x.Shape()[:1])[0]
		}
		shape[1] += x.Dim(1)
	}
	y := xs[0].tape.result(shape[:], xs...) // [B, R1+R2+..., D]
	row := 0
	for _, x := range xs {
		tensor.CopyTo(y.tape.slice(y.value, 1, row, row+x.Dim(1)), x.Value())
		row += x.Dim(1)
	}
	if y.needs {
		n := record[concat](y)
		n.xs = append(n.xs[:0], xs...)
	}
	return y
}

type concat struct{ xs []*Var }

func (n *concat) back(dy *tensor.Tensor) {
	row := 0
	for _, x := range n.xs {
		if g := x.gradSum(); g != nil {
			tensor.AddSumTo(g, x.tape.slice(dy, 1, row, row+x.value.Dim(1)))
		}
		row += x.value.Dim(1)
	}
}

// Gather returns n rows of each image of x [B, R, D] as [B, n, D]: row j of image i is row rows[i*n+j] of
// that image in x. The caller must not change rows before Reset.
func Gather(x *Var, rows []int) *Var {
	shape := [3]int{x.Dim(0), len(rows) / max(1, x.Dim(0)), x.Dim(-1)}
	y := x.tape.result(shape[:], x) // [B, n, D]
	tensor.GatherTo(y.value, x.Value(), rows)
	if y.needs {
		*record[gather](y) = gather{x, rows}
	}
	return y
}

type gather struct {
	x    *Var
	rows []int
}

func (n *gather) back(dy *tensor.Tensor) {
	n.x.AddGrad(func(g *tensor.Tensor) { tensor.GatherBackwardTo(g, dy, n.rows) })
}

// Combine returns weights·x, [..., n, D], for weights [n, M] without gradient and x [..., M, D]: n fixed
// combinations of the rows of x, such as position embeddings resampled for another grid of patches.
func Combine(weights *tensor.Tensor, x *Var) *Var {
	var room [8]int // on the stack
	shape := append(room[:0], x.Shape()...)
	if weights.Rank() != 2 || len(shape) < 2 || weights.Dim(1) != x.Dim(-2) {
		panic(&tensor.ShapeError{Op: "Combine", Shapes: [][]int{weights.Shape(), x.Shape()}, Reason: "want [n, M] and [..., M, D]"})
	}
	shape[len(shape)-2] = weights.Dim(0)
	y := x.tape.result(shape, x)
	tensor.MatMulTo(y.value, weights, x.Value())
	if y.needs {
		*record[combine](y) = combine{weights, x}
	}
	return y
}

type combine struct {
	weights *tensor.Tensor
	x       *Var
}

func (n *combine) back(dy *tensor.Tensor) {
	n.x.AddGrad(func(g *tensor.Tensor) { tensor.MatMulTo(g, n.weights.Transpose(), dy) })
}

// Patches cuts images [B, C, H, W] into squares of p by p pixels and returns them as rows [B, H/p·W/p,
// C·p·p], see tensor.PatchesTo: Linear with the weight of a convolution is then the patch embedding.
func Patches(images *Var, p int) *Var {
	images = contig(images)
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
	n.images.AddGrad(func(g *tensor.Tensor) { tensor.PatchesBackwardTo(g, dy, n.p) })
}
