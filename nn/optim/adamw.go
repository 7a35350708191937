package optim

import (
	"cmp"
	"fmt"
	"iter"
	"math"

	"github.com/promptcam/promptcam/autograd"
	"github.com/promptcam/promptcam/tensor"
)

// AdamW configures Adam with decoupled weight decay (Loshchilov and Hutter, arXiv 1711.05101), as in
// torch.optim.AdamW. In step t, for a parameter p with gradient g:
//
//	p -= lr·WeightDecay·p
//	m  = Beta1·m + (1-Beta1)·g
//	v  = Beta2·v + (1-Beta2)·g²
//	p -= lr · m/(1-Beta1ᵗ) / (sqrt(v/(1-Beta2ᵗ)) + Eps)
//
// If Beta1, Beta2 or Eps is 0, PyTorch's default applies: 0.9, 0.999 or 1e-8. A WeightDecay of 0 means none
// (PyTorch: 0.01). PyTorch counts steps per parameter, which differs if some steps had no gradient for it.
type AdamW struct{ Beta1, Beta2, Eps, WeightDecay float32 }

// Validate returns an error unless all numbers are at least 0 and the betas less than 1.
func (c AdamW) Validate() error {
	switch {
	case !(c.Beta1 >= 0 && c.Beta1 < 1) || !(c.Beta2 >= 0 && c.Beta2 < 1):
		return fmt.Errorf("optim: AdamW with betas %v and %v, want at least 0 and less than 1", c.Beta1, c.Beta2)
	case !proper(c.Eps) || !proper(c.WeightDecay):
		return fmt.Errorf("optim: AdamW with eps %v and weight decay %v, want at least 0", c.Eps, c.WeightDecay)
	}
	return nil
}

// New implements Config. The state is <param>.exp_avg (m) and <param>.exp_avg_sq (v), of each parameter's
// shape, and the scalar step, t, exact up to 2^24.
func (c AdamW) New(params iter.Seq2[string, *autograd.Param]) Optimizer {
	c.Beta1, c.Beta2, c.Eps = cmp.Or(c.Beta1, 0.9), cmp.Or(c.Beta2, 0.999), cmp.Or(c.Eps, 1e-8)
	o := &adamW{c, tensor.New(), remember(c, params, "exp_avg", "exp_avg_sq")}
	o.state["step"] = o.step
	return o
}

type adamW struct {
	c    AdamW
	step *tensor.Tensor
	memory
}

func (o *adamW) Step(lr float32, grads autograd.Grads) {
	o.check(lr, grads)
	o.step.Data()[0]++
	t := float64(o.step.Data()[0])
	// In float64: 1 - 0.999ᵗ would lose three of float32's seven digits at t = 1.
	beta1, beta2 := float64(o.c.Beta1), float64(o.c.Beta2)
	rate := float32(float64(lr) / (1 - math.Pow(beta1, t)))
	correction := float32(math.Sqrt(1 - math.Pow(beta2, t)))
	keep := float32(1 - float64(lr)*float64(o.c.WeightDecay))
	new1, new2 := float32(1-beta1), float32(1-beta2)
	for _, s := range o.slots {
		grad := grads[s.param]
		if grad == nil {
			continue
		}
		p, m, v := s.param.Value.Data(), s.first, s.second
		for i, g := range grad.Data() {
			m[i] = o.c.Beta1*m[i] + new1*g
			v[i] = o.c.Beta2*v[i] + new2*g*g
			root := float32(math.Sqrt(float64(v[i])))
			p[i] = keep*p[i] - rate*(m[i]/(root/correction+o.c.Eps))
		}
	}
}
