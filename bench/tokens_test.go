package bench

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/promptcam/promptcam/autograd"
	"github.com/promptcam/promptcam/nn"
	"github.com/promptcam/promptcam/nn/optim"
	"github.com/promptcam/promptcam/promptcam"
)

// BenchmarkTokens is a step of training on the tokens of 32 images that enter the last
// layer, where prompts see a quarter of the patches and nothing else: without and with
// a change of low rank of that layer.
func BenchmarkTokens(b *testing.B) {
	const batch = 32
	for _, c := range sizes {
		v := backbone(b, c.name)
		tokens, labels := random(batch, v.Config.Prefix()+14*14, v.Config.Dim), make([]int, batch)
		for i := range labels {
			labels[i] = i % c.classes
		}
		for _, rank := range []int{0, 16} {
			config := promptcam.Config{Mode: promptcam.Last, Classes: c.classes, PatchesOnly: true, PatchDropout: 0.75, Rank: rank}
			m, err := promptcam.New(v, config, rand.New(rand.NewPCG(1, 2)))
			require.NoError(b, err)
			opt := optim.AdamW{WeightDecay: 0.01}.New(nn.Params(m))
			tape := &autograd.Tape{Rand: rand.New(rand.NewPCG(1, 3))}
			b.Run(fmt.Sprintf("%s_C%d_rank%d", c.name, c.classes, rank), func(b *testing.B) {
				measure(b, batch, "images/s", func() {
					scores := m.ScoresOf(tape.Const(tokens))
					opt.Step(0.01, tape.Backward(autograd.CrossEntropy(scores, labels)))
					tape.Reset()
				})
			})
		}
	}
}
