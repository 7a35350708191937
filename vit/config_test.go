package vit

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/promptcam/promptcam/nn"
)

func TestPresetsAreValidAndSurviveJSON(t *testing.T) {
	var names []string
	for _, c := range Presets() {
		require.NoError(t, c.Validate())
		names = append(names, c.Name)
		got, err := Preset(c.Name)
		require.NoError(t, err)
		assert.Equal(t, c, got)

		raw, err := json.Marshal(c)
		require.NoError(t, err)
		var back Config
		require.NoError(t, json.Unmarshal(raw, &back))
		assert.Equal(t, c, back)
	}
	assert.True(t, slices.IsSorted(names))
	assert.Equal(t, []string{
		"augreg-vitb16", "augreg-vits16", "augreg-vitti16", "bioclip-vitb16", "clip-vitb16",
		"deit-vitb16", "deit-vits16", "deit-vitti16", "dino-vitb16", "dino-vitb8", "dino-vits16", "dino-vits8",
		"dinov2-vitb14", "dinov2-vitb14-reg", "dinov2-vitl14", "dinov2-vitl14-reg", "dinov2-vits14", "dinov2-vits14-reg",
		"mae-vitb16",
	}, names)
}

func TestShapesAreThoseOfTheModel(t *testing.T) {
	for _, c := range []Config{tiny, tinyHead, tinyClip, tinyDINO, tinyReg} {
		got := map[string][]int{}
		for name, value := range nn.State(newModel(c)) {
			got[name] = value.Shape()
		}
		assert.Equal(t, got, c.shapes())
	}
}

func TestPresetsCarryTheirOwnNormalisation(t *testing.T) {
	for name, want := range map[string]Config{
		"dino-vits8":        {PatchSize: 8, Dim: 384, Heads: 6, Eps: 1e-6, Mean: imagenetMean, Std: imagenetStd},
		"dinov2-vitl14-reg": {PatchSize: 14, Dim: 1024, Heads: 16, Eps: 1e-6, Mean: imagenetMean, Std: imagenetStd},
		"augreg-vitti16":    {PatchSize: 16, Dim: 192, Heads: 3, Eps: 1e-6, Mean: half, Std: half},
		"clip-vitb16":       {PatchSize: 16, Dim: 768, Heads: 12, Eps: 1e-5, Mean: clipMean, Std: clipStd},
	} {
		c, err := Preset(name)
		require.NoError(t, err)
		got := Config{PatchSize: c.PatchSize, Dim: c.Dim, Heads: c.Heads, Eps: c.Eps, Mean: c.Mean, Std: c.Std}
		assert.Equal(t, want, got, name)
	}
}

func TestPresetNamesWhatIsNear(t *testing.T) {
	_, err := Preset("dino-vit16")
	assert.EqualError(t, err, `vit: no preset "dino-vit16"; near it: dino-vitb16, dino-vitb8, dino-vits16, dino-vits8`)
	_, err = Preset("DINOv2")
	assert.ErrorContains(t, err, "near it: dinov2-vitb14, dinov2-vitb14-reg,")
	for typed, want := range map[string]string{
		"vit_tiny":                        "augreg-vitti16",
		"vit_tiny_patch16_224":            "augreg-vitti16",
		"ViT-Small":                       "augreg-vits16",
		"deit_base":                       "deit-vitb16",
		"dino_deitsmall8_pretrain":        "dino-vits8",
		"dino_vitbase":                    "dino-vitb16, dino-vitb8",
		"facebook/dinov2-large":           "dinov2-vitl14, dinov2-vitl14-reg",
		"mae_vit_base_patch16":            "mae-vitb16",
		"vit_base_patch16_clip_quickgelu": "clip-vitb16",
		"augreg-vit":                      "augreg-vitb16, augreg-vits16, augreg-vitti16",
		"dinov2_vits14":                   "dinov2-vitb14, dinov2-vitb14-reg, dinov2-vitl14, dinov2-vitl14-reg, dinov2-vits14, dinov2-vits14-reg",
	} {
		_, err = Preset(typed)
		assert.EqualError(t, err, fmt.Sprintf("vit: no preset %q; near it: %s", typed, want))
	}
	_, err = Preset("resnet50")
	assert.ErrorContains(t, err, "there are augreg-vitb16, augreg-vits16,")
}

func TestValidateNamesEveryFault(t *testing.T) {
	good, err := Preset("dino-vits16")
	require.NoError(t, err)
	for want, spoil := range map[string]func(*Config){
		"image height is 225, want a multiple of the patch size 16": func(c *Config) { c.ImageSize[0] = 225 },
		"image width is 0, want 1 to":                               func(c *Config) { c.ImageSize[1] = 0 },
		"PatchSize is 0":                                            func(c *Config) { c.PatchSize = 0 },
		"Dim is 384, want a multiple of the 5 heads":                func(c *Config) { c.Heads = 5 },
		"Heads is 0":                           func(c *Config) { c.Heads = 0 },
		"Depth is 1000000":                     func(c *Config) { c.Depth = 1000000 },
		"Hidden is -1":                         func(c *Config) { c.Hidden = -1 },
		"Registers is -4":                      func(c *Config) { c.Registers = -4 },
		"Labels is -1":                         func(c *Config) { c.Labels = -1 },
		"Eps is 0":                             func(c *Config) { c.Eps = 0 },
		"Eps is NaN":                           func(c *Config) { c.Eps = float32(math.NaN()) },
		"Mean is [NaN":                         func(c *Config) { c.Mean[0] = float32(math.NaN()) },
		"Std is [0.229 0 ":                     func(c *Config) { c.Std[1] = 0 },
		"parameters, want":                     func(c *Config) { c.Dim, c.Hidden, c.Depth = 384*100, 384*100, 1000 },
		"1024x1024 patches":                    func(c *Config) { c.ImageSize = [2]int{1 << 14, 1 << 14} },
		"103100450304 par":                     func(c *Config) { c.PatchSize, c.ImageSize = 1, [2]int{1 << 14, 1 << 14} },
		"length of Name is 300, want 0 to 256": func(c *Config) { c.Name = strings.Repeat("n", 300) },
		"Window is -1":                         func(c *Config) { c.Window = -1 },
		"14x14 patches are no whole number of windows of 4x4": func(c *Config) { c.Window = 4 },
	} {
		c := good
		spoil(&c)
		assert.ErrorContains(t, c.Validate(), want)
	}
	bad := good
	bad.Depth, bad.Std = 0, [3]float32{}
	assert.ErrorContains(t, bad.Validate(), "Depth")
	assert.ErrorContains(t, bad.Validate(), "Std")
}

func TestGridAndPrefix(t *testing.T) {
	c := Config{ImageSize: [2]int{28, 42}, PatchSize: 14, Registers: 4}
	h, w := c.Grid()
	assert.Equal(t, []int{2, 3, 5}, []int{h, w, c.Prefix()})
}
