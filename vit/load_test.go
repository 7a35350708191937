package vit

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/promptcam/promptcam/nn"
	"github.com/promptcam/promptcam/tensor"
	"github.com/promptcam/promptcam/tensor/checkpoint"
)

// assertState compares bit for bit.
func assertState(t *testing.T, want nn.Tensors, m *Model) {
	t.Helper()
	got := nn.State(m)
	assert.ElementsMatch(t, want.Names(), nn.Tensors(got).Names())
	for name, w := range want {
		if g := got[name]; assert.NotNil(t, g, name) && assert.Equal(t, w.Shape(), g.Shape(), name) {
			assert.Equal(t, w.Contig().Data(), g.Data(), name)
		}
	}
}

func TestLoadFromEveryNamingGivesTheSameBits(t *testing.T) {
	identities := map[Config]string{}
	for _, v := range conventions {
		t.Run(v.name, func(t *testing.T) {
			weights := weightsOf(v.config, v.config.posRows(), 1)
			m, err := LoadFrom(v.file(weights), v.config)
			require.NoError(t, err)
			assertState(t, weights, m)
			assert.Len(t, m.SHA256, 64)
			if id, ok := identities[v.config]; ok {
				assert.Equal(t, id, m.SHA256)
			}
			identities[v.config] = m.SHA256

			alone := v.config
			alone.Labels = 0
			m, err = LoadFrom(v.file(weights), alone)
			require.NoError(t, err, "the classifier is passed over")
			assert.Nil(t, m.Head)
		})
	}
}

// Meta's and transformers' files of DINOv2 with registers give the class token
// a position, timm's have added it up; the function and so the identity is the same.
func TestClassPositionIsAddedToTheClassToken(t *testing.T) {
	separate := weightsOf(tinyReg, 1+9, 2)
	summed := nn.Tensors{}
	for name, w := range separate {
		summed[name] = w
	}
	summed["cls_token"] = separate["cls_token"].Add(separate["pos_embed"].Slice(1, 0, 1))
	summed["pos_embed"] = separate["pos_embed"].Slice(1, 1, 10).Contig()

	for _, v := range conventions {
		if v.config != tinyReg {
			continue
		}
		a, err := LoadFrom(v.file(separate), tinyReg)
		require.NoError(t, err)
		assertState(t, summed, a)
		b, err := LoadFrom(v.file(summed), tinyReg)
		require.NoError(t, err)
		assert.Equal(t, b.SHA256, a.SHA256)
	}
}

func TestPositionsAreResizedAndTheIdentityStays(t *testing.T) {
	weights := weightsOf(tiny, 1+9, 3)
	same, err := LoadFrom(weights, tiny)
	require.NoError(t, err)
	for _, size := range [][2]int{{16, 16}, {8, 20}, {4, 32}} {
		c := tiny
		c.ImageSize = size
		h, w := c.Grid()
		m, err := LoadFrom(weights, c)
		require.NoError(t, err)
		want := resizePosEmbed(weights["pos_embed"], 1, [2]int{3, 3}, [2]int{h, w})
		assert.Equal(t, want.Data(), m.Position.Value.Data(), "%v", size)
		assert.Equal(t, same.SHA256, m.SHA256)
		assert.Equal(t, same.ClassToken.Value.Data(), m.ClassToken.Value.Data())
	}
	c := tiny
	c.ImageSize = [2]int{8, 16} // a file with the oblong grid itself: 2x4 is no square
	oblong := weightsOf(c, 1+8, 4)
	m, err := LoadFrom(oblong, c)
	require.NoError(t, err)
	assertState(t, oblong, m)
}

