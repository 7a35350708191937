package promptcam

import (
	"math"
	"math/rand/v2"

	"github.com/promptcam/promptcam/nn"
	"github.com/promptcam/promptcam/vit"
)

// Adapters are the LoRA matrices of the last block, where Config.Rank is not 0.
type Adapters struct {
	QKV  *nn.Adapter `state:"qkv"`
	Proj *nn.Adapter `state:"proj"`
	FC1  *nn.Adapter `state:"fc1"`
	FC2  *nn.Adapter `state:"fc2"`
}

// newScale is 1/k² for k = 30. With AdamW, prompts learn best at a rate of about 0.06, and ordinary LoRA
// (scale 1, A of standard deviation 1/sqrt(in)) at 0.06/k = 0.002, but the optimizer has one rate. AdamW's
// steps do not depend on the gradient's length. So if A and B are k times as large and the scale is 1/k², a
// step moves their product as a step at rate/k would:
//
//	(k·A + rate·a)·(k·B + rate·b)/k² = (A + rate/k·a)·(B + rate/k·b)
//
// Only weight decay acts at the full rate. SGD's steps are proportional to the gradient, so with SGD adapters
// learn at rate/k²: hardly at all.
const newScale = 1. / (30 * 30)

// oldScale is the scale of files from before Config.RankScale. It must not change.
const oldScale = 1. / 900

// adapt returns a copy of the block with the same parameters and new adapters, all zero.
func adapt(b *vit.Block, c Config) (*vit.Block, *Adapters) {
	adapted := func(l *nn.Linear) *nn.Linear {
		return &nn.Linear{Weight: l.Weight, Bias: l.Bias, Adapter: nn.NewAdapter(l, c.Rank, c.RankScale)}
	}
	block, attn, mlp := *b, *b.Attn, *b.MLP
	attn.QKV, attn.Proj = adapted(attn.QKV), adapted(attn.Proj)
	mlp.FC1, mlp.FC2 = adapted(mlp.FC1), adapted(mlp.FC2)
	block.Attn, block.MLP = &attn, &mlp
	return &block, &Adapters{attn.QKV.Adapter, attn.Proj.Adapter, mlp.FC1.Adapter, mlp.FC2.Adapter}
}

// initialize draws A. B stays zero, so a new model scores as it would without adapters.
func (a *Adapters) initialize(rng *rand.Rand) {
	for _, l := range []*nn.Adapter{a.QKV, a.Proj, a.FC1, a.FC2} {
		nn.Normal(rng, l.A, gain(l.Scale)/math.Sqrt(float64(l.A.Value.Dim(1))))
	}
}

// gain returns k for a scale of 1/k²: exactly 30 for newScale.
func gain(scale float32) float64 { return float64(float32(1 / math.Sqrt(float64(scale)))) }
