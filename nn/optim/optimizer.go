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
	New(params iter.Seq2[string, *autograd.Param]) Optimizer // of those that are not frozen
	Validate() error                                         // unless every number is in its range
}

// Optimizer moves the parameters that it was made with.
type Optimizer interface {
	// Step moves each parameter against its gradient, if it has one; it ignores gradients of others, and
	// allocates next to nothing. Before moving anything, it panics with a *tensor.ShapeError if a gradient does
	// not have its parameter's shape, and if there are no gradients: Step must precede the tape's Reset.
	Step(lr float32, grads autograd.Grads)

	// State returns what Step keeps between calls, not copied, by names such as head.weight.momentum. To resume
	// a training, Load it.
	State() nn.Tensors
}

// check panics unless there are gradients, of the shapes of the parameters.
func (m *memory) check(grads autograd.Grads) {
	if len(grads) == 0 {
		panic("optim: Step without gradients: if their tape was reset, call Step before Reset")
	}
	for _, s := range m.slots {
		want, g := s.param.Value.Shape(), grads[s.param]
		if g != nil && !slices.Equal(g.Shape(), want) {
			panic(&tensor.ShapeError{Op: "Step", Shapes: [][]int{slices.Clone(want), slices.Clone(g.Shape())}, Reason: "a parameter and its gradient differ"})
		}
	}
}

// proper reports whether x is at least 0 and finite.
func proper[T float32 | float64](x T) bool { return x >= 0 && !math.IsInf(float64(x), 0) }

// slot is a parameter and its part of the state.
type slot struct {
	name          string // the first, of several
	param         *autograd.Param
	first, second []float32 // nil where not needed
}

// memory is what an optimizer keeps: a slot per parameter, and the slots' tensors by name.
type memory struct {
	slots []slot
	state nn.Tensors
}

func (m *memory) State() nn.Tensors { return m.state }

// remember returns a slot per parameter that is not frozen, whose tensors are named after it and the suffixes.
func remember(params iter.Seq2[string, *autograd.Param], suffixes ...string) memory {
	m := memory{state: nn.Tensors{}}
	for name, p := range params {
		// A parameter with two names is learned once.
		if p.Frozen || slices.ContainsFunc(m.slots, func(s slot) bool { return s.param == p }) {
			continue
		}
		var data [2][]float32
		for i, suffix := range suffixes {
			t := tensor.New(p.Value.Shape()...)
			m.state[name+"."+suffix], data[i] = t, t.Data()
		}
		m.slots = append(m.slots, slot{name, p, data[0], data[1]})
	}
	return m
}