// The number of rows alone does not tell 4x9 patches from 6x6.
func TestPositionsOfAnOblongImageWithASquareNumberOfPatches(t *testing.T) {
	oblong := with(tiny, func(c *Config) { c.ImageSize = [2]int{16, 36} })
	square := with(tiny, func(c *Config) { c.ImageSize = [2]int{24, 24} })
	weights := weightsOf(oblong, 1+36, 11)
	resized := func(from, to [2]int) []float32 { return resizePosEmbed(weights["pos_embed"], 1, from, to).Data() }
	for _, c := range []struct {
		file  nn.Source
		want  Config
		grids [2][2]int
	}{
		{weights, oblong, [2][2]int{}}, // as in timm, the rows stay where their number is right
		{weights, square, [2][2]int{}},
		{stateOf(t, weights, oblong), oblong, [2][2]int{}},
		{stateOf(t, weights, oblong), square, [2][2]int{{4, 9}, {6, 6}}},
		{stateOf(t, weights, square), oblong, [2][2]int{{6, 6}, {4, 9}}},
		{stateOf(t, weights, oblong), with(tiny, func(c *Config) { c.ImageSize = [2]int{8, 16} }), [2][2]int{{4, 9}, {2, 4}}},
		{weights, with(tiny, func(c *Config) { c.ImageSize = [2]int{8, 16} }), [2][2]int{{6, 6}, {2, 4}}},
		{Without(stateOf(t, weights, oblong), "vpt."), square, [2][2]int{{4, 9}, {6, 6}}},
	} {
		m, err := LoadFrom(c.file, c.want)
		require.NoError(t, err)
		want := weights["pos_embed"].Data()
		if c.grids != [2][2]int{} {
			want = resized(c.grids[0], c.grids[1])
		}
		assert.Equal(t, want, m.Position.Value.Data(), "%v", c.grids)
	}
	// 10 rows are 3x3 patches and a class, or 2x5 patches without.
	reg := weightsOf(tinyReg, 10, 12)
	m, err := LoadFrom(stateOf(t, reg, with(tinyReg, func(c *Config) { c.ImageSize = [2]int{8, 20} })), tinyReg)
	require.NoError(t, err)
	assert.Equal(t, resizePosEmbed(reg["pos_embed"], 0, [2]int{2, 5}, [2]int{3, 3}).Data(), m.Position.Value.Data())
	assert.Equal(t, reg["cls_token"].Data(), m.ClassToken.Value.Data())
}

// stateOf returns weights as a file that states its architecture.
func stateOf(t *testing.T, weights nn.Tensors, c Config) *checkpoint.File {
	t.Helper()
	text, err := json.Marshal(c)
	require.NoError(t, err)
	return encoded(t, "backbone.safetensors", weights, map[string]string{"config": string(text)})
}

// encoded returns weights as a safetensors file of that name.
func encoded(t *testing.T, name string, weights nn.Tensors, metadata map[string]string) *checkpoint.File {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, checkpoint.Write(&b, weights, metadata))
	f, err := checkpoint.Decode(bytes.NewReader(b.Bytes()), int64(b.Len()), name)
	require.NoError(t, err)
	return f
}

func TestIdentityTellsWeightsApart(t *testing.T) {
	weights := weightsOf(tinyHead, 10, 5)
	a, err := LoadFrom(weights, tiny)
	require.NoError(t, err)
	weights["head.bias"].Data()[0]++
	b, err := LoadFrom(weights, tinyHead)
	require.NoError(t, err)
	assert.Equal(t, a.SHA256, b.SHA256, "the classifier does not count")
	weights["blocks.1.attn.qkv.bias"].Data()[3] += 1e-3
	b, err = LoadFrom(weights, tiny)
	require.NoError(t, err)
	assert.NotEqual(t, a.SHA256, b.SHA256)
}

func TestLoadFromNamesEveryFault(t *testing.T) {
	for _, v := range conventions {
		t.Run(v.name, func(t *testing.T) {
			file := v.file(weightsOf(v.config, v.config.posRows(), 6))
			delete(file, v.names("norm.weight")[0])
			delete(file, v.names("blocks.0.attn.qkv.bias")[len(v.names("blocks.0.attn.qkv.bias"))-1])
			file[v.prefix+"stranger"] = tensor.New(1)
			file["another.stranger"] = tensor.New(1)
			file[v.names("blocks.1.mlp.fc1.weight")[0]] = tensor.New(7, 8)
			_, err := LoadFrom(file, v.config)
			require.Error(t, err)
			for _, want := range []string{"norm.weight", "blocks.0.attn.qkv.bias", v.prefix + "stranger", "another.stranger", "blocks.1.mlp.fc1.weight is [7 8], want [12 8]"} {
				assert.ErrorContains(t, err, want)
			}
			assert.NotContains(t, err.Error(), "norm2")
		})
	}
}

