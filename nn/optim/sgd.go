package optim

import (
	"fmt"
	"iter"

	"github.com/promptcam/promptcam/autograd"
)

// SGD configures stochastic gradient descent as in torch.optim.SGD. For a parameter p with gradient g:
//
//	g += WeightDecay·p
//	v  = Momentum·v + g      v is 0 at first: PyTorch's dampening 0
//	p -= lr·v
type SGD struct{ Momentum, WeightDecay float32 }

// Validate returns an error unless both numbers are at least 0 and Momentum is less than 1.
func (c SGD) Validate() error {
	if !(c.Momentum >= 0 && c.Momentum < 1) || !proper(c.WeightDecay) {
		return fmt.Errorf("optim: SGD with momentum %v and weight decay %v, want at least 0, and less than 1 of momentum", c.Momentum, c.WeightDecay)
	}
	return nil
}

// New implements Config. The state is <param>.momentum (v), of each parameter's shape, or nothing if Momentum
// is 0.
func (c SGD) New(params iter.Seq2[string, *autograd.Param]) Optimizer {
	if c.Momentum == 0 {
		return &sgd{c, remember(c, params)}
	}
	return &sgd{c, remember(c, params, "momentum")}
}

type sgd struct {
	c SGD
	memory
}

func (o *sgd) Step(lr float32, grads autograd.Grads) {
	o.check(lr, grads)
	for _, s := range o.slots {
		grad := grads[s.param]
		if grad == nil {
			continue
		}
		p, v := s.param.Value.Data(), s.first
		for i, g := range grad.Data() {
			g += o.c.WeightDecay * p[i]
			if v != nil {
				g += o.c.Momentum * v[i]
				v[i] = g
			}
			p[i] -= lr * g
		}
	}
}
