package promptcam

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/promptcam/promptcam/autograd"
	"github.com/promptcam/promptcam/nn"
	"github.com/promptcam/promptcam/nn/optim"
	"github.com/promptcam/promptcam/tensor"
	"github.com/promptcam/promptcam/tensor/checkpoint"
	"github.com/promptcam/promptcam/tensor/tensortest"
	"github.com/promptcam/promptcam/vit"
)

var families = []string{"dino", "dinov2", "clip"}

// golden is a small model and what the authors' code made of it.
type golden struct {
	*checkpoint.File
	t      *testing.T
	name   string
	config vit.Config
	images *autograd.Param // [B, 3, S, S]
	labels []int
}

func openGolden(t *testing.T, name string) *golden {
	t.Helper()
	dir := filepath.Join("testdata", "golden", name)
	text, err := os.ReadFile(filepath.Join(dir, "config.json"))
	require.NoError(t, err)
	var c struct {
		ImgSize    int     `json:"img_size"`
		PatchSize  int     `json:"patch_size"`
		EmbedDim   int     `json:"embed_dim"`
		Depth      int     `json:"depth"`
		NumHeads   int     `json:"num_heads"`
		InitValues float64 `json:"init_values"`
		Eps        float32 `json:"eps"`
		Act        string  `json:"act"`
		PreNorm    bool    `json:"pre_norm"`
	}
	require.NoError(t, json.Unmarshal(text, &c))
	f, err := checkpoint.Open(filepath.Join(dir, "io.safetensors"))
	require.NoError(t, err)
	t.Cleanup(func() { f.Close() })
	g := &golden{File: f, t: t, name: name, config: vit.Config{
		Name: name, ImageSize: [2]int{c.ImgSize, c.ImgSize}, PatchSize: c.PatchSize,
		Dim: c.EmbedDim, Depth: c.Depth, Heads: c.NumHeads, Hidden: 4 * c.EmbedDim,
		PreNorm: c.PreNorm, QuickGELU: c.Act == "quick_gelu", LayerScale: c.InitValues > 0, Eps: c.Eps,
		Mean: [3]float32{0.5, 0.5, 0.5}, Std: [3]float32{0.5, 0.5, 0.5},
	}}
	g.images = &autograd.Param{Value: g.tensor("images")}
	g.labels = g.ints("labels")
	return g
}

// tensor shadows File's method, which can fail.
func (g *golden) tensor(name string) *tensor.Tensor {
	g.t.Helper()
	v, err := g.Tensor(name)
	require.NoError(g.t, err)
	return v
}

func (g *golden) ints(name string) []int {
	g.t.Helper()
	var out []int
	for _, v := range g.tensor(name).Data() {
		out = append(out, int(v))
	}
	return out
}

// path returns the model in one of the three formats.
func (g *golden) path(file string) string {
	if g.name == "clip" {
		return filepath.Join("..", "tensor", "checkpoint", "testdata", "golden", "clip", file)
	}
	if file == "model.safetensors" {
		return filepath.Join("testdata", "golden", g.name, file)
	}
	path := filepath.Join("..", "..", "shared", "golden", g.name, file)
	if _, err := os.Stat(path); err != nil {
		g.t.Skipf("the reference data beside the repository is not here: %v", err)
	}
	return path
}

func (g *golden) model() *Model {
	g.t.Helper()
	m, err := g.official("model.safetensors", g.config)
	require.NoError(g.t, err)
	return m
}

// official loads the model from one of its files with another config.
func (g *golden) official(file string, c vit.Config) (*Model, error) {
	return LoadOfficial(open(g.t, g.path(file)), c)
}

// open opens a checkpoint until the test ends.
func open(t *testing.T, path string) *checkpoint.File {
	t.Helper()
	f, err := checkpoint.Open(path)
	require.NoError(t, err)
	t.Cleanup(func() { f.Close() })
	return f
}

// forEachFamily runs f on each golden model.
func forEachFamily(t *testing.T, f func(t *testing.T, g *golden)) {
	for _, name := range families {
		t.Run(name, func(t *testing.T) { f(t, openGolden(t, name)) })
	}
}

func TestGoldenFormatsHoldTheSameBits(t *testing.T) {
	forEachFamily(t, func(t *testing.T, g *golden) {
		want := g.model()
		for _, file := range []string{"model.pt", "model_legacy.pt"} {
			t.Run(file, func(t *testing.T) {
				g.t = t
				m, err := g.official(file, g.config)
				require.NoError(t, err)
				assert.Equal(t, want.Backbone.SHA256, m.Backbone.SHA256)
				assert.Equal(t, nn.State(want.Backbone), nn.State(m.Backbone))
				assert.Equal(t, nn.State(want), nn.State(m))
			})
		}
	})
}

