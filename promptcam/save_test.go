package promptcam

import (
	"bytes"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/promptcam/promptcam/data"
	"github.com/promptcam/promptcam/nn"
	"github.com/promptcam/promptcam/tensor"
	"github.com/promptcam/promptcam/tensor/checkpoint"
	"github.com/promptcam/promptcam/tensor/tensortest"
	"github.com/promptcam/promptcam/vit"
)

var fourNames = []string{"Orchard Oriole", "Scott Oriole", "Hooded Oriole", "Baltimore Oriole"}

func TestSaveAndLoad(t *testing.T) {
	forEachConfig(t, func(t *testing.T, m *Model, g *golden) {
		path := filepath.Join(t.TempDir(), "model.safetensors")
		m.Classes = fourNames
		m.Transform.ShortSide = 40
		require.NoError(t, m.SaveFile(path))
		content, err := os.ReadFile(path)
		require.NoError(t, err)
		assert.Less(t, len(content), 20_000, "the backbone is not in it")
		var stream bytes.Buffer
		require.NoError(t, m.Save(&stream))
		assert.Equal(t, content, stream.Bytes())

		f, err := checkpoint.Decode(bytes.NewReader(content), int64(len(content)), "upload")
		require.NoError(t, err)
		loaded, err := Load(f, g.model().Backbone)
		require.NoError(t, err)
		assert.Equal(t, nn.State(m), nn.State(loaded))
		assert.Equal(t, m.Info(), loaded.Info())
		want, _ := forward(m, g.images.Value)
		got, _ := forward(loaded, g.images.Value)
		assert.Equal(t, want, got)

		weights := filepath.Join(t.TempDir(), "weights.safetensors")
		require.NoError(t, checkpoint.Save(weights, nn.State(m.Backbone), nil))
		opened, err := Open(path, weights)
		require.NoError(t, err)
		assert.Equal(t, m.Info(), opened.Info())
		_, err = Open(path, path)
		assert.ErrorContains(t, err, path+" is not the dino with SHA-256 "+m.Backbone.SHA256+" that "+path+" was trained on: ")
	})
}

func TestLoadRefusesAnotherBackbone(t *testing.T) {
	g := openGolden(t, "dino")
	m, err := New(g.model().Backbone, configs()["deep"], rand.New(rand.NewPCG(1, 2)))
	require.NoError(t, err)
	path := filepath.Join(t.TempDir(), "model.safetensors")
	require.NoError(t, m.SaveFile(path))
	refuses := func(b *vit.Model, words string) {
		t.Helper()
		_, err := Load(open(t, path), b)
		assert.ErrorContains(t, err, path+" "+words)
		var wrong *BackboneError
		require.ErrorAs(t, err, &wrong)
		assert.ErrorIs(t, err, ErrWrongBackbone)
		assert.Equal(t, m.Info().Backbone, wrong.Want)
	}

	other := g.model().Backbone
	other.Config.Name, other.SHA256 = "other", "0123"
	refuses(other, "was trained on backbone dino with SHA-256 "+m.Backbone.SHA256+", got other with 0123")
	refuses(nil, "needs the backbone it was trained on, dino with SHA-256 "+m.Backbone.SHA256+", which is not in it")
	_, err = Open(path, "")
	assert.ErrorContains(t, err, "needs the backbone it was trained on")

	for name, change := range map[string]func(*vit.Config){
		"heads":         func(c *vit.Config) { c.Heads = 2 },
		"activation":    func(c *vit.Config) { c.QuickGELU = true },
		"normalisation": func(c *vit.Config) { c.Mean[0] = 0.4 },
	} {
		t.Run(name, func(t *testing.T) {
			other := g.model().Backbone
			change(&other.Config)
			refuses(other, "was trained on backbone {Name:dino ImageSize:[32 32] PatchSize:8 Dim:48 Depth:3 Heads:4 ")
		})
	}
	renamed := g.model().Backbone
	renamed.Config.Name, renamed.Config.Labels = "mine", 7
	_, err = Load(open(t, path), renamed)
	assert.NoError(t, err, "neither changes what is computed")

	larger := g.config
	larger.ImageSize = [2]int{64, 64}
	resized, err := g.official("model.safetensors", larger)
	require.NoError(t, err)
	assert.Equal(t, m.Backbone.SHA256, resized.Backbone.SHA256, "the image size is no part of the identity")
	refuses(resized.Backbone, "was trained at 32x32 pixels, the backbone is set to 64x64")

	shallow := g.config
	shallow.Depth = 2
	wrong, err := vit.New(shallow, rand.New(rand.NewPCG(1, 2)))
	require.NoError(t, err)
	weights := filepath.Join(t.TempDir(), "vit.safetensors")
	require.NoError(t, checkpoint.Save(weights, nn.State(wrong), nil))
	_, err = Open(path, weights)
	assert.ErrorIs(t, err, ErrWrongBackbone)
	assert.ErrorContains(t, err, "promptcam: wrong backbone: "+weights+" is not the dino with SHA-256 "+m.Backbone.SHA256+" that "+path+" was trained on: vit: load: ")
	same, err := vit.New(g.config, rand.New(rand.NewPCG(1, 2)))
	require.NoError(t, err)
	require.NoError(t, checkpoint.Save(weights, nn.State(same), nil))
	_, err = Open(path, weights)
	assert.ErrorIs(t, err, ErrWrongBackbone)
	assert.ErrorContains(t, err, m.Backbone.SHA256+", got dino with "+same.SHA256)
	_, err = Open(path, filepath.Join(t.TempDir(), "none"))
	assert.ErrorIs(t, err, os.ErrNotExist)
	assert.NotErrorIs(t, err, ErrWrongBackbone)
}

