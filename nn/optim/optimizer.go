package optim

import (
	"iter"
	"slices"

	"github.com/promptcam/promptcam/autograd"
	"github.com/promptcam/promptcam/nn"
	"github.com/promptcam/promptcam/tensor"
)

// Optimizer moves the parameters that it was made with.
type Optimizer interface {
	// Step moves each parameter against its gradient. A parameter without one stays as it is, as
	// in PyTorch. Gradients of other parameters are passed over. It allocates next to nothing.
	Step(lr float32, grads autograd.Grads)

	// State returns the tensors that Step keeps from one call to the next, not
	// copies, by names such as head.weight.momentum.
	State() map[string]*tensor.Tensor

	// Load fills State from src, which must hold the same names and shapes.
	// Otherwise nothing is changed, and the error names all that does not fit.
	Load(src nn.Source) error
}

// slot is a parameter and what is kept for it.
type slot struct {
	param         *autograd.Param
	first, second []float32 // nil where not needed
}

// slots returns a slot per parameter that is not frozen, and the tensors behind
// first and second by the parameter's name and one of the suffixes.
func slots(params iter.Seq2[string, *autograd.Param], suffixes ...string) ([]slot, nn.Tensors) {
	var list []slot
	state := nn.Tensors{}
	for name, p := range params {
		// A parameter with two names is learned once.
		if p.Frozen || slices.ContainsFunc(list, func(s slot) bool { return s.param == p }) {
			continue
		}
		s := slot{param: p}
		for i, suffix := range suffixes {
			t := tensor.New(p.Value.Shape()...)
			state[name+"."+suffix] = t
			if i == 0 {
				s.first = t.Data()
			} else {
				s.second = t.Data()
			}
		}
		list = append(list, s)
	}
	return list, state
}
