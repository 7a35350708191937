package optim_test

import (
	"fmt"
	"math"

	"github.com/promptcam/promptcam/autograd"
	"github.com/promptcam/promptcam/nn"
	"github.com/promptcam/promptcam/nn/optim"
	"github.com/promptcam/promptcam/tensor"
)

func Example() {
	// Two images, told apart by the sign of their first number.
	images := tensor.FromSlice([]float32{1, 0.5, -1, 0.5}, 2, 2)
	labels := []int{0, 1}
	model := nn.NewLinear(2, 2)

	opt := optim.SGD{Momentum: 0.9, WeightDecay: 1e-3}.New(nn.Params(model))
	rate := optim.Schedule{Base: 0.5, Min: 0.01, Warmup: 2, Epochs: 20}
	tape := &autograd.Tape{}
	for epoch := range 20 {
		loss := autograd.CrossEntropy(model.Forward(tape.Const(images)), labels)
		if epoch%5 == 0 {
			fmt.Printf("epoch %2d: rate %.3f, loss %.3f\n", epoch, rate.At(float64(epoch)), loss.Value().At())
		}
		opt.Step(rate.At(float64(epoch)), tape.Backward(loss))
		tape.Reset()
	}
	// Output:
	// epoch  0: rate 0.000, loss 0.693
	// epoch  5: rate 0.467, loss 0.016
	// epoch 10: rate 0.298, loss 0.000
	// epoch 15: rate 0.098, loss 0.000
}

func ExampleSchedule() {
	s := optim.Schedule{Base: 0.005, Min: 1e-6, Warmup: 20, Epochs: 130}
	for _, epoch := range []float64{0, 10, 20, 75, 130} {
		fmt.Printf("%v: %.6f\n", epoch, s.At(epoch))
	}
	// Output:
	// 0: 0.000000
	// 10: 0.002500
	// 20: 0.005000
	// 75: 0.002500
	// 130: 0.000001
}

// To clip gradients, range over the parameters, whose order is fixed: a sum in the random order of a map would
// have other bits each time.
func Example_clip() {
	model := nn.NewLinear(2, 2)
	tape := &autograd.Tape{}
	images := tape.Const(tensor.FromSlice([]float32{30, 40}, 1, 2))
	grads := tape.Backward(autograd.CrossEntropy(model.Forward(images), []int{0}))

	const longest = 1
	var sum float64
	for _, p := range nn.Params(model) {
		if g := grads[p]; g != nil {
			for _, v := range g.Data() {
				sum += float64(v) * float64(v)
			}
		}
	}
	length := math.Sqrt(sum)
	if length > longest {
		for _, g := range grads {
			tensor.ScaleTo(g, float32(longest/length), g)
		}
	}
	optim.SGD{}.New(nn.Params(model)).Step(1, grads)
	fmt.Printf("%.2f\n%.2f\n", length, model.Weight.Value)
	// Output:
	// 35.36
	// [2 2] [[0.42 0.57] [-0.42 -0.57]]
}
