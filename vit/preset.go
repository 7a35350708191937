package vit

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// sizes are the usual names of widths and depths.
var sizes = []struct {
	name, letters string
	dim, depth    int
}{{"tiny", "ti", 192, 12}, {"small", "s", 384, 12}, {"base", "b", 768, 12}, {"large", "l", 1024, 24}, {"huge", "h", 1280, 32}, {"giant", "g", 1408, 40}, {"giant", "g", 1536, 40}}

// Kind returns size and patches of c, such as ViT-Ti/16.
func (c Config) Kind() string {
	for _, s := range sizes {
		if s.dim == c.Dim && s.depth == c.Depth {
			return fmt.Sprintf("ViT-%s%s/%d", strings.ToUpper(s.letters[:1]), s.letters[1:], c.PatchSize)
		}
	}
	return fmt.Sprintf("ViT of %d blocks of width %d with patches of %d pixels", c.Depth, c.Dim, c.PatchSize)
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
	var all []Config
	add := func(family string, common Config, patch int, letters ...string) {
		for _, size := range sizes {
			if !slices.Contains(letters, size.letters) {
				continue
			}
			c := common
			c.PatchSize = patch
			c.ImageSize = [2]int{224, 224}
			c.Dim, c.Depth = size.dim, size.depth
			c.Heads, c.Hidden = c.Dim/64, 4*c.Dim // as in every published family here
			c.Name = fmt.Sprintf("%s-vit%s%d", family, size.letters, patch)
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

// families are the names of the families, those that contain another first.
var families = []string{"dinov2", "dino", "deit", "mae", "augreg", "bioclip", "clip"}

// Preset returns the preset of that name. The error for an unknown name lists those of the family, size and
// patches that it names in timm's, Meta's or Hugging Face's way, such as vit_tiny; failing that, the presets that
// contain it or share the longest beginning with it; or all if none does.
func Preset(name string) (Config, error) {
	presets := Presets()
	if i := slices.IndexFunc(presets, func(c Config) bool { return c.Name == name }); i >= 0 {
		return presets[i], nil
	}
	typed := strings.ToLower(name)
	if near := resembling(typed); near != nil {
		return Config{}, fmt.Errorf("vit: no preset %q; near it: %s", name, strings.Join(near, ", "))
	}
	near, shared := nearest(typed)
	if shared > 0 {
		return Config{}, fmt.Errorf("vit: no preset %q; near it: %s", name, strings.Join(near, ", "))
	}
	return Config{}, fmt.Errorf("vit: no preset %q; there are %s", name, strings.Join(near, ", "))
}

// resembling returns the presets that others call typed: vit_tiny_patch16_224, dino_vitbase8, deit-small.
func resembling(typed string) (names []string) {
	i := slices.IndexFunc(families, func(f string) bool { return strings.Contains(typed, f) })
	family := "augreg" // timm's default
	if i >= 0 {
		family = families[i]
	} else if !strings.Contains(typed, "vit") {
		return nil
	}
	for _, size := range sizes {
		if !strings.Contains(typed, size.name) {
			continue
		}
		var patched []string // of the patches that are named too
		for _, c := range Presets() {
			if strings.HasPrefix(c.Name, fmt.Sprintf("%s-vit%s%d", family, size.letters, c.PatchSize)) {
				names = append(names, c.Name)
				if strings.Contains(typed, fmt.Sprint("patch", c.PatchSize)) || strings.Contains(typed, fmt.Sprint(size.name, c.PatchSize)) {
					patched = append(patched, c.Name)
				}
			}
		}
		if patched != nil {
			return patched
		}
	}
	return names
}

// nearest returns the presets that contain typed, or share the longest beginning with it, and its length.
func nearest(typed string) (names []string, shared int) {
	for _, c := range Presets() {
		n := len(typed)
		if !strings.Contains(c.Name, typed) {
			for !strings.HasPrefix(c.Name, typed[:n]) {
				n--
			}
		}
		if n > shared {
			names, shared = nil, n
		}
		if n == shared {
			names = append(names, c.Name)
		}
	}
	return names, shared
}
