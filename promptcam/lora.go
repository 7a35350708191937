package promptcam

import (
	"math"
	"math/rand/v2"

	"github.com/promptcam/promptcam/nn"
	"github.com/promptcam/promptcam/vit"
)

// Adapters are what Config.Rank adds to the last block's layers.
type Adapters struct {
	QKV  *nn.Adapter `state:"qkv"`
	Proj *nn.Adapter `state:"proj"`
	FC1  *nn.Adapter `state:"fc1"`
	FC2  *nn.Adapter `state:"fc2"`
}

// Prompts learn best at a rate of about 0.06 (AdamW), adapters as LoRA has them, with a
// scale of 1 and A of deviation 1/sqrt(in), at 0.002; the optimizer has one rate. AdamW's
// steps do not depend on how long a gradient is. So with k times as large an A and B,
// and the scale 1/k², each step moves their product as one of rate/k would:
//
//	(k·A + rate·a)·(k·B + rate·b)/k² = (A + rate/k·a)·(B + rate/k·b)
//
// Here k is 0.06/0.002. Only weight decay acts as at the rate itself. With SGD, whose steps
// are as long as the gradients, adapters learn as at rate/k², that is, hardly.
const (
	adapterGain  = 30
	adapterScale = 1. / (adapterGain * adapterGain)
)

// adapt returns a copy of the block, with the same parameters, whose layers carry new
// adapters of zeros.
func adapt(b *vit.Block, rank int) (*vit.Block, *Adapters) {
	adapted := func(l *nn.Linear) *nn.Linear {
		return &nn.Linear{Weight: l.Weight, Bias: l.Bias, Adapter: nn.NewAdapter(l, rank, adapterScale)}
	}
	block, attn, mlp := *b, *b.Attn, *b.MLP
	attn.QKV, attn.Proj = adapted(attn.QKV), adapted(attn.Proj)
	mlp.FC1, mlp.FC2 = adapted(mlp.FC1), adapted(mlp.FC2)
	block.Attn, block.MLP = &attn, &mlp
	return &block, &Adapters{attn.QKV.Adapter, attn.Proj.Adapter, mlp.FC1.Adapter, mlp.FC2.Adapter}
}

// initialize draws A; B stays zero, so that a new model is what it would be without.
func (a *Adapters) initialize(rng *rand.Rand) {
	for _, l := range []*nn.Adapter{a.QKV, a.Proj, a.FC1, a.FC2} {
		nn.Normal(rng, l.A.Value, adapterGain/math.Sqrt(float64(l.A.Value.Dim(1))))
	}
}
