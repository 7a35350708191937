package nn

import (
	"math"
	"math/rand/v2"

	"github.com/promptcam/promptcam/tensor"
)

// Uniform fills t with numbers drawn uniformly from -limit to limit.
func Uniform(rng *rand.Rand, t *tensor.Tensor, limit float64) {
	for i, d := 0, t.Data(); i < len(d); i++ {
		d[i] = float32((2*rng.Float64() - 1) * limit)
	}
}

// Normal fills t with normal numbers of mean 0.
func Normal(rng *rand.Rand, t *tensor.Tensor, deviation float64) {
	for i, d := 0, t.Data(); i < len(d); i++ {
		d[i] = float32(deviation * rng.NormFloat64())
	}
}

// KaimingUniform fills the weight [out, in] of a Linear, and its bias [out] if not nil, uniformly from
// -1/sqrt(in) to 1/sqrt(in): PyTorch's default (He et al., arXiv 1502.01852, with a = sqrt 5).
func KaimingUniform(rng *rand.Rand, weight, bias *tensor.Tensor) {
	limit := 1 / math.Sqrt(float64(weight.Dim(1)))
	Uniform(rng, weight, limit)
	if bias != nil {
		Uniform(rng, bias, limit)
	}
}
