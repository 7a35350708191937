// Package gradcheck compares gradients with finite differences.
package gradcheck

import (
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/promptcam/promptcam/autograd"
	"github.com/promptcam/promptcam/tensor"
)

// Step is the distance between the points at which the function is evaluated, along a direction of length
// one. With a textbook step such as 1e-4, float32's rounding would dominate; with four points the error of a
// step h is of the order h^4.
const Step = 0.1

// Error returns how far the gradient of f is from its numerical derivative along random directions, one per
// parameter: the largest difference, relative to the larger of the derivative and the gradient's length. f
// computes one number or a tensor on the tape; a fixed random weighting reduces a tensor to one number. Error
// calls f several times; f must be the same function each time.
func Error(rng *rand.Rand, f func(tp *autograd.Tape) *autograd.Var, params ...*autograd.Param) (float64, error) {
	tape := &autograd.Tape{}
	out := f(tape)
	weight := tensor.New(out.Shape()...)
	for i := range weight.Data() {
		weight.Data()[i] = float32(rng.NormFloat64() / math.Sqrt(float64(weight.Len())))
	}
	grads := tape.Backward(sum(autograd.Mul(out, tape.Const(weight))))

	eval := func() float64 {
		tp := &autograd.Tape{NoGrad: true}
		y := f(tp).Value().Contig().Data()
		var s float64
		for i, w := range weight.Data() {
			s += float64(w) * float64(y[i])
		}
		return s
	}
	worst := 0.0
	for n, p := range params {
		g := grads[p]
		if g == nil {
			return 0, fmt.Errorf("gradcheck: parameter %d of shape %v has no gradient", n, p.Value.Shape())
		}
		at := p.Value.Data()
		direction := make([]float64, len(at))
		var length float64
		for i := range direction {
			direction[i] = rng.NormFloat64()
			length += direction[i] * direction[i]
		}
		var want, norm float64
		for i := range direction {
			direction[i] /= math.Sqrt(length)
			want += direction[i] * float64(g.Data()[i])
			norm += float64(g.Data()[i]) * float64(g.Data()[i])
		}
		start := append([]float32(nil), at...)
		point := func(step float64) float64 {
			for i := range at {
				at[i] = start[i] + float32(step*direction[i])
			}
			return eval()
		}
		// f'(0) = (f(-2h) - 8 f(-h) + 8 f(h) - f(2h)) / 12h + O(h^4)
		got := (point(-2*Step) - 8*point(-Step) + 8*point(Step) - point(2*Step)) / (12 * Step)
		copy(at, start)
		worst = max(worst, math.Abs(got-want)/max(math.Abs(got), math.Sqrt(norm), 1e-3))
	}
	return worst, nil
}

// sum adds up all elements of v: a product with a row of ones.
func sum(v *autograd.Var) *autograd.Var {
	n := v.Value().Len()
	ones := tensor.New(1, n).Fill(1)
	return autograd.Reshape(autograd.Linear(autograd.Reshape(v, 1, n), v.Tape().Const(ones), nil))
}
