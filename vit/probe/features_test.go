package probe

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/promptcam/promptcam/autograd"
	"github.com/promptcam/promptcam/nn"
	"github.com/promptcam/promptcam/tensor"
	"github.com/promptcam/promptcam/vit"
)

func TestFeaturesAreTheClassRow(t *testing.T) {
	plain := vit.Config{ImageSize: [2]int{12, 12}, PatchSize: 4, Dim: 24, Depth: 3, Heads: 3, Hidden: 40, Eps: 1e-6, Mean: [3]float32{.5, .5, .5}, Std: [3]float32{.5, .5, .5}}
	registers := plain
	registers.Registers, registers.NoClassPos, registers.LayerScale = 4, true, true
	single := plain
	single.Depth, single.PreNorm, single.QuickGELU = 1, true, true
	windows := registers
	windows.Window = 3
	for name, c := range map[string]vit.Config{"plain": plain, "registers": registers, "one layer": single, "windows": windows} {
		t.Run(name, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(1, 2))
			b, err := vit.New(c, rng)
			require.NoError(t, err)
			nn.Uniform(rng, b.ClassToken, 1)
			for _, block := range b.Blocks {
				if block.LS1 != nil { // New's let tokens hardly change
					block.LS1.Gamma.Value.Fill(0.7)
				}
			}
			nn.Freeze(b)
			images := tensor.New(5, 3, 12, 12)
			nn.Uniform(rng, &autograd.Param{Value: images}, 1)

			tp := &autograd.Tape{NoGrad: true}
			all := b.Features(tp.Const(images)).Value()
			want := all.Select(1, 0).Clone() // [B, D]
			x := b.Embed(tp.Const(images))
			for layer := range c.Depth + 1 {
				if layer > 0 {
					x = b.Run(x, 3, 3, layer-1, layer)
				}
				before := x.Value().Clone()
				got := Features(b, layer, x).Value()
				assert.Equal(t, before.Data(), x.Value().Data(), "the tokens are still the caller's")
				assert.Equal(t, want.Data(), got.Data())
			}
			for _, layer := range []int{-1, c.Depth + 1} {
				assert.PanicsWithValue(t, fmt.Sprintf("probe: Features: layer %d, the backbone has 0 to %d", layer, c.Depth), func() { Features(b, layer, x) })
			}
		})
	}
}