func TestLoadFromRefuses(t *testing.T) {
	file := func() nn.Tensors { return weightsOf(tiny, 10, 7) }
	for want, spoil := range map[string]func(nn.Tensors, *Config){
		"blocks.1.norm2.bias holds NaN":                 func(w nn.Tensors, _ *Config) { w["blocks.1.norm2.bias"].Data()[2] = float32(math.NaN()) },
		"pos_embed holds NaN":                           func(w nn.Tensors, c *Config) { w["pos_embed"].Data()[9] = float32(math.Inf(1)); c.ImageSize[0] = 20 },
		"pos_embed is [1 9 8], want [1 10 8]":           func(w nn.Tensors, _ *Config) { w["pos_embed"] = tensor.New(1, 9, 8) },
		"pos_embed is [1 0 8], want [1 10 8]":           func(w nn.Tensors, _ *Config) { w["pos_embed"] = tensor.New(1, 0, 8) },
		"pos_embed is [2 10 8], want [1 10 8]":          func(w nn.Tensors, _ *Config) { w["pos_embed"] = tensor.New(2, 10, 8) },
		"pos_embed is [1 1 1], want [1 10 8]":           func(w nn.Tensors, _ *Config) { w["pos_embed"] = tensor.New() },
		"cls_token is [1 1 9], want [1 1 8]":            func(w nn.Tensors, c *Config) { w["cls_token"] = tensor.New(9); c.NoClassPos = false },
		"12 tensors missing (blocks.2.attn.proj.bias, ": func(_ nn.Tensors, c *Config) { c.Depth = 3 },
		"blocks.1.ls2.gamma":                            func(_ nn.Tensors, c *Config) { c.LayerScale = true },
		"head.weight":                                   func(_ nn.Tensors, c *Config) { c.Labels = 3 },
		"not those of any known vision transformer":     func(w nn.Tensors, _ *Config) { clear(w); w["conv1.weight"] = tensor.New(1) },
		`more than one backbone: under "", "ema."`: func(w nn.Tensors, _ *Config) {
			for _, name := range w.Names() {
				w["ema."+name] = w[name]
			}
		},
		"unknown (register_tokens)": func(w nn.Tensors, c *Config) {
			c.Registers = 1
			w["reg_token"], w["register_tokens"] = tensor.New(1, 1, 8), tensor.New(1, 1, 8)
		},
		"Depth is 0": func(_ nn.Tensors, c *Config) { c.Depth = 0 },
	} {
		w, c := file(), tiny
		spoil(w, &c)
		_, err := LoadFrom(w, c)
		assert.ErrorContains(t, err, want)
	}

	v := convention{rename: asTransformersViT, split: qkv}
	w := v.file(file())
	w["encoder.layer.0.attention.attention.key.weight"] = tensor.New(8, 7)
	_, err := LoadFrom(w, tiny)
	assert.ErrorContains(t, err, "query.weight is [8 8] and encoder.layer.0.attention.attention.key.weight is [8 7]: they do not go together")
}

func TestLoadFromPassesOnTheSourcesError(t *testing.T) {
	broken := errors.New("disk on fire")
	_, err := LoadFrom(failing{weightsOf(tiny, 10, 8), broken}, tiny)
	assert.ErrorIs(t, err, broken)
}

// A second copy of the backbone in one file: the one that is published is taken, the other left aside.
func TestTheTeacherIsTaken(t *testing.T) {
	for _, roots := range [][2]string{{"teacher.backbone.", "student.backbone."}, {"base_encoder.", "momentum_encoder."}, {"module.base_encoder.", "module.momentum_encoder."}, {"model.teacher.", "model.student."},
		{"teacher_backbone.", "student_backbone."}, {"backbone.", "backbone_momentum."}, {"model_ema.module.", "model."}, {"ema_model.", "model."},
		{"ema_model.", "online_model."}, {"module.encoder_q.", "module.encoder_k."}, {"online_network.encoder.", "target_network.encoder."}, {"online_encoder.net.", "target_encoder.net."},
		{"backbone.", "momentum_backbone."}, {"", "momentum_backbone."}, {"", "backbone_momentum."}} { // without backbone. as checkpoint cuts it
		weights, other := weightsOf(tiny, 10, 13), weightsOf(tiny, 10, 14)
		file := nn.Tensors{"step": tensor.New(1)}
		var aside []string
		for name := range weights {
			file[roots[0]+name], file[roots[1]+name] = weights[name], other[name]
			aside = append(aside, roots[1]+name)
		}
		m, err := LoadFrom(file, tiny)
		require.NoError(t, err)
		assertState(t, weights, m)
		assert.ElementsMatch(t, append(aside, "step"), Aside(file))
	}
}