func TestLoadRefusesWhatIsNoModel(t *testing.T) {
	g := openGolden(t, "dino")
	m, err := New(g.model().Backbone, configs()["deep"], rand.New(rand.NewPCG(1, 2)))
	require.NoError(t, err)
	m.Classes = fourNames[:3]
	assert.ErrorContains(t, m.Save(io.Discard), "3 class names for 4 classes")
	m.Classes = append(slices.Clone(fourNames[:3]), strings.Repeat("x", 4097))
	assert.ErrorContains(t, m.Save(io.Discard), "the name of class 4 has 4097 bytes, want at most 4096")
	m.Classes = fourNames
	fits := m.Transform
	m.Transform = data.EvalTransform([2]int{48, 48}, g.config.Mean, g.config.Std)
	assert.ErrorContains(t, m.SaveFile(filepath.Join(t.TempDir(), "m")), "save: the transform makes images of 48x48 pixels")
	m.Transform = fits

	metadata, err := m.metadata()
	require.NoError(t, err)
	for want, change := range map[string]func(metadata map[string]string, state nn.Tensors){
		"not a saved Prompt-CAM: its format is \"\"":            func(md map[string]string, _ nn.Tensors) { delete(md, "format") },
		`its format is "` + strings.Repeat("p", 40) + `", want`: func(md map[string]string, _ nn.Tensors) { md["format"] = strings.Repeat("p", 1<<20) },
		"the SHA-256 of the backbone has 65536 characters, want 64": func(md map[string]string, _ nn.Tensors) {
			md["promptcam"] = strings.Replace(md["promptcam"], `"SHA256":"`+g.model().Backbone.SHA256, `"SHA256":"`+strings.Repeat("s", 1<<16), 1)
		},
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
		_, err := Load(open(t, path), g.model().Backbone)
		assert.ErrorContains(t, err, want)
		assert.ErrorContains(t, err, path)
	}

	_, err = Open(filepath.Join(t.TempDir(), "none"), "")
	assert.ErrorIs(t, err, os.ErrNotExist)
	inputs := open(t, filepath.Join("testdata", "golden", "dino", "io.safetensors"))
	_, err = LoadOfficial(inputs, g.config)
	assert.ErrorContains(t, err, "not a saved Prompt-CAM of the authors' code: no tensor vpt.prompt_embeddings")
	assert.ErrorIs(t, err, ErrFormat)
	_, err = Load(inputs, nil)
	assert.ErrorIs(t, err, ErrFormat)
	wrong := g.config
	wrong.Depth = 2
	_, err = g.official("model.safetensors", wrong)
	assert.ErrorContains(t, err, "unknown (blocks.2.")
}

