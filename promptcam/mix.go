package promptcam

import (
	"math/rand/v2"

	"github.com/promptcam/promptcam/data"
	"github.com/promptcam/promptcam/tensor"
)

// mixture is a batch in which each image has some patches of another: CutMix (Yun et al.,
// ICCV 2019, arXiv 1905.04899) with single patches in place of a box.
type mixture struct {
	own    float32 // share of the patches that are still the image's
	others []int   // [B], the images that the others come from
	labels []int   // [B], theirs

	tokens *tensor.Tensor // [B, R, D]
}

// draw makes m a mixture of b, of whose tokens the last n are patches. The same patches are
// exchanged in all images.
func (m *mixture) draw(rng *rand.Rand, b *data.Batch, n int) {
	images, rows := b.Values.Dim(0), b.Values.Dim(1)
	if m.tokens == nil || m.tokens.Dim(0) != images {
		m.tokens = tensor.New(b.Values.Shape()...)
	}
	tensor.CopyTo(m.tokens, b.Values)
	taken := rng.Perm(n)[:rng.IntN(n+1)]
	m.own = 1 - float32(len(taken))/float32(n)
	m.others = rng.Perm(images)
	m.labels = m.labels[:0]
	for i, other := range m.others {
		m.labels = append(m.labels, b.Labels[other])
		to, from := m.tokens.Select(0, i), b.Values.Select(0, other) // [R, D]
		for _, p := range taken {
			row := rows - n + p
			tensor.CopyTo(to.Slice(0, row, row+1), from.Slice(0, row, row+1))
		}
	}
}

// of returns the mixture of the images' values [B, C], such as a teacher's scores.
func (m *mixture) of(values *tensor.Tensor) *tensor.Tensor {
	mixed := tensor.New(values.Shape()...)
	for i, other := range m.others {
		row := mixed.Slice(0, i, i+1)
		tensor.ScaleTo(row, m.own, values.Slice(0, i, i+1))
		tensor.Axpy(row, 1-m.own, values.Slice(0, other, other+1))
	}
	return mixed
}
