package vit

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
)

// Config describes a vision transformer: its shape, and the few choices in which the published families
// differ. Zero means "off". Checkpoints contain it as JSON.
type Config struct {
	Name      string // of the preset, such as "dino-vits16"; informative only
	ImageSize [2]int // height and width in pixels, multiples of PatchSize
	PatchSize int    // P, pixels
	Dim       int    // D, width of a token
	Depth     int    // N, blocks
	Heads     int    // H, a divisor of Dim
	Hidden    int    // width of the hidden layer of each block's MLP
	Registers int    // learned extra tokens after the class token (DINOv2)

	Window int // side, in patches, of the attention windows in all blocks but the last (see Model.Run); 0: no windows

	NoClassPos bool // position embeddings for patches only (timm's no_embed_class); Load adds a file's class position to cls_token, which is equivalent
	PreNorm    bool // CLIP: a layer norm before the blocks; the patch embedding then has no bias
	QuickGELU  bool // x·sigmoid(1.702x) in place of GELU
	LayerScale bool // DINOv2: a learned factor per channel on each branch of a block

	Eps    float32    // of every layer norm
	Mean   [3]float32 // of the training pixels: red, green, blue in [0, 1]
	Std    [3]float32
	Labels int // outputs of the classifier; 0: none
}

// Grid returns the number of rows and columns of patches.
func (c Config) Grid() (h, w int) { return c.ImageSize[0] / c.PatchSize, c.ImageSize[1] / c.PatchSize }

// Prefix returns the number of tokens before the patches: the class token and the registers.
func (c Config) Prefix() int { return 1 + c.Registers }

// posRows returns the number of rows of pos_embed. Registers have no position.
func (c Config) posRows() int {
	h, w := c.Grid()
	if c.NoClassPos {
		return h * w
	}
	return 1 + h*w
}

// shapes returns the shapes of the parameters of architecture c, by name.
func (c Config) shapes() map[string][]int {
	d := c.Dim
	s := map[string][]int{
		"cls_token": {1, 1, d}, "pos_embed": {1, c.posRows(), d}, "patch_embed.proj.weight": {d, 3, c.PatchSize, c.PatchSize},
		"norm.weight": {d}, "norm.bias": {d},
	}
	linear := func(name string, out, in int) { s[name+".weight"], s[name+".bias"] = []int{out, in}, []int{out} }
	norm := func(name string) { s[name+".weight"], s[name+".bias"] = []int{d}, []int{d} }
	if c.PreNorm {
		norm("norm_pre")
	} else {
		s["patch_embed.proj.bias"] = []int{d}
	}
	if c.Registers > 0 {
		s["reg_token"] = []int{1, c.Registers, d}
	}
	if c.Labels > 0 {
		linear("head", c.Labels, d)
	}
	for i := range c.Depth {
		block := fmt.Sprintf("blocks.%d.", i)
		norm(block + "norm1")
		norm(block + "norm2")
		linear(block+"attn.qkv", 3*d, d)
		linear(block+"attn.proj", d, d)
		linear(block+"mlp.fc1", c.Hidden, d)
		linear(block+"mlp.fc2", d, c.Hidden)
		if c.LayerScale {
			s[block+"ls1.gamma"], s[block+"ls2.gamma"] = []int{d}, []int{d}
		}
	}
	return s
}

// size returns the number of parameters without biases, norms and the like.
func (c Config) size() int {
	return c.Depth*(4*c.Dim*c.Dim+2*c.Dim*c.Hidden) + (c.posRows()+c.Registers+3*c.PatchSize*c.PatchSize+c.Labels)*c.Dim
}

// Limits far above any published model, so that the config of a damaged checkpoint is an error, not an
// attempt to allocate.
const (
	maxImage = 1 << 14
	maxGrid  = 1 << 16 // patches
	maxWidth = 1 << 16
	maxDepth = 1 << 10
	maxLabel = 1 << 20
	maxSize  = 1 << 33 // parameters
	maxName  = 1 << 8  // bytes
)

// Validate returns an error that lists all faults of c, or nil.
func (c Config) Validate() error {
	var faults []error
	fault := func(format string, a ...any) { faults = append(faults, fmt.Errorf(format, a...)) }
	within := func(name string, v, low, high int) bool {
		if v < low || v > high {
			fault("%s is %d, want %d to %d", name, v, low, high)
			return false
		}
		return true
	}
	if within("PatchSize", c.PatchSize, 1, maxImage) {
		for i, side := range [2]string{"height", "width"} {
			if s := c.ImageSize[i]; within("image "+side, s, 1, maxImage) && s%c.PatchSize != 0 {
				fault("image %s is %d, want a multiple of the patch size %d", side, s, c.PatchSize)
			}
		}
	}
	if within("Dim", c.Dim, 1, maxWidth) && within("Heads", c.Heads, 1, maxWidth) && c.Dim%c.Heads != 0 {
		fault("Dim is %d, want a multiple of the %d heads", c.Dim, c.Heads)
	}
	if !within("length of Name", len(c.Name), 0, maxName) {
		c.Name = c.Name[:maxName] // for the message
	}
	within("Depth", c.Depth, 1, maxDepth)
	within("Hidden", c.Hidden, 1, maxWidth)
	within("Registers", c.Registers, 0, maxDepth)
	within("Labels", c.Labels, 0, maxLabel)
	within("Window", c.Window, 0, maxImage)
	if !(c.Eps > 0) || c.Eps > 1 {
		fault("Eps is %v, want a small positive number such as 1e-6", c.Eps)
	}
	if slices.ContainsFunc(c.Mean[:], func(m float32) bool { return !(math.Abs(float64(m)) <= math.MaxFloat32) }) {
		fault("Mean is %v, want finite numbers", c.Mean)
	}
	if slices.ContainsFunc(c.Std[:], func(s float32) bool { return !(s > 0 && s <= math.MaxFloat32) }) {
		fault("Std is %v, want positive numbers", c.Std)
	}
	if len(faults) == 0 {
		h, w := c.Grid()
		if h*w > maxGrid {
			fault("it would have %dx%d patches, want at most %d in all", h, w, maxGrid)
		}
		if c.Window > 0 && (h%c.Window != 0 || w%c.Window != 0) {
			fault("%dx%d patches are no whole number of windows of %dx%[3]d", h, w, c.Window)
		}
		if c.size() > maxSize {
			fault("it would have %d parameters, want at most %d", c.size(), maxSize)
		}
	}
	if len(faults) > 0 {
		return fmt.Errorf("vit: config %q: %w", c.Name, errors.Join(faults...))
	}
	return nil
}

// ReadConfig reads a valid Config as JSON, with the names of its fields and no others.
func ReadConfig(r io.Reader) (c Config, err error) {
	d := json.NewDecoder(r)
	d.DisallowUnknownFields()
	if err := d.Decode(&c); err != nil {
		return c, fmt.Errorf("vit: config: want a JSON object with the fields of Config: %w", err)
	}
	return c, c.Validate()
}
