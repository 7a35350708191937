package promptcam

import (
	"context"
	"fmt"

	"github.com/promptcam/promptcam/tensor"
)

// ScoresWithout returns the scores [B, C] of images [B, 3, H, W], normalised as Transform does, with some of
// their patches removed. The tokens of these leave the sequence after the embedding, before the first block; the
// others keep their position embeddings, and all that follows is computed without them. Nothing is filled in, so
// the model sees no colour or edge that the image lacks, and no other token carries what was removed (Jain et
// al., "Missingness Bias in Model Debugging", ICLR 2022). To hide patches from class prompts in the last block
// alone is not that: what a patch showed has spread to other tokens by then.
//
// removed[i] lists the patches of image i, row-major from 0, in any order. Every image loses equally many,
// possibly none, but not all. It panics for other lists, or images that vit.Model.Embed does not take. The error
// is about a backbone with vit.Config.Window, or ctx's, which is heard between blocks, or a *ScoreError whose
// Index is the image's in the batch. It is safe for concurrent use.
func (m *Model) ScoresWithout(ctx context.Context, images *tensor.Tensor, removed [][]int) (*tensor.Tensor, error) {
	if w := m.Backbone.Config.Window; w > 0 {
		return nil, fmt.Errorf("promptcam: patches cannot be removed: the backbone's blocks see windows of %dx%[1]d patches, and all of these must be there: want a backbone without windows", w)
	}
	tape := m.tape(ctx)
	defer m.done(tape)
	x := m.tokens(tape.Const(images), m.kept(images.Dim(0), removed)) // [B, prefix+M-removed, D]
	scores := m.scores(x, m.prompts(tape, m.Class)).Value()           // [B, C]
	if err := tape.Err(); err != nil {
		return nil, err
	}
	for i := range removed {
		if err := checkScores(i, scores.Select(0, i).Data()); err != nil {
			return nil, err
		}
	}
	return scores.Clone(), nil
}

// kept returns, for autograd.Gather, the rows of the tokens that are left: of each image the prefix and all
// patches but the removed, in order.
func (m *Model) kept(images int, removed [][]int) []int {
	prefix, patches := m.Backbone.Config.Prefix(), m.patches()
	if len(removed) != images {
		panic(fmt.Sprintf("promptcam: ScoresWithout: %d lists of patches for %d images", len(removed), images))
	}
	rows := make([]int, 0, images*(prefix+patches))
	for i, list := range removed {
		if len(list) != len(removed[0]) || len(list) >= patches {
			panic(fmt.Sprintf("promptcam: ScoresWithout: image %d loses %d of %d patches, the first %d: want equally many, and not all", i, len(list), patches, len(removed[0])))
		}
		gone := make([]bool, patches)
		for _, p := range list {
			if p < 0 || p >= patches || gone[p] {
				panic(fmt.Sprintf("promptcam: ScoresWithout: image %d loses patches %v: want each once, from 0 to %d", i, list, patches-1))
			}
			gone[p] = true
		}
		for row := range prefix + patches {
			if row < prefix || !gone[row-prefix] {
				rows = append(rows, row)
			}
		}
	}
	return rows
}
