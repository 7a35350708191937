package vit

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/promptcam/promptcam/tensor/checkpoint"
)

// header is a table of contents without contents.
type header struct {
	path   string
	shapes map[string][]int
}

func (h header) Path() string { return h.path }

func (h header) Names() []string {
	var names []string
	for name := range h.shapes {
		names = append(names, name)
	}
	return names
}

func (h header) Info(name string) (checkpoint.Info, bool) {
	shape, ok := h.shapes[name]
	return checkpoint.Info{DType: "F32", Shape: shape}, ok
}

// published is the header that a file of preset would have.
func published(t *testing.T, path, preset string, v convention) header {
	t.Helper()
	c, err := Preset(preset)
	require.NoError(t, err)
	h := header{path, map[string][]int{}}
	for ours, shape := range shapesOf(c, c.posRows()) {
		names := v.names(ours)
		shape = slices.Clone(shape) // a bias shares its weight's
		shape[0] /= len(names)
		for _, name := range names {
			h.shapes[name] = shape
		}
	}
	for name, shape := range v.extra {
		h.shapes[name] = shape
	}
	return h
}

func conventionNamed(t *testing.T, name string) convention {
	t.Helper()
	for _, v := range conventions {
		if v.name == name {
			return v
		}
	}
	require.Fail(t, "no convention "+name)
	return convention{}
}

func TestDetectPublishedFiles(t *testing.T) {
	for _, f := range []struct{ path, convention, preset string }{
		{"dino_deitsmall16_pretrain.pth", "DINO", ""},
		{"dino_vitbase16_pretrain.pth", "DINO", "dino-vitb16"},
		{"dino_deitsmall8_pretrain.pth", "DINO", "dino-vits8"},
		{"a.pth", "DINO", "dino-vitb8"},
		{"a.pth", "DINO, training", "dino-vits16"},
		{"vit_small_patch16_224.dino.safetensors", "timm", "dino-vits16"},
		{"facebook/dino-vitb16/model.safetensors", "ViTModel", "dino-vitb16"},
		{"a.pth", "DINOv2", "dinov2-vitl14"},
		{"dinov2_vits14_reg4_pretrain.pth", "DINOv2 with registers", "dinov2-vits14-reg"},
		{"model.safetensors", "timm DINOv2 with registers", "dinov2-vitb14-reg"},
		{"model.safetensors", "Dinov2Model", "dinov2-vitb14"},
		{"model.safetensors", "Dinov2WithRegistersModel", "dinov2-vitl14-reg"},
		{"vit_tiny_patch16_224.safetensors", "timm", "augreg-vitti16"},
		{"vit_small_patch16_224.augreg_in21k_ft_in1k.bin", "timm", "augreg-vits16"},
		{"google/vit-base-patch16-224/pytorch_model.bin", "ViTForImageClassification", "augreg-vitb16"},
		{"deit_tiny_patch16_224-a1311bcf.pth", "DeiT", "deit-vitti16"},
		{"facebook/deit-base-patch16-224/model.safetensors", "ViTForImageClassification", "deit-vitb16"},
		{"mae_pretrain_vit_base.pth", "timm", "mae-vitb16"},
		{"a.pth", "MAE", "mae-vitb16"},
		{"a.pth", "ViTMAEForPreTraining", "mae-vitb16"},
		{"vit_base_patch16_clip_quickgelu_224.openai.safetensors", "timm CLIP", "clip-vitb16"},
		{"openai/clip-vit-base-patch16/model.safetensors", "CLIPModel", "clip-vitb16"},
		{"ViT-B-16.pt", "OpenAI CLIP", "clip-vitb16"},
		{"hub/models--google--vit-base-patch16-224/snapshots/3f49326eb077/model.safetensors", "ViTForImageClassification", "augreg-vitb16"},
		{"hub/models--google--vit-base-patch16-224-in21k/snapshots/3f49326eb077/pytorch_model.bin", "ViTForImageClassification of transformers 5", "augreg-vitb16"},
		{"hub/models--facebook--dino-vits16/snapshots/12345/model.safetensors", "ViTModel", "dino-vits16"},
		{"hub/models--facebook--deit-tiny-patch16-224/blobs/e3b0c44298fc", "ViTForImageClassification", "deit-vitti16"},
		{"hub/models--timm--vit_small_patch16_224.augreg_in21k/snapshots/a/model.safetensors", "timm", "augreg-vits16"},
		{"hub/models--openai--clip-vit-base-patch16/snapshots/57c2/pytorch_model.bin", "CLIPModel", "clip-vitb16"},
		{"hub/models--imageomics--bioclip/snapshots/1/open_clip_pytorch_model.bin", "open_clip with a text tower of its own", "bioclip-vitb16"},
		{"vit_base_patch16_clip_224.openai/model.safetensors", "timm CLIP", "clip-vitb16"},
		{"dinov2_teacher_checkpoint.pth", "DINOv2, training", "dinov2-vitl14"},
		{"teacher_checkpoint.pth", "DINOv2, blocks in chunks", "dinov2-vits14"},
		{"bioclip/open_clip_pytorch_model.bin", "open_clip with a text tower of its own", "bioclip-vitb16"},
	} {
		if f.preset == "" { // DINO's authors call their own ViT-S deitsmall
			f.preset = "dino-vits16"
		}
		want, err := Preset(f.preset)
		require.NoError(t, err)
		got, err := Detect(published(t, f.path, f.preset, conventionNamed(t, f.convention)))
		if assert.NoError(t, err, f.path) {
			assert.Equal(t, want, got, f.path)
		}
	}
}

