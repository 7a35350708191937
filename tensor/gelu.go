package tensor

import (
	"fmt"

	"github.com/promptcam/promptcam/tensor/internal/kernel"
)

// activations are the Activations and their adjoints, on pieces.
var activations = [...]struct{ to, backward func(dst, x, dy []float32) }{
	Identity: {
		func(dst, x, _ []float32) { copy(dst, x) },
		func(dx, _, dy []float32) { copy(dx, dy) },
	},
	GELU:      {func(dst, x, _ []float32) { kernel.GELU(dst, x) }, kernel.GELUGrad},
	QuickGELU: {func(dst, x, _ []float32) { kernel.QuickGELU(dst, x) }, kernel.QuickGELUGrad},
}

// To writes the function of each element of x to dst, which may be x. Both must be contiguous.
//
// Results and derivatives have an absolute error of about one unit in the last place of max(1, |x|) (times
// |dy|). The relative error is not small: below about x = -5.2, results may be exactly 0, and derivatives
// -2^-64.
func (a Activation) To(dst, x *Tensor) {
	activate("Activation.To", dst, x, x, activations[a.known()].to)
}

// BackwardTo writes to dx the gradient of To's x, given that of its result. All must be contiguous; dx may be
// x or dy.
func (a Activation) BackwardTo(dx, x, dy *Tensor) {
	activate("Activation.BackwardTo", dx, x, dy, activations[a.known()].backward)
}

// known returns a. It panics unless a is one of the constants.
func (a Activation) known() Activation {
	if a < 0 || int(a) >= len(activations) {
		panic(fmt.Sprintf("tensor: activation %d does not exist", a))
	}
	return a
}

// geluGrain is smaller than grain: an exponential costs several times an addition.
const geluGrain = grain / 4

// activate calls f with matching pieces of dst, x and dy, on several cores.
func activate(op string, dst, x, dy *Tensor, f func(dst, x, dy []float32)) {
	same(op, dst, x)
	same(op, dst, dy)
	d := dst.Data()
	pieceTasks.run(len(d), geluGrain, pieces{d, x.Data(), dy.Data(), f})
}

type pieces struct {
	dst, x, dy []float32
	f          func(dst, x, dy []float32)
}

var pieceTasks tasks[pieces, *pieces]

func (p *pieces) Do(from, to int) { p.f(p.dst[from:to], p.x[from:to], p.dy[from:to]) }
