package nn

import (
	"math"
	"math/rand/v2"

	"github.com/promptcam/promptcam/autograd"
)

// Uniform fills p with numbers drawn uniformly from -limit to limit. It panics if rng is nil, as the other
// initialisers do.
func Uniform(rng *rand.Rand, p *autograd.Param, limit float64) {
	fill(rng, p, func() float64 { return (2*rng.Float64() - 1) * limit })
}

// Normal fills p with normal numbers of mean 0.
func Normal(rng *rand.Rand, p *autograd.Param, deviation float64) {
	fill(rng, p, func() float64 { return deviation * rng.NormFloat64() })
}

// KaimingUniform fills the weight [out, ...] of a Linear or a convolution, and its bias [out] if not nil,
// uniformly from -1/sqrt(in) to 1/sqrt(in), where in is the number of weights of an output: PyTorch's default
// (He et al., arXiv 1502.01852, with a = sqrt 5).
func KaimingUniform(rng *rand.Rand, weight, bias *autograd.Param) {
	limit := 1 / math.Sqrt(float64(weight.Value.Len()/weight.Value.Dim(0)))
	Uniform(rng, weight, limit)
	if bias != nil {
		Uniform(rng, bias, limit)
	}
}

func fill(rng *rand.Rand, p *autograd.Param, draw func() float64) {
	if rng == nil {
		panic("nn: no random numbers to initialise with: rng is nil")
	}
	for i, d := 0, p.Value.Data(); i < len(d); i++ {
		d[i] = float32(draw())
	}
	p.Changed()
}