func TestModulesBesideTheBackboneAreLeftAside(t *testing.T) {
	weights := weightsOf(tiny, 10, 15)
	for _, prefix := range []string{"", "model.", "net.backbone.", "encoder.", "timm_model.", "visual.trunk."} {
		file := convention{prefix: prefix, rename: asTimm}.file(weights)
		beside := []string{"class_weights", "classifier.weight", "cls_head.fc.weight", "criterion.weight", "fc.bias", "logit_scale", "loss_fn.center", "n_averaged", "projector.0.weight", "text.ln_final.weight", "train_acc.total"}
		for _, name := range beside {
			file[name] = tensor.New(2)
		}
		m, err := LoadFrom(file, tiny)
		require.NoError(t, err, prefix)
		assertState(t, weights, m)
		assert.Equal(t, beside, Aside(file))

		file[prefix+"blocks.0.adapter.weight"] = tensor.New(2) // a part of the backbone
		_, err = LoadFrom(file, tiny)
		assert.EqualError(t, err, "vit: load: 1 tensor unknown ("+prefix+"blocks.0.adapter.weight)")
	}
	assert.Nil(t, Aside(nn.Tensors{"fc.weight": tensor.New(1)}))
}

// safetensors' save_model writes one of the tensors that share memory, and the others' names.
func TestTiedTensorsAreReadOnceMore(t *testing.T) {
	weights := weightsOf(tiny, 10, 16)
	weights["blocks.1.norm1.bias"] = weights["blocks.0.norm1.bias"]
	file := nn.Tensors{}
	for name, w := range weights {
		if name != "blocks.1.norm1.bias" {
			file["model."+name] = w
		}
	}
	m, err := LoadFrom(encoded(t, "a", file, map[string]string{"model.blocks.1.norm1.bias": "model.blocks.0.norm1.bias"}), tiny)
	require.NoError(t, err)
	assertState(t, weights, m)
	_, err = LoadFrom(encoded(t, "a", file, map[string]string{"model.blocks.1.norm1.bias": "model.gone"}), tiny)
	assert.EqualError(t, err, "vit: load: 1 tensor missing (blocks.1.norm1.bias)")
}

func TestLoadEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	src := &counting{Tensors: weightsOf(tiny, 10, 17)}
	src.after = func() {
		if src.read == 5 {
			cancel()
		}
	}
	_, err := LoadFromContext(ctx, src, tiny)
	assert.ErrorIs(t, err, context.Canceled)
	assert.Equal(t, 5, src.read)
}

// A source that does not tell shapes is read up to the first tensor that does not fit, and what is unknown never.
func TestReadingStopsAtTheFirstMisfit(t *testing.T) {
	src := &counting{Tensors: weightsOf(tiny, 10, 18)}
	src.Tensors["blocks.0.attn.qkv.bias"] = tensor.New(7)
	_, err := LoadFrom(src, tiny)
	assert.EqualError(t, err, "vit: load: blocks.0.attn.qkv.bias is [7], want [24]")
	assert.Equal(t, 3, src.read)
	src = &counting{Tensors: weightsOf(tiny, 10, 18)}
	src.Tensors["blocks.0.attn.foo"] = tensor.New(7)
	_, err = LoadFrom(src, tiny)
	assert.EqualError(t, err, "vit: load: 1 tensor unknown (blocks.0.attn.foo)")
	assert.Zero(t, src.read)
}

// counting counts what is read. It does not tell shapes.
type counting struct {
	nn.Tensors
	read  int
	after func()
}

func (c *counting) Tensor(name string) (*tensor.Tensor, error) {
	if c.read++; c.after != nil {
		c.after()
	}
	return c.Tensors.Tensor(name)
}

type failing struct {
	nn.Tensors
	err error
}

