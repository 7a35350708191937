package probe

import (
	"fmt"

	"github.com/promptcam/promptcam/autograd"
	"github.com/promptcam/promptcam/vit"
)

// Features returns the class token after all blocks and the final norm, [B, D], from the tokens [B, prefix+M,
// D] that enter block layer of b, from 0; layer b.Config.Depth means those that leave the last block. It has
// the same bits as the class row of vit.Model.Features, but computes no other row of the last block. It
// panics if there is no such layer.
func Features(b *vit.Model, layer int, tokens *autograd.Var) *autograd.Var {
	depth := len(b.Blocks)
	if layer < 0 || layer > depth {
		panic(fmt.Sprintf("probe: Features: layer %d, the backbone has 0 to %d", layer, depth))
	}
	f := tokens.Tape().Frame()
	var class *autograd.Var // [B, 1, D]
	if layer == depth {
		class = b.Norm.Forward(autograd.Concat(autograd.Slice(tokens, 1, 0, 1)))
	} else {
		h, w := b.Config.Grid()
		class, _ = b.Class(b.Run(tokens, h, w, layer, depth-1))
	}
	return f.Keep(autograd.Reshape(class, tokens.Dim(0), -1)) // [B, D]
}
