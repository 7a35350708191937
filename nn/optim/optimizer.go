package optim

import (
	"fmt"
	"iter"
	"math"
	"slices"

	"github.com/promptcam/promptcam/autograd"
	"github.com/promptcam/promptcam/nn"
	"github.com/promptcam/promptcam/tensor"
)

// Config makes an Optimizer: SGD, AdamW or Muon.
type Config interface {
	// New returns an optimizer of those params that are not frozen. It panics if c is not valid, or two params
	// have one name: give those of several models as fields of one struct, with a state tag each, to nn.Params.
	New(params iter.Seq2[string, *autograd.Param]) Optimizer

	Validate() error // unless every number is in its range
}

// Optimizer moves the parameters that it was made with.
type Optimizer interface {
	// Step moves each parameter against its gradient, if it has one, and ignores gradients of parameters that
	// it was not made with. It allocates next to nothing. Before moving anything, it panics
	//   - if there are no gradients: Step must precede the tape's Reset;
	//   - with a *tensor.ShapeError, if a gradient does not have its parameter's shape or has gaps, or the parameter
	//     has another size than when the optimizer was made;
	//   - if a parameter has a gradient that was frozen when the optimizer was made, and is not any more;
	//   - unless lr is at least 0 and finite.
	Step(lr float32, grads autograd.Grads)

	// State returns what Step keeps between calls, not copied, by names such as head.weight.momentum. To resume
	// a training, Load it. Two optimizers share names, such as step: save their States as two sets.
	State() nn.Tensors
}

// check panics if Step cannot use its arguments.
func (m *memory) check(lr float32, grads autograd.Grads) {
	if !proper(lr) {
		panic(fmt.Sprintf("optim: Step at a learning rate of %v, want at least 0", lr))
	}
	if len(grads) == 0 {
		panic("optim: Step without gradients: if their tape was reset, call Step before Reset")
	}
	for _, s := range m.slots {
		want, g := s.param.Value.Shape(), grads[s.param]
		if g != nil && !slices.Equal(g.Shape(), want) {
			panic(&tensor.ShapeError{Op: "Step", Shapes: [][]int{slices.Clone(want), slices.Clone(g.Shape())}, Reason: "a parameter and its gradient differ"})
		}
		if g != nil && s.first != nil && len(s.first) != g.Len() {
			panic(&tensor.ShapeError{Op: "Step", Shapes: [][]int{slices.Clone(want)}, Reason: fmt.Sprintf("%s had %d elements when the optimizer was made: make another", s.name, len(s.first))})
		}
		if g != nil {
			g.Data() // panics if it has gaps
		}
	}
	for _, f := range m.frozen {
		if grads[f.param] != nil && !f.param.Frozen {
			panic(fmt.Sprintf("optim: Step: %s was frozen when the optimizer was made: make another after unfreezing it", f.name))
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
	slots  []slot
	frozen []slot // of the parameters that were frozen, without tensors
	state  nn.Tensors
}

func (m *memory) State() nn.Tensors { return m.state }

// remember returns the memory of an optimizer of config c, with a slot per parameter that is not frozen, whose
// tensors are named after it and the suffixes. It panics if c is not valid, or two parameters have one name.
func remember(c Config, params iter.Seq2[string, *autograd.Param], suffixes ...string) memory {
	if err := c.Validate(); err != nil {
		panic(err.Error())
	}
	m := memory{state: nn.Tensors{}}
	names := map[string]*autograd.Param{}
	for name, p := range params {
		if other := names[name]; other != nil && other != p {
			panic(fmt.Sprintf("optim: two parameters named %q: give them as fields of one struct, with a state tag each, to nn.Params", name))
		}
		names[name] = p
		if p.Frozen {
			m.frozen = append(m.frozen, slot{name: name, param: p})
			continue
		}
		// A parameter with two names is learned once.
		if slices.ContainsFunc(m.slots, func(s slot) bool { return s.param == p }) {
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
