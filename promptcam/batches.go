package promptcam

import (
	"context"
	"fmt"
	"iter"
	"slices"

	"github.com/promptcam/promptcam/autograd"
	"github.com/promptcam/promptcam/data"
)

// Batches is a source of images, such as data.Loader, or of the tokens that frozen layers computed from
// them, such as features.Loader.
type Batches interface {
	// Epoch returns the batches of an epoch, of the images that the plan picks. A batch is valid until the
	// next one. An error ends the epoch.
	Epoch(ctx context.Context, p data.Plan) iter.Seq2[*data.Batch, error]
	Len() int     // images in an epoch
	Batches() int // batches in an epoch
}

// accepts returns an error unless m can take the batch: its images or tokens, and its classes.
func (m *Model) accepts(b *data.Batch) error {
	if b.Kind == data.Tokens {
		if err := m.acceptsTokens(b); err != nil {
			return err
		}
	} else if h, w, size := b.Values.Dim(2), b.Values.Dim(3), m.Backbone.Config.ImageSize; h != size[0] || w != size[1] {
		return fmt.Errorf("promptcam: the loader makes images of %dx%d pixels, the backbone wants %dx%d", h, w, size[0], size[1])
	}
	for i, label := range b.Labels {
		if label < 0 || label >= m.Config.Classes {
			return fmt.Errorf("promptcam: image %d of the loader has class %d, the model 0 to %d", b.Index[i], label, m.Config.Classes-1)
		}
	}
	return nil
}

func (m *Model) acceptsTokens(b *data.Batch) error {
	if _, ok := m.Layer(); !ok {
		return fmt.Errorf("promptcam: the loader has tokens in place of images: they depend on the %d class-agnostic prompts of mode %s", m.Config.Agnostic, m.Config.Mode)
	}
	c := m.Backbone.Config
	if want := []int{len(b.Labels), c.Prefix() + m.patches(), c.Dim}; !slices.Equal(b.Values.Shape(), want) {
		return fmt.Errorf("promptcam: the loader has tokens %v, the model wants %v", b.Values.Shape(), want)
	}
	return nil
}

// scoresOf returns the scores [B, C] of a batch that m accepts.
func (m *Model) scoresOf(tape *autograd.Tape, b *data.Batch) *autograd.Var {
	if b.Kind == data.Tokens {
		return m.ScoresOf(tape.Const(b.Values))
	}
	return m.Scores(tape.Const(b.Values))
}
