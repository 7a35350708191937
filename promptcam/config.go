package promptcam

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Config describes a Prompt-CAM on top of a backbone. Zero fields mean "off".
// It is saved as JSON with every model.
type Config struct {
	Mode    Mode
	Classes int // C, one class-specific prompt each

	// Agnostic is P, the number of class-agnostic prompts that join the tokens
	// in each layer before the class prompts, and whose outputs are thrown
	// away. The authors' code has P = C; a hundred untrained prompts in each
	// layer drown the tokens, so it is a setting of its own here. Modes Shallow
	// and Last have none.
	Agnostic int

	// PatchesOnly makes class prompts in the last layer look at patches alone,
	// not at each other, the class token or registers: a map then shows all
	// that its head took in there. Not in the paper.
	PatchesOnly bool

	// PatchDropout is the share of the patches that class prompts do not see in a
	// training step, drawn for each image: the same in all layers that they are carried
	// through. Tokens go on seeing all of them. Not in the paper.
	PatchDropout float32

	// Rank, if not 0, adds LoRA (Hu et al., arXiv 2106.09685) of this rank to the last block's
	// weights: queries, keys, values, projection and MLP. Only the class prompts pass
	// through that block, and all of them share the change. Use AdamW: with SGD the
	// adapters hardly learn. Not in the paper.
	Rank int

	// RankScale multiplies the adapters' product, W + RankScale·B·A. New replaces 0 by its own,
	// 1/900, which suits the learning rate of prompts; it is saved with the model.
	RankScale float32 `json:",omitzero"`

	PromptDropout float32 // probability of an element of a prompt being zero in a training step, for all its images
	DropPath      float32 // stochastic depth of the last block in training; earlier ones rise to it evenly from 0
}

// Mode says where the class prompts enter; see method FromLayer.
type Mode string

const (
	// Deep is the paper's form: class-agnostic prompts in all layers but the
	// last, class prompts in the last.
	Deep Mode = "deep"
	// Shallow has class prompts enter the first layer and carries them through
	// all.
	Shallow Mode = "shallow"
	// Last has class prompts in the last layer and no others: what enters that
	// layer depends on nothing that is learned.
	Last Mode = "last"
)

// FromLayer is the mode with class-agnostic prompts before layer i, counted
// from 1, where class prompts enter and are carried on. FromLayer(1) is
// Shallow; at the number of layers it is Deep.
func FromLayer(i int) Mode { return Mode(fmt.Sprintf("from:%d", i)) }

// ParseMode reads "deep", "shallow", "last" or "from:N".
func ParseMode(s string) (Mode, error) {
	m := Mode(s)
	if _, err := m.first(1 << 30); err != nil {
		return "", err
	}
	return m, nil
}

// first returns the index of the layer, of depth in all, at which class prompts
// enter.
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

// Validate says what is wrong with c for a backbone of depth layers, or returns
// nil.
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

// seen returns how many of an image's patches class prompts see in a training step.
func (c Config) seen(patches int) int {
	return max(1, int(math.Round(float64(patches)*(1-float64(c.PatchDropout)))))
}

// maxPrompts is beyond any data set, so that a damaged file's config is an
// error and not an attempt to allocate.
const maxPrompts = 1 << 20
