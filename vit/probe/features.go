package probe

import (
	"context"
	"fmt"

	"github.com/promptcam/promptcam/autograd"
	"github.com/promptcam/promptcam/data"
	"github.com/promptcam/promptcam/tensor"
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

// Pooled returns, for N images of b's size, the class token and the mean of all other tokens, each scaled to
// length 1, side by side, [N, 2D]. The error is ctx's.
func Pooled(ctx context.Context, b *vit.Model, images []*data.RGB) (*tensor.Tensor, error) {
	const batch = 32
	d, c := b.Config.Dim, b.Config
	transform := data.EvalTransform(c.ImageSize, c.Mean, c.Std)
	out := tensor.New(len(images), 2*d)
	pixels := tensor.New(batch, 3, c.ImageSize[0], c.ImageSize[1])
	tape := autograd.Tape{NoGrad: true, Context: ctx}
	for from := 0; from < len(images); from += batch {
		now := images[from:min(from+batch, len(images))]
		for i, img := range now {
			transform.Normalise(pixels.Select(0, i).Data(), img)
		}
		x := b.Features(tape.Const(pixels.Slice(0, 0, len(now)))).Value() // [B, prefix+M, D]
		if err := tape.Err(); err != nil {
			return nil, err
		}
		for i := range now {
			row, tokens := out.Select(0, from+i).Data(), x.Select(0, i)
			copy(row[:d], tokens.Select(0, 0).Data())
			tensor.SumTo(tensor.FromSlice(row[d:], 1, d), tokens.Slice(0, 1, tokens.Dim(0)))
		}
		tape.Reset()
	}
	return autograd.Normalize(tape.Const(out.Reshape(-1, d))).Value().Reshape(len(images), 2*d), nil
}
