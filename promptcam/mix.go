package promptcam

import (
	"fmt"
	"math/rand/v2"

	"github.com/promptcam/promptcam/data"
	"github.com/promptcam/promptcam/tensor"
)

// CutMix gives each image of a step a random share of another image's patches, and mixes labels and teacher's
// scores in the same proportion (Yun et al., ICCV 2019, arXiv 1905.04899, with single patches in place of a
// box). It needs tokens in place of images. A Share of 0 turns it off.
//
// With Until, prompts first learn where to look, since a trait's surroundings may be another image's, and
// then the small traits, for which images must be whole.
type CutMix struct {
	Share float64 `knob:"mix" json:"mix" group:"Training" default:"0" range:"[0,1]" arg:"share" help:"share of the steps with CutMix: each image gets patches of another image, and a share of its label (needs cached features)"`
	Until float64 `knob:"mix-until" json:"mix-until" default:"0" range:"[0,1]" arg:"share" help:"share of the epochs after which CutMix ends and images stay whole; 0: never"`
}

// Validate returns an error unless both are shares.
func (c CutMix) Validate() error {
	switch {
	case !share(c.Share):
		return fmt.Errorf("promptcam: mix %v, want a share from 0 to 1", c.Share)
	case !share(c.Until):
		return fmt.Errorf("promptcam: mix until %v, want a share from 0 to 1", c.Until)
	}
	return nil
}

// in reports whether epoch n, from 0, has steps with CutMix.
func (c CutMix) in(n, epochs int) bool {
	return c.Share > 0 && (c.Until == 0 || float64(n) < c.Until*float64(epochs))
}

// mixture is a batch in which each image has some patches of another image.
type mixture struct {
	own    float32 // share of the patches that each image keeps
	others []int   // [B], the images that the other patches come from
	labels []int   // [B], of those images

	tokens *tensor.Tensor // [B, R, D]
}

// draw makes m a mixture of b. The last n tokens are patches; all images exchange the same ones.
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

// of mixes values [B, C] of the images, such as a teacher's scores, in the same way.
func (m *mixture) of(values *tensor.Tensor) *tensor.Tensor {
	mixed := tensor.New(values.Shape()...)
	for i, other := range m.others {
		row := mixed.Slice(0, i, i+1)
		tensor.ScaleTo(row, m.own, values.Slice(0, i, i+1))
		tensor.Axpy(row, 1-m.own, values.Slice(0, other, other+1))
	}
	return mixed
}
