package optim

import (
	"iter"

	"github.com/promptcam/promptcam/autograd"
	"github.com/promptcam/promptcam/nn"
	"github.com/promptcam/promptcam/tensor"
)

// SGD is stochastic gradient descent as torch.optim.SGD does it. For a
// parameter p with gradient g:
//
//	g += WeightDecay·p
//	v  = Momentum·v + g      v is 0 at first: PyTorch's dampening 0
//	p -= lr·v
type SGD struct{ Momentum, WeightDecay float32 }

// NewSGD returns an Optimizer of those of params that are not frozen. Its state is
// <param>.momentum of the parameter's shape, for each; none if Momentum is 0.
func NewSGD(c SGD, params iter.Seq2[string, *autograd.Param]) Optimizer {
	o := &sgd{c: c}
	if c.Momentum == 0 {
		o.slots, o.state = slots(params)
	} else {
		o.slots, o.state = slots(params, "momentum")
	}
	return o
}

type sgd struct {
	c     SGD
	slots []slot
	state nn.Tensors
}

func (o *sgd) Step(lr float32, grads autograd.Grads) {
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

func (o *sgd) State() map[string]*tensor.Tensor { return o.state }

func (o *sgd) Load(src nn.Source) error { return o.state.Load(src) }
