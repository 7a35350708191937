package promptcam

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Config describes a Prompt-CAM on a backbone. It is saved with the model, as JSON. A zero field is off.
type Config struct {
	Mode    Mode
	Classes int // C, one class prompt each

	// Agnostic is P, the number of class-agnostic prompts in each block before the class prompts; their
	// outputs are dropped. The authors' code sets P = C, but a hundred untrained prompts per block drown the
	// tokens. Modes Shallow and Last have none.
	Agnostic int

	// PatchesOnly lets class prompts attend to patches alone in the last block, not to each other, the class
	// token or registers. A map then shows all that its head read there. Not in the paper.
	PatchesOnly bool

	// PatchDropout is the share of patches hidden from class prompts in a training step, drawn for each image
	// and the same in all blocks with class prompts. Tokens still attend to all patches. Not in the paper.
	PatchDropout float32

	// Rank, if not 0, adds LoRA (Hu et al., arXiv 2106.09685) of this rank to the last block: queries, keys,
	// values, projection and MLP. Only class prompts pass through that block, and all share the change. Use
	// AdamW: with SGD the adapters hardly learn. Not in the paper.
	Rank int

	// RankScale multiplies the adapters' product, W + RankScale·B·A. New replaces 0 by 1/900, which suits the
	// learning rate of prompts.
	RankScale float32 `json:",omitzero"`

	PromptDropout float32 // dropout of the prompts' elements, the same for all images of a training step
	DropPath      float32 // stochastic depth of the last block in training; it rises linearly from 0 in the first
}

// Mode says where the class prompts enter: [Deep], [Shallow], [Last] or [FromLayer], as text "deep", "shallow",
// "last" or "from:N". Config.Validate checks it.
type Mode string

const (
	// Deep is the paper's mode: class-agnostic prompts in all blocks but the last, and class prompts in the
	// last.
	Deep Mode = "deep"
	// Shallow inserts class prompts before the first block; they pass through all.
	Shallow Mode = "shallow"
	// Last has class prompts in the last block and no others, so the tokens that enter it can be cached.
	Last Mode = "last"
)

// FromLayer is the mode with class-agnostic prompts in the layers before i, from 1, and class prompts from
// layer i on. FromLayer(1) is Shallow, and FromLayer of the number of layers Deep.
func FromLayer(i int) Mode { return Mode(fmt.Sprintf("from:%d", i)) }

// first returns the block, from 0, at which class prompts enter, of depth blocks.
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
	if i < 1 {
		return 0, fmt.Errorf("promptcam: mode %q: want a layer of at least 1", string(m))
	}
	if i > depth {
		return 0, fmt.Errorf("promptcam: mode %q: want a layer from 1 to %d", string(m), depth)
	}
	return i - 1, nil
}

// Validate returns an error about the first setting that does not fit a backbone of depth layers.
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

// keptPatches returns how many of an image's patches PatchDropout keeps.
func (c Config) keptPatches(patches int) int {
	return max(1, int(math.Round(float64(patches)*(1-float64(c.PatchDropout)))))
}

// maxPrompts is beyond any data set. Without it, a damaged file's config could ask for any amount of memory.
const maxPrompts = 1 << 20
