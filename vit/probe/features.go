package probe

import (
	"fmt"

	"github.com/promptcam/promptcam/autograd"
	"github.com/promptcam/promptcam/vit"
)

// Features turns the tokens [B, prefix+M, D] that enter block layer of b, from 0,
// to the class token after all blocks and the final norm, [B, D]. Layer b.Config.Depth
// means the tokens that leave the last block. The bits are those of the class row of
// vit.Model.Features, but of the last block no other row is computed. It does not
// release tokens. It panics if there is no such layer.
func Features(b *vit.Model, layer int, tokens *autograd.Var) *autograd.Var {
	depth := len(b.Blocks)
	if layer < 0 || layer > depth {
		panic(fmt.Sprintf("probe: Features: layer %d, the backbone has 0 to %d", layer, depth))
	}
	h, w := b.Config.Grid()
	x := b.Run(tokens, h, w, min(layer, depth-1), depth-1)
	class := autograd.Concat(autograd.Slice(x, 1, 0, 1)) // [B, 1, D], contiguous
	if layer < depth {
		last := b.Blocks[depth-1]
		q, kv := last.Query(class), last.Keys(x)
		y := autograd.Attend(q, last.Heads, kv) // [B, 1, D]
		q.Release()
		kv.Release()
		class = last.Update(class, y)
	}
	if x != tokens {
		x.Release()
	}
	return autograd.Reshape(b.Norm.Forward(class), tokens.Dim(0), -1) // [B, D]
}
