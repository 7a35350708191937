package promptcam

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Config describes a Prompt-CAM on a backbone. A zero field turns its feature off. Every model is saved
// with its Config, as JSON.
type Config struct {
	Mode    Mode
	Classes int // C, one class-specific prompt each

	// Agnostic is P, the number of class-agnostic prompts. They join the tokens in each layer before
	// the class prompts, and their outputs are dropped. The authors' code sets P = C, but a
	// hundred untrained prompts per layer drown the tokens, so P can be chosen here. Modes
	// Shallow and Last have none.
	Agnostic int

	// PatchesOnly makes class prompts look at patches alone in the last layer, not at each other, the
	// class token or registers. A map then shows everything that its head read there. Not
	// in the paper.
	PatchesOnly bool

	// PatchDropout is the share of patches that are hidden from class prompts in a training step. They
	// are drawn for each image, and are the same in all layers that carry class prompts. Tokens
	// still see all patches. Not in the paper.
	PatchDropout float32

	// Rank, if not 0, adds LoRA (Hu et al., arXiv 2106.09685) of this rank to the last block's
	// weights: queries, keys, values, projection and MLP. Only the class prompts pass
	// through that block, and all of them share the change. Use AdamW: with SGD the
	// adapters hardly learn. Not in the paper.
	Rank int

	// RankScale multiplies the adapters' product, W + RankScale·B·A. New replaces 0 by its own,
	// 1/900, which suits the learning rate of prompts; it is saved with the model.
	RankScale float32 `json:",omitzero"`

	PromptDropout float32 // dropout of the prompts' elements, the same for all images of a training step
	DropPath      float32 // stochastic depth of the last block in training; it rises to that linearly from 0 in the first
}

// Mode says where the class prompts enter: [Deep], [Shallow], [Last] or [FromLayer].
type Mode string

const (
	// Deep is the paper's mode: class-agnostic prompts in all layers but the last, and class prompts
	// in the last.
	Deep Mode = "deep"
	// Shallow inserts class prompts before the first layer and carries them through all.
	Shallow Mode = "shallow"
	// Last has class prompts in the last layer and no others, so the tokens that enter that layer
	// depend on nothing learned and can be cached.
	Last Mode = "last"
)

// FromLayer is the mode with class-agnostic prompts in the layers before i, counted from 1, and class
// prompts that enter at layer i and are carried on. FromLayer(1) is Shallow, and FromLayer of the
// number of layers is Deep.
func FromLayer(i int) Mode { return Mode(fmt.Sprintf("from:%d", i)) }

// ParseMode reads "deep", "shallow", "last" or "from:N".
func ParseMode(s string) (Mode, error) {
	m := Mode(s)
	if _, err := m.first(1 << 30); err != nil {
		return "", err
	}
	return m, nil
}

// first returns the index of the layer, of depth in all, at which class prompts enter.
func (m Mode) first(depth int) (int, error) {
	switch m {
	case Deep, Last:
		return depth - 1, nil
	case Shallow:
		return 0, nil
	}
	number, ok := strings.CutPrefix(string(m), "from:")
	i, err := strconv.Atoi(number)
	if !ok || err != nil {
		return 0, fmt.Errorf("promptcam: mode %q, want deep, shallow, last or from:N", string(m))
	}
	if i < 1 || i > depth {
		return 0, fmt.Errorf("promptcam: mode %q: want a layer from 1 to %d", string(m), depth)
	}
	return i - 1, nil
}

// Validate returns an error that names the first setting that makes no sense for a backbone of depth
// layers.
func (c Config) Validate(depth int) error {
	first, err := c.Mode.first(depth)
	switch {
	case err != nil:
		return err
	case c.Classes < 2 || c.Classes > maxPrompts:
		return fmt.Errorf("promptcam: %d classes, want 2 to %d", c.Classes, maxPrompts)
	case c.Agnostic < 0 || c.Agnostic > maxPrompts:
		return fmt.Errorf("promptcam: %d class-agnostic prompts, want 0 to %d", c.Agnostic, maxPrompts)
	case c.Agnostic > 0 && (c.Mode == Last || first == 0):
		return fmt.Errorf("promptcam: %d class-agnostic prompts, but mode %s has none", c.Agnostic, c.Mode)
	case c.Rank < 0:
		return fmt.Errorf("promptcam: adapters of rank %d, want at least 0", c.Rank)
	case !(c.RankScale >= 0 && c.RankScale <= math.MaxFloat32):
		return fmt.Errorf("promptcam: adapters of scale %v, want a finite number, at least 0", c.RankScale)
	case !(c.PatchDropout >= 0 && c.PatchDropout < 1):
		return fmt.Errorf("promptcam: patch dropout %v, want at least 0 and less than 1", c.PatchDropout)
	case !(c.PromptDropout >= 0 && c.PromptDropout < 1):
		return fmt.Errorf("promptcam: prompt dropout %v, want at least 0 and less than 1", c.PromptDropout)
	case !(c.DropPath >= 0 && c.DropPath < 1):
		return fmt.Errorf("promptcam: drop path %v, want at least 0 and less than 1", c.DropPath)
	}
	return nil
}

// seen returns the number of an image's patches that class prompts see in a training step.
func (c Config) seen(patches int) int {
	return max(1, int(math.Round(float64(patches)*(1-float64(c.PatchDropout)))))
}

// maxPrompts is beyond any data set. A damaged file's config is thus an error and not an attempt to
// allocate.
const maxPrompts = 1 << 20