func TestDetectDoesNotGuess(t *testing.T) {
	timm, clip := conventionNamed(t, "timm"), conventionNamed(t, "open_clip with a text tower of its own")
	for _, f := range []struct {
		path, preset string
		v            convention
		want         string
	}{
		{"checkpoint.pth", "dino-vitb16", timm, "augreg-vitb16, deit-vitb16, dino-vitb16, mae-vitb16 and others"},
		{"best.pth", "deit-vits16", timm, "augreg-vits16, deit-vits16 and others"},
		{"vit_base_patch16_224_miil.pth", "augreg-vitb16", timm, "augreg-vitb16, deit-vitb16 and others"},
		{"dino_or_mae.pth", "dino-vitb16", timm, "dino-vitb16, mae-vitb16"},
		{"open_clip_pytorch_model.bin", "clip-vitb16", clip, "bioclip-vitb16, clip-vitb16 and others that differ in the activation"},
		{"vit_base_patch16_clip_224.laion2b.bin", "clip-vitb16", clip, "state which it is (--arch NAME or FILE.json)"},
	} {
		_, err := Detect(published(t, f.path, f.preset, f.v))
		assert.ErrorContains(t, err, f.want)
		assert.ErrorContains(t, err, "vit: detect architecture of "+f.path)
		var several *AmbiguousError
		if assert.ErrorAs(t, err, &several) {
			assert.Contains(t, f.want+several.Error(), several.Fit[0].Name)
			assert.Equal(t, several.Fit[0].Dim, several.Fit[1].Dim)
		}
	}
}

// timm's CLIPs that were fine-tuned on ImageNet have GELU, whoever trained them before.
func TestDetectDoesNotTakeFineTunedCLIPsForOpenAIs(t *testing.T) {
	timm := convention{rename: asTimm}
	for _, path := range []string{
		"vit_base_patch16_clip_224.openai_ft_in1k/model.safetensors",
		"vit_base_patch16_clip_384.openai_ft_in12k_in1k.bin",
		"hub/models--timm--vit_base_patch16_clip_224.openai_ft_in12k/snapshots/0/model.safetensors",
		"openai-clip-finetuned.pth",
	} {
		_, err := Detect(published(t, path, "clip-vitb16", timm))
		assert.ErrorContains(t, err, "bioclip-vitb16, clip-vitb16 and others that differ in the activation", path)
	}
	for _, labels := range []int{1000, 11821} { // whatever it is called
		h := published(t, "clip_openai.pth", "clip-vitb16", timm)
		h.shapes["head.weight"], h.shapes["head.bias"] = []int{labels, 768}, []int{labels}
		_, err := Detect(h)
		assert.ErrorContains(t, err, "differ in the activation")
	}
	c, err := Detect(published(t, "vit_base_patch16_clip_quickgelu_224.openai_ft.pth", "clip-vitb16", timm))
	require.NoError(t, err)
	assert.True(t, c.QuickGELU)
}

