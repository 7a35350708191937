package autograd

import "github.com/promptcam/promptcam/tensor"

// Param is a tensor that may be learned.
type Param struct {
	Value  *tensor.Tensor // contiguous
	Frozen bool           // no gradient is wanted, and none is computed
}

// Grads holds the gradient of a loss with respect to each parameter that it
// depends on, of the parameter's own shape. Frozen parameters have none.
type Grads map[*Param]*tensor.Tensor
