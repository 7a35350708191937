package vit

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/promptcam/promptcam/tensor/checkpoint"
)

// Header is a file's table of contents, which Detect reads. *checkpoint.File implements it.
type Header interface {
	Path() string
	Names() []string
	Info(name string) (info checkpoint.Info, ok bool)
}

// Detect returns the preset of a file's weights, with Labels set to the size of its classifier, or, if its
// metadata "config" is a Config as JSON, as in files of examples/pretrain, that Config.
//
// Names and shapes identify DINOv2 and DINO with patches of 8 pixels. AugReg, DeiT, DINO and MAE share names
// and shapes but not pixel statistics; the many CLIPs differ in their activation. They are told apart by a
// head with 1,000 outputs, tensors left by a training program, or the published name of the file, such as
// dino_vitbase16_pretrain.pth, or of its folder, if the file's is a common one, such as model.safetensors.
// Detect does not guess: if several presets remain, its error lists them.
func Detect(h Header) (Config, error) {
	c, err := detect(h)
	if err != nil {
		return Config{}, fmt.Errorf("vit: detect architecture of %s: %w", h.Path(), err)
	}
	return c, nil
}

func detect(h Header) (Config, error) {
	if m, ok := h.(interface{ Metadata() map[string]string }); ok {
		c, err := ReadConfig(strings.NewReader(m.Metadata()["config"]))
		if err == nil { // else it is something else: "config" is a common name
			return c, nil
		}
	}
	seen, err := shapeOf(h)
	if err != nil {
		return Config{}, err
	}
	var fit []Config
	for _, c := range Presets() {
		if c.PatchSize == seen.PatchSize && c.Dim == seen.Dim && c.Depth == seen.Depth && c.Hidden == seen.Hidden &&
			c.Registers == seen.Registers && c.PreNorm == seen.PreNorm && c.LayerScale == seen.LayerScale {
			fit = append(fit, c)
		}
	}
	if len(fit) == 0 {
		return Config{}, fmt.Errorf("no preset has %d blocks of width %d (hidden %d), patches of %d pixels and %d registers (layer scale: %t, norm before the blocks: %t): state the architecture (-arch)",
			seen.Depth, seen.Dim, seen.Hidden, seen.PatchSize, seen.Registers, seen.LayerScale, seen.PreNorm)
	}
	likely := fit
	if seen.Labels == 1000 {
		likely = filter(fit, func(c Config) bool { return c.Labels == 1000 })
	}
	if family := familyHint(h); len(likely) != 1 && family != "" {
		likely = filter(fit, func(c Config) bool { return strings.HasPrefix(c.Name, family+"-") })
	}
	if len(likely) != 1 {
		if len(likely) == 0 {
			likely = fit
		}
		var names []string
		for _, c := range likely {
			names = append(names, c.Name)
		}
		differ := "what pixels were normalised with"
		if seen.PreNorm {
			differ = "the activation (quick GELU, as in these, or GELU)"
		}
		return Config{}, fmt.Errorf("names and shapes are those of %s and others that differ in %s: state which it is (-arch)", strings.Join(names, ", "), differ)
	}
	c := likely[0]
	c.Labels = seen.Labels
	return c, nil
}

func filter(cs []Config, keep func(Config) bool) []Config {
	return slices.DeleteFunc(slices.Clone(cs), func(c Config) bool { return !keep(c) })
}

// shapeOf returns the fields of a Config that names and shapes determine.
func shapeOf(h Header) (Config, error) {
	l, err := recognise(slices.Sorted(slices.Values(h.Names())))
	if err != nil {
		return Config{}, err
	}
	size := func(ours string, i int) int { // 0 if there is none
		for _, name := range l.from[ours] {
			if info, _ := h.Info(name); i < len(info.Shape) {
				return info.Shape[i]
			}
		}
		return 0
	}
	c := Config{
		PatchSize:  size("patch_embed.proj.weight", 3),
		Dim:        size("patch_embed.proj.weight", 0),
		Hidden:     size("blocks.0.mlp.fc1.weight", 0),
		Registers:  size("reg_token", 1),
		PreNorm:    l.from["norm_pre.weight"] != nil,
		LayerScale: l.from["blocks.0.ls1.gamma"] != nil,
	}
	for l.from[fmt.Sprintf("blocks.%d.norm1.weight", c.Depth)] != nil {
		c.Depth++
	}
	// One output is Prompt-CAM's score vector; a CLIP's is the projection to texts.
	if n := size("head.weight", 0); n > 1 && !c.PreNorm {
		c.Labels = n
	}
	if c.Dim == 0 || c.PatchSize == 0 || c.Depth == 0 {
		return Config{}, errors.New("it has no patch embedding or no blocks")
	}
	return c, nil
}

// familyHint returns the family that tensors, file name or folder name imply, or "".
func familyHint(h Header) string {
	for _, name := range h.Names() {
		switch {
		case strings.Contains(name, "decoder_pos_embed"):
			return "mae"
		case strings.Contains(name, "head.last_layer."):
			return "dino"
		case name == "input_resolution": // OpenAI's own file
			return "clip"
		}
	}
	path := filepath.ToSlash(strings.ToLower(h.Path()))
	words := wordsOf(path[strings.LastIndex(path, "/")+1:])
	if slices.ContainsFunc(words, func(w string) bool { return !slices.Contains(commonWords, w) }) {
		return namedFamily(words)
	}
	return namedFamily(wordsOf(filepath.Base(filepath.Dir(path))))
}

// commonWords occur in uninformative file names, such as open_clip_pytorch_model.bin.
var commonWords = []string{"open", "clip", "pytorch", "model", "checkpoint", "weights", "bin", "pt", "pth", "safetensors"}

func wordsOf(name string) []string {
	return strings.FieldsFunc(name, func(r rune) bool { return (r < 'a' || r > 'z') && (r < '0' || r > '9') })
}

// namedFamily returns the family of a published name, given its words, or "".
func namedFamily(words []string) string {
	has := func(w ...string) bool {
		return slices.ContainsFunc(words, func(x string) bool { return slices.Contains(w, x) })
	}
	family := ""
	for _, f := range []string{"dinov2", "dino", "deit", "mae", "augreg", "bioclip", "clip"} {
		if !has(f) {
			continue
		}
		if family != "" {
			return "" // it names two
		}
		family = f
	}
	switch { // open_clip's own weights have plain GELU
	case family == "clip" && !has("openai") && !strings.HasPrefix(strings.Join(words, "-"), "clip-vit-base-patch16"), has("laion2b", "laion400m", "datacomp", "metaclip", "dfn", "distilled"):
		return ""
	case family != "":
		return family
	}
	// timm's default for vit_*_patch16 is AugReg: vit_tiny_patch16_224.
	known := []string{"vit", "tiny", "small", "base", "patch16", "224", "384", "in1k", "in21k", "ft"}
	if has("vit") && has("patch16") && !slices.ContainsFunc(words, func(w string) bool {
		return !slices.Contains(known, w) && !slices.Contains(commonWords, w)
	}) {
		return "augreg"
	}
	return ""
}

// Named returns the architecture of weights by its name: "auto" detects it, any other name is a preset's.
func Named(name string, weights Header) (Config, error) {
	if name == "auto" {
		return Detect(weights)
	}
	return Preset(name)
}