func TestDetectKeepsTheFilesOwnLabels(t *testing.T) {
	h := published(t, "deit_tiny_cub.pth", "deit-vitti16", conventionNamed(t, "timm"))
	h.shapes["head.weight"] = []int{200, 192}
	c, err := Detect(h)
	require.NoError(t, err)
	assert.Equal(t, 200, c.Labels)

	h.shapes["head.weight"] = []int{1, 192} // Prompt-CAM's
	c, err = Detect(h)
	require.NoError(t, err)
	assert.Zero(t, c.Labels)
}

// stating is a header whose metadata state a Config.
type stating struct {
	header
	config string
}

func (s stating) Metadata() map[string]string { return map[string]string{"config": s.config} }

// Names in a message are short and on one line, whatever the file holds.
func TestNamesInMessagesArePrintable(t *testing.T) {
	odd := "\x1b]0;title\a\r\n" + strings.Repeat("x", 4000)
	whole := published(t, "a.pth", "dino-vitb16", conventionNamed(t, "timm")).shapes
	for _, spoil := range []func(shapes map[string][]int){
		func(s map[string][]int) { clear(s); s[odd] = []int{1} },
		func(s map[string][]int) { s["blocks.0."+odd] = []int{1} },
		func(s map[string][]int) { s["blocks."+strings.Repeat("9", 4000)+".norm1.bias"] = []int{1} },
		func(s map[string][]int) { s[odd+".rope_embed.periods"] = []int{1}; delete(s, "pos_embed") },
		func(s map[string][]int) {
			for _, mark := range []string{"cls_token", "pos_embed", "patch_embed.proj.weight"} {
				s[odd+"."+mark] = []int{1}
			}
		},
	} {
		h := header{"a.pth", maps.Clone(whole)}
		spoil(h.shapes)
		_, err := Detect(h)
		require.Error(t, err)
		assert.Less(t, len(err.Error()), 1000)
		assert.NotContains(t, err.Error(), "\n")
		assert.NotContains(t, err.Error(), "\x1b")
	}
}

func TestSeveralBackbonesAreForTheCallerToChoose(t *testing.T) {
	shapes := map[string][]int{}
	for name, shape := range published(t, "a.pth", "dino-vitb16", conventionNamed(t, "timm")).shapes {
		shapes["rgb."+name], shapes["depth."+name] = shape, shape
	}
	_, err := Detect(header{"a.pth", shapes})
	assert.ErrorContains(t, err, `more than one backbone: under "depth.", "rgb.": state one of them as FILE#KEY`)
}

// In a pickle very many keys may have one very long string. Searching it for each of them would take hours.
func TestLongMetadataIsNotSearched(t *testing.T) {
	long := strings.Repeat("v", 16<<20)
	m := annotated{published(t, "a.pth", "dino-vits8", conventionNamed(t, "timm")), map[string]string{}}
	for i := range 1 << 17 {
		m.metadata[fmt.Sprint(i)] = long
	}
	c, err := Detect(m)
	require.NoError(t, err)
	assert.Equal(t, "dino-vits8", c.Name)
}

// annotated is a header with metadata.
type annotated struct {
	header
	metadata map[string]string
}

func (a annotated) Metadata() map[string]string { return a.metadata }

