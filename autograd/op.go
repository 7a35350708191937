package autograd

import "github.com/promptcam/promptcam/tensor"

// Op returns a Var of an operation that this package does not have: value is its result, which the caller
// computes from the values of inputs, and back its adjoint. Backward calls back with dy, the gradient of
// value, of its shape; back passes it on by calling AddGrad on each input.
//
// back is called once per Backward, or not at all if no gradient is wanted. It may read value and the inputs'
// values, and overwrite dy, but not keep it. Neither value nor what back reads may change before Reset. value
// may be a view of an input's value. Op panics without inputs.
func Op(value *tensor.Tensor, back func(dy *tensor.Tensor), inputs ...*Var) *Var {
	if len(inputs) == 0 {
		panic("autograd: Op without inputs: use Const")
	}
	y := inputs[0].tape.Const(value)
	y.operands(inputs...)
	y.keep(inputs...) // also without a gradient: value may share their memory
	if y.needs {
		record[op](y).adjoint = back
	}
	return y
}

type op struct{ adjoint func(dy *tensor.Tensor) }

func (n *op) back(dy *tensor.Tensor) { n.adjoint(dy) }