func (f failing) Tensor(name string) (*tensor.Tensor, error) {
	if name == "norm.bias" {
		return nil, f.err
	}
	return f.Tensors.Tensor(name)
}

func TestWithoutHidesThePromptsOfAnOfficialCheckpoint(t *testing.T) {
	weights := weightsOf(tiny, 10, 9)
	file := convention{rename: asTimm}.file(weights)
	file["vpt.prompt_embeddings"] = tensor.New(2, 3, 8)
	file["head.weight"], file["head.bias"] = tensor.New(1, 8), tensor.New(1)
	assert.Equal(t, []string{"vpt.prompt_embeddings"}, Aside(file))
	assert.Empty(t, Aside(Without(file, "vpt.")))
	for _, src := range []nn.Source{file, Without(file, "vpt."), Without(file, "vpt.", "head.")} {
		m, err := LoadFrom(src, tiny)
		require.NoError(t, err)
		assertState(t, weights, m)
	}
}

func TestLoadReadsAFileAndNamesIt(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tiny.safetensors")
	weights := weightsOf(tiny, 10, 10)
	require.NoError(t, checkpoint.Save(path, weights, nil))
	m, err := Load(path, tiny)
	require.NoError(t, err)
	assertState(t, weights, m)

	_, err = Load(path, tinyDINO)
	assert.ErrorContains(t, err, "vit: load "+path+": 4 tensors missing (blocks.0.ls1.gamma,")
	_, err = Load(path, Config{})
	assert.ErrorContains(t, err, "PatchSize is 0")
	_, err = Load(path+"x", tiny)
	assert.ErrorIs(t, err, os.ErrNotExist)
	require.NoError(t, os.WriteFile(path, []byte("hello, world: no weights"), 0o666))
	_, err = Load(path, tiny)
	assert.ErrorContains(t, err, path)
}

// shared returns a path in the development data, which a user does not have.
func shared(t *testing.T, elem ...string) string {
	t.Helper()
	dir, err := filepath.Abs(".")
	require.NoError(t, err)
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			break
		}
		require.NotEqual(t, dir, filepath.Dir(dir), "no go.mod above the test")
		dir = filepath.Dir(dir)
	}
	path := filepath.Join(append([]string{dir, "..", "shared"}, elem...)...)
	if _, err := os.Stat(path); err != nil {
		t.Skipf("needs the development data: %v", err)
	}
	return path
}

func TestTheSameWeightsHaveOneIdentityInBothFormats(t *testing.T) {
	c, err := Preset("augreg-vitti16")
	require.NoError(t, err)
	a, err := Load(shared(t, "weights", "vit_tiny_patch16_224.safetensors"), c)
	require.NoError(t, err)
	b, err := Load(shared(t, "weights", "vit_tiny_patch16_224.pth"), c)
	require.NoError(t, err)
	assert.Equal(t, a.SHA256, b.SHA256)
	assertState(t, nn.State(a), b)
}

func TestLoadOfficialPromptCAMModels(t *testing.T) {
	for name, c := range map[string]Config{
		"dino":   {ImageSize: [2]int{32, 32}, PatchSize: 8, Dim: 48, Depth: 3, Heads: 4, Hidden: 192, Eps: 1e-6, Mean: half, Std: half},
		"dinov2": {ImageSize: [2]int{42, 42}, PatchSize: 14, Dim: 36, Depth: 2, Heads: 3, Hidden: 144, LayerScale: true, Eps: 1e-6, Mean: half, Std: half},
		"clip":   {ImageSize: [2]int{32, 32}, PatchSize: 16, Dim: 32, Depth: 2, Heads: 2, Hidden: 128, PreNorm: true, QuickGELU: true, Eps: 1e-5, Mean: half, Std: half},
	} {
		var first *Model
		for _, file := range []string{"model.safetensors", "model.pt", "model_legacy.pt"} {
			f, err := checkpoint.Open(shared(t, "golden", name, file))
			require.NoError(t, err)
			m, err := LoadFrom(Without(f, "vpt."), c)
			require.NoError(t, err)
			require.NoError(t, f.Close())
			if first == nil {
				first = m
			}
			assert.Equal(t, first.SHA256, m.SHA256)
		}
	}
}