func TestDetectWhatTheFileStates(t *testing.T) {
	plain := published(t, "dino_vitbase16_pretrain.pth", "dino-vitb16", conventionNamed(t, "timm"))
	want, err := Detect(plain)
	require.NoError(t, err)
	own := want
	own.Name, own.Depth, own.Labels = "own", 3, 0
	text, err := json.Marshal(own)
	require.NoError(t, err)
	for config, want := range map[string]Config{
		string(text):           own,
		"":                     want,
		`{"hidden_size": 768}`: want, // others' kind
		`{"Dim": 7}`:           want, // no architecture
	} {
		got, err := Detect(stating{plain, config})
		require.NoError(t, err)
		assert.Equal(t, want, got, config)
	}
}

// What the metadata state must not decide how much memory is taken.
func TestDetectRefusesAnArchitectureOutOfProportion(t *testing.T) {
	weights := weightsOf(tiny, 10, 1)
	for patches, fits := range map[int]bool{3: true, 8: true, 64: false, 256: false} {
		huge := with(tiny, func(c *Config) { c.ImageSize = [2]int{4 * patches, 4 * patches} })
		f := stateOf(t, weights, huge)
		c, err := Detect(f)
		if fits {
			require.NoError(t, err)
			assert.Equal(t, huge, c)
			_, err = LoadFrom(f, c)
			assert.NoError(t, err)
			continue
		}
		want := fmt.Sprintf("and an architecture of images of %dx%[1]d pixels has", 4*patches)
		assert.ErrorContains(t, err, want)
		_, err = LoadFrom(f, huge) // by who reads the metadata itself
		assert.ErrorContains(t, err, want)
		m, err := LoadFrom(weights, huge) // by who wants it
		require.NoError(t, err)
		assert.Equal(t, 1+patches*patches, m.Position.Value.Dim(1))
	}
}

func TestDetectOfUnknownShapes(t *testing.T) {
	small := header{"golden.safetensors", shapesOf(tiny, 10)}
	_, err := Detect(small)
	assert.EqualError(t, err, "vit: detect architecture of golden.safetensors: no preset has 2 blocks of width 8 (hidden 12), patches of 4 pixels and 0 registers (layer scale: false, norm before the blocks: false): state the architecture in a file (--arch FILE.json)")
	for want, shapes := range map[string]map[string][]int{
		"not those of any known vision transformer": {"fc.weight": {3, 4}},
		"no patch embedding or no blocks":           {"cls_token": {}, "pos_embed": {0}, "patch_embed.proj.weight": {}, "head.weight": {}},
	} {
		_, err := Detect(header{"x", shapes})
		assert.ErrorContains(t, err, want)
	}
}

func TestDetectReadsTheRealWeights(t *testing.T) {
	for _, name := range []string{"vit_tiny_patch16_224.safetensors", "vit_tiny_patch16_224.pth"} {
		f, err := checkpoint.Open(shared(t, "weights", name))
		require.NoError(t, err)
		c, err := Detect(f)
		require.NoError(t, err)
		require.NoError(t, f.Close())
		assert.Equal(t, "augreg-vitti16", c.Name)
		assert.Equal(t, 1000, c.Labels)
		assert.True(t, strings.HasPrefix(name, "vit_tiny"))
	}
}

func TestPresetAndConfig(t *testing.T) {
	want, err := Preset("dino-vits16")
	require.NoError(t, err)
	for _, name := range []string{"none.json", "dino"} {
		_, err := Preset(name)
		assert.ErrorContains(t, err, "no preset")
	}
	text, err := json.Marshal(want)
	require.NoError(t, err)
	got, err := ReadConfig(bytes.NewReader(text))
	require.NoError(t, err)
	assert.Equal(t, want, got)
	for text, wrong := range map[string]string{`{"Width": 3}`: "Width", "hello": "JSON", "{}": "PatchSize is 0"} {
		_, err := ReadConfig(strings.NewReader(text))
		assert.ErrorContains(t, err, wrong)
	}
}