// An official checkpoint of an architecture that is known needs nothing else.
func TestOpenAnOfficialCheckpoint(t *testing.T) {
	c, err := vit.Preset("augreg-vitti16")
	require.NoError(t, err)
	c.ImageSize, c.Labels = [2]int{32, 32}, 0
	b, err := vit.New(c, rand.New(rand.NewPCG(1, 2)))
	require.NoError(t, err)
	file := nn.State(b)
	file["vpt.prompt_embeddings"] = tensor.New(c.Depth, 3, c.Dim).Fill(0.1)
	file["head.weight"], file["head.bias"] = tensor.New(1, c.Dim).Fill(0.1), tensor.New(1)
	path := filepath.Join(t.TempDir(), "vit_tiny_patch16_224.safetensors")
	require.NoError(t, checkpoint.Save(path, file, nil))

	m, err := Open(path, "")
	require.NoError(t, err)
	assert.Equal(t, []string{"1", "2", "3"}, m.Classes)
	half := [3]float32{0.5, 0.5, 0.5}
	assert.Equal(t, data.EvalTransform([2]int{224, 224}, half, half), m.Transform)
	assert.NoError(t, m.Save(io.Discard))

	_, err = Open(path, path)
	assert.ErrorContains(t, err, "holds its own backbone")
	_, err = Load(open(t, path), b)
	assert.ErrorContains(t, err, "holds its own backbone, got augreg-vitti16 too")
	golden := openGolden(t, "dino")
	_, err = Open(golden.path("model.safetensors"), "")
	assert.ErrorContains(t, err, "no preset has 3 blocks")
}

// A checkpoint of the authors' code needs no architecture where presets differ only in what their code replaces,
// whatever it and its folder are called and however the model was wrapped.
func TestOpenAnOfficialCheckpointOfSeveralPresets(t *testing.T) {
	c, err := vit.Preset("deit-vitti16")
	require.NoError(t, err)
	c.ImageSize, c.Labels = [2]int{32, 32}, 0
	b, err := vit.New(c, rand.New(rand.NewPCG(1, 2)))
	require.NoError(t, err)
	prompts := tensortest.Random(rand.New(rand.NewPCG(3, 4)), c.Depth, 3, c.Dim)
	var first *Model
	for _, prefix := range []string{"", "_orig_mod.", "module._fsdp_wrapped_module."} {
		file := nn.Tensors{}
		for name, w := range nn.State(b) {
			file[prefix+strings.Replace(name, "blocks.1.", "blocks.1._checkpoint_wrapped_module.", 1)] = w
		}
		file[prefix+"vpt.prompt_embeddings"] = prompts
		file[prefix+"head.weight"], file[prefix+"head.bias"] = tensor.New(1, c.Dim).Fill(0.1), tensor.New(1)
		path := filepath.Join(t.TempDir(), "model.safetensors")
		require.NoError(t, checkpoint.Save(path, file, nil))
		f := open(t, path)
		_, err := vit.Detect(f)
		require.ErrorContains(t, err, "augreg-vitti16, deit-vitti16 and others")
		m, err := Load(f, nil)
		require.NoError(t, err, prefix)
		assert.Equal(t, b.SHA256, m.Backbone.SHA256)
		assert.Equal(t, "vitti16", m.Backbone.Config.Name, "no family is claimed")
		if first == nil {
			first = m
		}
		assert.Equal(t, first.Tensors(), m.Tensors())
		assert.Equal(t, first.Info(), m.Info())
	}
}
