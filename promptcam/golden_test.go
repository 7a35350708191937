package promptcam

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/promptcam/promptcam/autograd"
	"github.com/promptcam/promptcam/tensor"
	"github.com/promptcam/promptcam/tensor/checkpoint"
	"github.com/promptcam/promptcam/vit"
	"github.com/stretchr/testify/require"
)

func goldenConfig(t *testing.T, dir string) vit.Config {
	b, err := os.ReadFile(filepath.Join(dir, "config.json"))
	require.NoError(t, err)
	var c struct {
		ImgSize    int     `json:"img_size"`
		PatchSize  int     `json:"patch_size"`
		Dim        int     `json:"embed_dim"`
		Depth      int     `json:"depth"`
		Heads      int     `json:"num_heads"`
		InitValues float64 `json:"init_values"`
		Eps        float32 `json:"eps"`
		Act        string  `json:"act"`
		PreNorm    bool    `json:"pre_norm"`
	}
	require.NoError(t, json.Unmarshal(b, &c))
	return vit.Config{Name: filepath.Base(dir), ImageSize: [2]int{c.ImgSize, c.ImgSize}, PatchSize: c.PatchSize, Dim: c.Dim, Depth: c.Depth, Heads: c.Heads,
		Hidden: 4 * c.Dim, PreNorm: c.PreNorm, QuickGELU: c.Act == "quick_gelu", LayerScale: c.InitValues > 0, Eps: c.Eps, Std: [3]float32{1, 1, 1}}
}

func maxDiff(t *testing.T, a, b *tensor.Tensor) float64 {
	require.Equal(t, a.Shape(), b.Shape())
	d := 0.0
	x, y := a.Contig().Data(), b.Contig().Data()
	for i := range x {
		d = math.Max(d, math.Abs(float64(x[i])-float64(y[i])))
	}
	return d
}

func TestQuickGolden(t *testing.T) {
	for _, name := range []string{"dino", "dinov2", "clip"} {
		dir := "../../shared/golden/" + name
		m, err := LoadOfficial(filepath.Join(dir, "model.safetensors"), goldenConfig(t, dir))
		require.NoError(t, err)
		f, err := checkpoint.Open(filepath.Join(dir, "io.safetensors"))
		require.NoError(t, err)
		get := func(n string) *tensor.Tensor { v, err := f.Tensor(n); require.NoError(t, err); return v }
		images := &autograd.Param{Value: get("images")}
		labels, _, err := f.Ints("labels")
		require.NoError(t, err)
		var y []int
		for _, l := range labels {
			y = append(y, int(l))
		}
		tp := &autograd.Tape{}
		scores, attn := m.Forward(tp.Param(images))
		want := get("attn")
		c := m.Config.Classes
		t.Log(name, "logits", maxDiff(t, scores.Value(), get("logits")), "attn", maxDiff(t, attn, want.Slice(2, 0, c).Slice(3, c+1, want.Dim(3))))
		g := tp.Backward(autograd.CrossEntropy(scores, y))
		t.Log("images", maxDiff(t, g[images], get("grad.images")), "head", maxDiff(t, g[m.Head.Weight], get("grad.head.weight")))
		p := get("grad.vpt.prompt_embeddings")
		t.Log("class", maxDiff(t, g[m.Class], p.Select(0, m.Backbone.Config.Depth-1)), "agn0", maxDiff(t, g[m.Agnostic[0]], p.Select(0, 0)))
		order, _, _ := f.Ints("blur_order")
		prob := get("blur_prob")
		for i := range y {
			e := m.explain(images.Value.Slice(0, i, i+1).Clone())
			r := e.Rank(y[i], BlurAll)
			n := len(r.Heads)
			for h := range r.Heads {
				if int64(r.Heads[n-1-h].Head) != order[i*n+h] || math.Abs(r.Heads[n-1-h].Probability-float64(prob.At(i, h))) > 1e-4 {
					t.Log("differs", i, h, r.Heads, order[i*n:i*n+n], prob.Select(0, i).Data())
				}
			}
		}
	}
}
