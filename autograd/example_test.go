package autograd_test

import (
	"fmt"

	"github.com/promptcam/promptcam/autograd"
	"github.com/promptcam/promptcam/tensor"
)

func Example() {
	// Find w and b such that w·x + b = y for all points.
	x := tensor.FromSlice([]float32{0, 1, 2, 3}, 4, 1)
	y := tensor.FromSlice([]float32{1, 3, 5, 7}, 4, 1)
	w := &autograd.Param{Value: tensor.New(1, 1)}
	b := &autograd.Param{Value: tensor.New(1)}
	mean := tensor.New(1, 4).Fill(0.25)

	tape := &autograd.Tape{}
	for range 300 {
		guess := autograd.Linear(tape.Const(x), tape.Param(w), tape.Param(b)) // [4, 1]
		off := autograd.Add(guess, tape.Const(y.Scale(-1)))                   // [4, 1]
		square := autograd.Reshape(autograd.Mul(off, off), 1, 4)
		loss := autograd.Linear(square, tape.Const(mean), nil) // [1, 1]
		for p, g := range tape.Backward(loss) {
			tensor.Axpy(p.Value, -0.1, g)
		}
		tape.Reset()
	}
	fmt.Printf("y = %.2f x + %.2f\n", w.Value.At(0, 0), b.Value.At(0))
	// Output: y = 2.00 x + 1.00
}