func TestGoldenForward(t *testing.T) {
	forEachFamily(t, func(t *testing.T, g *golden) {
		m, tp := g.model(), &autograd.Tape{NoGrad: true}
		images := tp.Param(g.images)
		tensortest.Close(t, g.tensor("act.patch_embed"), m.Backbone.Patch.Forward(images).Value(), 1e-4)

		// The authors prepend the prompts: their rows come first in each output.
		x := m.Backbone.Embed(images)
		c := m.Config.Classes
		depth := g.config.Depth
		for i, block := range m.Backbone.Blocks {
			p := tp.Param(m.Class)
			if i < depth-1 {
				p = tp.Param(m.Agnostic[i])
			}
			want := g.tensor(fmt.Sprintf("act.block%d", i)) // [B, C+tokens, D]
			prompts := block.Forward(p, x)
			x = block.Forward(x, p)
			tensortest.Close(t, want.Slice(1, 0, c).Clone(), prompts.Value(), 1e-4)
			tensortest.Close(t, want.Slice(1, c, want.Dim(1)).Clone(), x.Value(), 1e-4)
		}

		scores, attn := m.Forward(images)
		tensortest.Close(t, scores.Value(), m.Scores(images).Value(), 0)
		tensortest.Close(t, g.tensor("logits"), scores.Value(), 1e-4)
		want := g.tensor("attn") // [B, H, C+1+M, C+1+M]
		tensortest.Close(t, want.Slice(2, 0, c).Slice(3, c+1, want.Dim(3)).Clone(), attn.Clone(), 1e-4)
	})
}

func TestGoldenGradients(t *testing.T) {
	forEachFamily(t, func(t *testing.T, g *golden) {
		m, tp := g.model(), &autograd.Tape{}
		scores := m.Scores(tp.Param(g.images))
		loss := autograd.CrossEntropy(scores, g.labels)
		tensortest.Close(t, g.tensor("loss"), loss.Value().Reshape(1), 1e-5)
		grads := tp.Backward(loss)
		assert.Len(t, grads, len(m.Agnostic)+4, "prompts, class prompts, head and images; nothing frozen")

		prompts := g.tensor("grad.vpt.prompt_embeddings") // [N, C, D]
		relative(t, g.tensor("grad.images"), grads[g.images])
		relative(t, g.tensor("grad.head.weight"), grads[m.Head.Weight])
		relative(t, prompts.Select(0, g.config.Depth-1), grads[m.Class])
		for i, a := range m.Agnostic {
			relative(t, prompts.Select(0, i), grads[a])
		}
		// The bias shifts all scores alike, so that its gradient is zero but for rounding.
		tensortest.Close(t, g.tensor("grad.head.bias"), grads[m.Head.Bias], 1e-6)
	})
}

// relative checks that got is within 1e-4 of want's largest value.
func relative(t *testing.T, want, got *tensor.Tensor) {
	t.Helper()
	var top float32
	for _, v := range want.Data() {
		top = max(top, v, -v)
	}
	tensortest.Close(t, want, got, 1e-4*float64(top))
}

func TestGoldenTenSteps(t *testing.T) {
	optimizers := map[string]func(m *Model) (optim.Optimizer, float32){
		"sgd": func(m *Model) (optim.Optimizer, float32) {
			return optim.SGD{Momentum: 0.9, WeightDecay: 1e-3}.New(nn.Params(m)), 0.05
		},
		"adamw": func(m *Model) (optim.Optimizer, float32) {
			return optim.AdamW{WeightDecay: 0.05}.New(nn.Params(m)), 0.01
		},
	}
	forEachFamily(t, func(t *testing.T, g *golden) {
		for name, make := range optimizers {
			t.Run(name, func(t *testing.T) {
				m, tape := g.model(), &autograd.Tape{}
				opt, lr := make(m)
				for i, want := range g.tensor(name + ".losses").Data() {
					scores := m.Scores(tape.Const(g.images.Value))
					loss := autograd.CrossEntropy(scores, g.labels)
					assert.InDelta(t, want, loss.Value().At(), 1e-3, "step %d", i)
					opt.Step(lr, tape.Backward(loss))
					tape.Reset()
				}
				prompts := g.tensor(name + ".final.vpt.prompt_embeddings")
				tensortest.Close(t, prompts.Select(0, g.config.Depth-1), m.Class.Value, 1e-3)
				for i, a := range m.Agnostic {
					tensortest.Close(t, prompts.Select(0, i), a.Value, 1e-3)
				}
				tensortest.Close(t, g.tensor(name+".final.head.weight"), m.Head.Weight.Value, 1e-3)
			})
		}
	})
}

func TestGoldenRanking(t *testing.T) {
	forEachFamily(t, func(t *testing.T, g *golden) {
		m := g.model()
		heads := g.config.Heads
		order, left := g.ints("blur_order"), g.tensor("blur_prob")
		blurred := g.tensor("blur01_class1.logits")
		for i := range g.labels {
			e := m.explain(g.images.Value.Slice(0, i, i+1).Contig())
			r := e.Rank(e.Predicted(), BlurAll)
			for step := range heads { // the golden order is the order of blurring
				h := r.Heads[heads-1-step]
				assert.Equal(t, order[i*heads+step], h.Head, "image %d, step %d", i, step)
				assert.InDelta(t, left.At(i, step), h.Probability, 1e-4)
			}
			choice := make([]bool, heads)
			choice[0], choice[1] = true, true
			assert.InDelta(t, blurred.At(i, 1), scoreBlurred(e, 1, BlurAll, choice), 1e-4)
			for c, s := range e.Scores {
				if c != 1 {
					assert.InDelta(t, blurred.At(i, c), s, 1e-4, "other classes do not move")
				}
			}
		}
	})
}
