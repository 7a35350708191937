package nn

import (
	"math"
	"math/rand/v2"

	"github.com/promptcam/promptcam/tensor"
)

// Uniform fills t with numbers drawn evenly between -limit and limit.
func Uniform(rng *rand.Rand, t *tensor.Tensor, limit float64) {
	for i, d := 0, t.Data(); i < len(d); i++ {
		d[i] = float32((2*rng.Float64() - 1) * limit)
	}
}

// TruncatedNormal fills t with numbers of a normal distribution of mean 0 and
// standard deviation std, drawn again while they are more than 2·std off, as
// timm's trunc_normal_tf_ does. What is left has a standard deviation of 0.88·std.
func TruncatedNormal(rng *rand.Rand, t *tensor.Tensor, std float64) {
	for i, d := 0, t.Data(); i < len(d); i++ {
		x := rng.NormFloat64()
		for math.Abs(x) > 2 {
			x = rng.NormFloat64()
		}
		d[i] = float32(x * std)
	}
}

// KaimingUniform fills the weight [out, in] of a Linear, and its bias [out]
// if not nil, evenly from ±1/sqrt(in): PyTorch's default (He et al., arXiv 1502.01852, with a = sqrt 5).
func KaimingUniform(rng *rand.Rand, weight, bias *tensor.Tensor) {
	limit := 1 / math.Sqrt(float64(weight.Dim(1)))
	Uniform(rng, weight, limit)
	if bias != nil {
		Uniform(rng, bias, limit)
	}
}
