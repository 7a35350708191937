package vit

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
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

// Statistics for normalising pixels: ImageNet's from torchvision, CLIP's from OpenAI's clip.load; AugReg's
// map [0, 1] to [-1, 1] (big_vision).
var (
	imagenetMean = [3]float32{0.485, 0.456, 0.406}
	imagenetStd  = [3]float32{0.229, 0.224, 0.225}
	clipMean     = [3]float32{0.48145466, 0.4578275, 0.40821073}
	clipStd      = [3]float32{0.26862954, 0.26130258, 0.27577711}
	half         = [3]float32{0.5, 0.5, 0.5}
)

// Presets returns the known published backbones, sorted by name. A name is the family and the size:
// "dino-vits16" is DINO's ViT-S with patches of 16 pixels.
//
//	augreg-vitti16, augreg-vits16, augreg-vitb16  Steiner et al. 2021, timm's vit_{tiny,small,base}_patch16_224
//	bioclip-vitb16                                Stevens et al. 2023, image tower
//	clip-vitb16                                   Radford et al. 2021 (OpenAI's weights), image tower
//	deit-vitti16, deit-vits16, deit-vitb16        Touvron et al. 2020, without distillation token
//	dino-vits16, dino-vits8, dino-vitb16, -vitb8  Caron et al. 2021
//	dinov2-vits14, dinov2-vitb14, dinov2-vitl14   Oquab et al. 2023; each also with 4 registers, such as dinov2-vits14-reg
//	mae-vitb16                                    He et al. 2021
//
// DINOv2's weights were last trained at 518 pixels and have 37x37 position embeddings; its presets use 224,
// as its authors' evaluation and Prompt-CAM do, since 518 costs more than five times as much. Load resizes
// position embeddings to ImageSize.
//
// AugReg and DeiT have a classifier of 1,000 labels; with Labels set to 0, Load ignores it.
func Presets() []Config {
	shapes := map[string][2]int{"ti": {192, 12}, "s": {384, 12}, "b": {768, 12}, "l": {1024, 24}}
	var all []Config
	add := func(family string, common Config, patch int, sizes ...string) {
		for _, size := range sizes {
			c := common
			c.PatchSize = patch
			c.ImageSize = [2]int{224, 224}
			c.Dim, c.Depth = shapes[size][0], shapes[size][1]
			c.Heads, c.Hidden = c.Dim/64, 4*c.Dim // as in every published family here
			c.Name = fmt.Sprintf("%s-vit%s%d", family, size, patch)
			if c.Registers > 0 {
				c.Name += "-reg"
			}
			all = append(all, c)
		}
	}
	imagenet := Config{Eps: 1e-6, Mean: imagenetMean, Std: imagenetStd}
	add("dino", imagenet, 16, "s", "b")
	add("dino", imagenet, 8, "s", "b")
	add("mae", imagenet, 16, "b")

	dinov2 := imagenet
	dinov2.LayerScale = true
	add("dinov2", dinov2, 14, "s", "b", "l")
	dinov2.Registers = 4
	dinov2.NoClassPos = true // as in timm's files; Meta's, which have a class position, load too
	add("dinov2", dinov2, 14, "s", "b", "l")

	deit := imagenet
	deit.Labels = 1000
	add("deit", deit, 16, "ti", "s", "b")
	add("augreg", Config{Eps: 1e-6, Mean: half, Std: half, Labels: 1000}, 16, "ti", "s", "b")

	// BioCLIP was trained from OpenAI's weights with open_clip's --pretrained openai (slurm/train.sh in
	// Imageomics/bioclip), which implies quick GELU. Its published open_clip_config.json omits that, so
	// open_clip runs it with plain GELU: mlfoundations/open_clip issue 771.
	clip := Config{Eps: 1e-5, Mean: clipMean, Std: clipStd, PreNorm: true, QuickGELU: true}
	add("clip", clip, 16, "b")
	add("bioclip", clip, 16, "b")

	slices.SortFunc(all, func(a, b Config) int { return cmp.Compare(a.Name, b.Name) })
	return all
}

// Preset returns the preset of that name. The error for an unknown name lists the presets that contain it or
// share the longest beginning with it, or all if none does.
func Preset(name string) (Config, error) {
	var near []string
	most := 0
	typed := strings.ToLower(name)
	for _, c := range Presets() {
		if c.Name == name {
			return c, nil
		}
		n := len(typed)
		if !strings.Contains(c.Name, typed) {
			for !strings.HasPrefix(c.Name, typed[:n]) {
				n--
			}
		}
		if n > most {
			near, most = nil, n
		}
		if n == most {
			near = append(near, c.Name)
		}
	}
	if most > 0 {
		return Config{}, fmt.Errorf("vit: no preset %q; near it: %s", name, strings.Join(near, ", "))
	}
	return Config{}, fmt.Errorf("vit: no preset %q; there are %s", name, strings.Join(near, ", "))
}
