package promptcam

import (
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/promptcam/promptcam/data"
	"github.com/promptcam/promptcam/nn"
	"github.com/promptcam/promptcam/tensor/checkpoint"
	"github.com/promptcam/promptcam/vit"
)

var fourNames = []string{"Orchard Oriole", "Scott Oriole", "Hooded Oriole", "Baltimore Oriole"}

func TestSaveAndLoad(t *testing.T) {
	forEachConfig(t, func(t *testing.T, m *Model, g *golden) {
		path := filepath.Join(t.TempDir(), "model.safetensors")
		transform := data.EvalTransform([2]int{32, 32}, g.config.Mean, g.config.Std)
		require.NoError(t, m.Save(path, fourNames, transform))
		size, err := os.Stat(path)
		require.NoError(t, err)
		assert.Less(t, size.Size(), int64(20_000), "the backbone is not in it")

		loaded, info, err := Load(path, g.model().Backbone)
		require.NoError(t, err)
		assert.Equal(t, nn.State(m), nn.State(loaded))
		assert.Equal(t, Info{m.Config, fourNames, transform, BackboneInfo{m.Backbone.SHA256, m.Backbone.Config}}, *info)
		want, _ := forward(m, g.images.Value)
		got, _ := forward(loaded, g.images.Value)
		assert.Equal(t, want, got)
	})
}

func TestLoadRefusesAnotherBackbone(t *testing.T) {
	g := openGolden(t, "dino")
	m, err := New(g.model().Backbone, configs()["deep"], rand.New(rand.NewPCG(1, 2)))
	require.NoError(t, err)
	path := filepath.Join(t.TempDir(), "model.safetensors")
	require.NoError(t, m.Save(path, fourNames, data.EvalTransform([2]int{32, 32}, g.config.Mean, g.config.Std)))

	other := g.model().Backbone
	other.Config.Name, other.SHA256 = "other", "0123"
	_, _, err = Load(path, other)
	assert.ErrorContains(t, err, "was trained on backbone dino with SHA-256 "+m.Backbone.SHA256+", got other with 0123")

	for name, change := range map[string]func(*vit.Config){
		"heads":         func(c *vit.Config) { c.Heads = 2 },
		"activation":    func(c *vit.Config) { c.QuickGELU = true },
		"normalisation": func(c *vit.Config) { c.Mean[0] = 0.4 },
	} {
		other := g.model().Backbone
		change(&other.Config)
		_, _, err = Load(path, other)
		assert.ErrorContains(t, err, "was trained on backbone {Name:dino ImageSize:[32 32] PatchSize:8 Dim:48 Depth:3 Heads:4 ", name)
	}
	renamed := g.model().Backbone
	renamed.Config.Name, renamed.Config.Labels = "mine", 7
	_, _, err = Load(path, renamed)
	assert.NoError(t, err, "neither changes what is computed")

	larger := g.config
	larger.ImageSize = [2]int{64, 64}
	resized, err := LoadOfficial(g.path("model.safetensors"), larger)
	require.NoError(t, err)
	assert.Equal(t, m.Backbone.SHA256, resized.Backbone.SHA256, "the image size is no part of the identity")
	_, _, err = Load(path, resized.Backbone)
	assert.ErrorContains(t, err, "trained at 32x32 pixels, the backbone is set to 64x64")
}

func TestLoadRefusesWhatIsNoModel(t *testing.T) {
	g := openGolden(t, "dino")
	m, err := New(g.model().Backbone, configs()["deep"], rand.New(rand.NewPCG(1, 2)))
	require.NoError(t, err)
	assert.ErrorContains(t, m.Save(filepath.Join(t.TempDir(), "m"), fourNames[:3], data.Transform{}), "3 class names for 4 classes")
	assert.ErrorContains(t, m.Save(filepath.Join(t.TempDir(), "m"), fourNames, data.EvalTransform([2]int{48, 48}, g.config.Mean, g.config.Std)), "save: the transform makes images of 48x48 pixels")

	metadata, err := m.metadata(fourNames, data.EvalTransform([2]int{32, 32}, g.config.Mean, g.config.Std))
	require.NoError(t, err)
	for want, change := range map[string]func(metadata map[string]string, state nn.Tensors){
		"not a saved Prompt-CAM: its format is \"\"": func(md map[string]string, _ nn.Tensors) { delete(md, "format") },
		"its description":                    func(md map[string]string, _ nn.Tensors) { md["promptcam"] = "{" },
		"1 tensor missing (class)":           func(_ map[string]string, s nn.Tensors) { delete(s, "class") },
		"1 tensor unknown (extra)":           func(_ map[string]string, s nn.Tensors) { s["extra"] = s["class"] },
		"head.weight is [4 48], want [1 48]": func(_ map[string]string, s nn.Tensors) { s["head.weight"] = s["class"] },
		"agnostic.1 holds NaN or infinity": func(_ map[string]string, s nn.Tensors) {
			s["agnostic.1"] = s["agnostic.1"].Scale(float32(math.NaN()))
		},
		"4 class prompts and 2 times 1048576 agnostic ones of width 48 are more than the 529 numbers it holds": func(md map[string]string, _ nn.Tensors) {
			md["promptcam"] = strings.Replace(md["promptcam"], `"Agnostic":3`, `"Agnostic":1048576`, 1)
		},
		"the transform makes images of 64x64 pixels, the backbone wants 32x32": func(md map[string]string, _ nn.Tensors) {
			md["promptcam"] = strings.Replace(md["promptcam"], `"Transform":{"Width":32,"Height":32`, `"Transform":{"Width":64,"Height":64`, 1)
		},
		"PatchSize is 0, want 1 to 16384": func(md map[string]string, _ nn.Tensors) { md["promptcam"] = "{}" },
	} {
		md, state := map[string]string{}, nn.Tensors{}
		for k, v := range metadata {
			md[k] = v
		}
		for k, v := range nn.State(m) {
			state[k] = v
		}
		change(md, state)
		path := filepath.Join(t.TempDir(), "model.safetensors")
		require.NoError(t, checkpoint.Save(path, state, md))
		_, _, err := Load(path, g.model().Backbone)
		assert.ErrorContains(t, err, want)
		assert.ErrorContains(t, err, path)
	}

	_, _, err = Load(filepath.Join(t.TempDir(), "none"), g.model().Backbone)
	assert.ErrorIs(t, err, os.ErrNotExist)
	_, err = LoadOfficial(filepath.Join("testdata", "golden", "dino", "io.safetensors"), g.config)
	assert.ErrorContains(t, err, "not an official Prompt-CAM checkpoint: no tensor vpt.prompt_embeddings")
	wrong := g.config
	wrong.Depth = 2
	_, err = LoadOfficial(g.path("model.safetensors"), wrong)
	assert.ErrorContains(t, err, "unknown (blocks.2.")
}
