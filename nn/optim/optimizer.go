package optim

import (
	"iter"
	"math"
	"slices"

	"github.com/promptcam/promptcam/autograd"
	"github.com/promptcam/promptcam/nn"
	"github.com/promptcam/promptcam/tensor"
)

// Config makes an Optimizer: SGD, AdamW or Muon.
type Config interface {
	// New returns an Optimizer of those of params that are not frozen.
	New(params iter.Seq2[string, *autograd.Param]) Optimizer

	// Validate returns an error unless every number is in its range.
	Validate() error
}

// Optimizer moves the parameters that it was made with.
type Optimizer interface {
	// Step moves each parameter against its gradient. As in PyTorch, a parameter without a gradient stays as
	// it is. Gradients of other parameters are ignored. It allocates next to nothing.
	//
	// It panics, before it moves anything, with a *tensor.ShapeError if a gradient has not its parameter's
	// shape, and if there are no gradients at all: a tape's Reset ends them, so Step comes first.
	Step(lr float32, grads autograd.Grads)

	// State returns the tensors that Step keeps between calls, not copies, by names such as
	// head.weight.momentum.
	State() map[string]*tensor.Tensor

	// Load fills State from src, which must hold the same names and shapes. Otherwise it changes nothing, and
	// the error names all that does not fit.
	Load(src nn.Source) error
}

// check panics unless there are gradients, of the shapes of the slots' parameters.
func check(slots []slot, grads autograd.Grads) {
	if len(grads) == 0 {
		panic("optim: Step without gradients: if their tape was reset, call Step before Reset")
	}
	for _, s := range slots {
		want, g := s.param.Value.Shape(), grads[s.param]
		if g != nil && !slices.Equal(g.Shape(), want) {
			panic(&tensor.ShapeError{Op: "Step", Shapes: [][]int{slices.Clone(want), slices.Clone(g.Shape())}, Reason: "a parameter and its gradient differ"})
		}
	}
}

// proper says whether x is at least 0 and finite.
func proper(x float32) bool { return x >= 0 && !math.IsInf(float64(x), 0) }

// slot is a parameter and what is kept for it.
type slot struct {
	param         *autograd.Param
	first, second []float32 // nil where not needed
}

// slots returns a slot per parameter that is not frozen, and the tensors behind first and second by the
// parameter's name and one of the suffixes.
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
