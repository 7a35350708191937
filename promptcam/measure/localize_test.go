package measure

import (
	"context"
	"errors"
	"image"
	"iter"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/promptcam/promptcam/autograd"
	"github.com/promptcam/promptcam/data"
	"github.com/promptcam/promptcam/nn"
	"github.com/promptcam/promptcam/promptcam"
	"github.com/promptcam/promptcam/tensor"
	"github.com/promptcam/promptcam/tensor/tensortest"
	"github.com/promptcam/promptcam/vit"
	"github.com/promptcam/promptcam/vit/heat"
)

// inPairs is batches of two images.
type inPairs struct {
	images *tensor.Tensor // [B, 3, H, W]
	labels []int
	layer  *promptcam.Model // if not nil, tokens that enter its layer come in place of images
}

func (f inPairs) Len() int     { return len(f.labels) }
func (f inPairs) Batches() int { return (len(f.labels) + 1) / 2 }
func (f inPairs) Epoch(context.Context, data.Plan) iter.Seq2[*data.Batch, error] {
	return func(yield func(*data.Batch, error) bool) {
		for i := 0; i < len(f.labels); i += 2 {
			end := min(i+2, len(f.labels))
			b := &data.Batch{Values: f.images.Slice(0, i, end).Contig(), Labels: f.labels[i:end], Index: numbers(end)[i:]}
			if f.layer != nil {
				n, _ := f.layer.Layer()
				tp := &autograd.Tape{NoGrad: true}
				b.Kind = data.Tokens
				b.Values = f.layer.Backbone.Tokens(tp.Const(b.Values), n).Value()
			}
			if !yield(b, nil) {
				return
			}
		}
	}
}

func numbers(n int) []int {
	all := make([]int, n)
	for i := range all {
		all[i] = i
	}
	return all
}

// untrained returns a model of each kind on random weights of three layers, with adapters that do something,
// and some images.
func untrained(t *testing.T) (models map[string]*promptcam.Model, images *tensor.Tensor) {
	t.Helper()
	rng := rand.New(rand.NewPCG(1, 2))
	b, err := vit.New(vit.Config{
		Name: "tiny", ImageSize: [2]int{32, 32}, PatchSize: 8, Dim: 48, Depth: 3, Heads: 4, Hidden: 96, Eps: 1e-6, Std: [3]float32{1, 1, 1},
	}, rng)
	require.NoError(t, err)
	models = map[string]*promptcam.Model{}
	for name, c := range map[string]promptcam.Config{
		"deep":            {Mode: promptcam.Deep, Classes: 4, Agnostic: 3},
		"deep alone":      {Mode: promptcam.Deep, Classes: 4},
		"shallow":         {Mode: promptcam.Shallow, Classes: 4, Rank: 2},
		"from:2":          {Mode: promptcam.FromLayer(2), Classes: 4, Agnostic: 3},
		"from:2 alone":    {Mode: promptcam.FromLayer(2), Classes: 4},
		"last":            {Mode: promptcam.Last, Classes: 4},
		"last patches":    {Mode: promptcam.Last, Classes: 4, PatchesOnly: true},
		"last of adapted": {Mode: promptcam.Last, Classes: 4, PatchesOnly: true, Rank: 2},
	} {
		m, err := promptcam.New(b, c, rng)
		require.NoError(t, err)
		for name, p := range nn.Params(m.Adapters) {
			if strings.HasSuffix(name, "lora_B") {
				nn.Normal(rng, p, 6)
			}
		}
		models[name] = m
	}
	return models, tensortest.Random(rng, 7, 3, 32, 32)
}

// corner is a region of the upper left patch of a map of the model's.
func corner(m *promptcam.Model) heat.Region {
	c := m.Backbone.Config
	size := image.Pt(c.ImageSize[1], c.ImageSize[0])
	t := data.EvalTransform(c.ImageSize, c.Mean, c.Std)
	p := float64(c.PatchSize)
	return heat.View{Transform: t, Patch: c.PatchSize, Size: size}.Box(data.Box{Width: p, Height: p})
}

// both returns the same regions for all maps.
func both(regions func(index int) []heat.Region) func(index, c, o int) (all, between []heat.Region, err error) {
	return func(index, _, _ int) (all, between []heat.Region, err error) {
		return regions(index), regions(index), nil
	}
}

// In every mode, from images and from tokens, what is measured is the map that Explain has, and the
// class token's is that of the backbone alone.
func TestLocalizeScoresTheMapsOfExplanations(t *testing.T) {
	models, images := untrained(t)
	for name, m := range models {
		t.Run(name, func(t *testing.T) {
			labels := make([]int, images.Dim(0))
			for i := range labels {
				labels[i] = i % m.Config.Classes
			}
			r := corner(m)
			places := both(func(int) []heat.Region { return []heat.Region{r, r.Outside()} })
			all, err := LocalizeAll(m.Explanations(t.Context(), inPairs{images, labels, nil}), places, promptcam.BlurPatches)
			require.NoError(t, err)
			require.Len(t, all, len(labels))
			b, tp := m.Backbone, &autograd.Tape{NoGrad: true}
			_, token := b.Class(b.Tokens(tp.Const(images), b.Config.Depth-1)) // [B, H, prefix+M]
			prefix := b.Config.Prefix()
			for i, s := range all {
				var e *promptcam.Explanation
				for e, err = range m.Explanations(t.Context(), inPairs{images.Slice(0, i, i+1), labels[i : i+1], nil}) {
					require.NoError(t, err)
				}
				assert.Equal(t, [3]int{i, labels[i], e.Predicted()}, [3]int{s.Index, s.Class, s.Predicted})
				assert.Equal(t, e.Rank(s.Class, promptcam.BlurPatches).Heads[0].Head, s.Top)
				require.Len(t, s.Heads, e.Heads())
				for h, got := range s.Heads {
					heat := e.Heat(s.Class, h)
					assert.InDelta(t, heat.Mass(r), got.Mass[0], 1e-5)
					assert.InDelta(t, 1, got.Mass[0]+got.Mass[1], 1e-12)
					assert.Equal(t, heat.Points(r), got.Points[0])
				}
				var mean float64
				for h, got := range s.Token {
					row := token.Select(0, i).Select(0, h).Data()
					var patches float64
					for _, v := range row[prefix:] {
						patches += float64(v)
					}
					assert.InDelta(t, float64(row[prefix])/patches, got.Mass[0], 1e-5)
					mean += float64(row[prefix])
				}
				assert.Len(t, s.Token, b.Config.Heads)
				assert.Positive(t, s.Mean.Mass[0])
				assert.Equal(t, r.Area(), s.Area[0])
				assert.Equal(t, r.Chance(), s.Chance[0])
				assert.False(t, s.Hidden[0])

				q := e.Question()
				v := e.Evidence(q)
				assert.Equal(t, [2]int{q.For[0], q.Against[0]}, [2]int{s.First.For, s.First.Against})
				require.Len(t, s.First.Panels, 3)
				for p, h := range []heat.Map{v.Map(), v.Heads[0].Map, v.Heads[1].Map} {
					var on, all float64
					for k, x := range h.Values {
						all += max(0, float64(x))
						on += max(0, float64(x)) * r.Cover[k]
					}
					assert.InDelta(t, on/max(all, 1e-30), s.First.Panels[p].Mass[0], 1e-4)
				}
			}
			if _, ok := m.Layer(); ok {
				again, err := LocalizeAll(m.Explanations(t.Context(), inPairs{images, labels, m}), places, promptcam.BlurPatches)
				require.NoError(t, err)
				assert.Equal(t, all, again)
			}
		})
	}
}

func TestLocalizeAllErrors(t *testing.T) {
	models, images := untrained(t)
	l := inPairs{images, make([]int, images.Dim(0)), nil}
	explained := models["last"].Explanations(t.Context(), l)
	_, err := LocalizeAll(explained, func(int, int, int) (_, _ []heat.Region, err error) { return nil, nil, errors.New("no mask") }, promptcam.BlurPatches)
	assert.ErrorContains(t, err, "no mask")
	l.labels[0] = 99
	_, err = LocalizeAll(explained, both(func(int) []heat.Region { return nil }), promptcam.BlurPatches)
	assert.ErrorContains(t, err, "class 99")
}

// looker is a model made by hand, of one layer and two heads: the first of every class looks at the
// white patch of a black image, with weight e^attention against 1, and its output counts; the second
// looks everywhere alike, and so does the class token.
func looker(t *testing.T, attention float64) *promptcam.Model {
	t.Helper()
	b, err := vit.New(vit.Config{
		Name: "by hand", ImageSize: [2]int{32, 32}, PatchSize: 8, Dim: 4, Depth: 1, Heads: 2, Hidden: 4, Eps: 1e-12, Std: [3]float32{1, 1, 1},
	}, rand.New(rand.NewPCG(1, 2)))
	require.NoError(t, err)
	for _, p := range nn.Params(b) {
		p.Value.Fill(0)
	}
	white := b.Patch.Weight.Value.Reshape(4, -1)
	white.Slice(0, 0, 1).Fill(1. / (3 * 64))
	white.Slice(0, 1, 2).Fill(-1. / (3 * 64)) // a white patch's token is 1, -1, 0, 0, which is normed to √2, -√2, 0, 0
	block := b.Blocks[0]
	for _, n := range []*nn.LayerNorm{block.Norm1, block.Norm2, b.Norm} {
		n.Weight.Value.Fill(1)
	}
	qkv := block.Attn.QKV.Weight.Value // [12, 4]
	qkv.Set(1, 0, 0)
	qkv.Set(float32(attention/math.Sqrt2), 4, 0) // √2 · √2k / √d is the logit, of d = 2
	qkv.Set(1, 8, 0)
	for i := range 4 {
		block.Attn.Proj.Weight.Value.Set(1, i, i)
	}
	m, err := promptcam.New(b, promptcam.Config{Mode: promptcam.Last, Classes: 2, PatchesOnly: true}, rand.New(rand.NewPCG(1, 2)))
	require.NoError(t, err)
	m.Class.Value.Fill(0)
	for c := range 2 {
		m.Class.Value.Set(1, c, 0)
		m.Class.Value.Set(-1, c, 1)
	}
	m.Head.Weight.Value.Fill(0)
	m.Head.Weight.Value.Set(1, 0, 0)
	m.Head.Bias.Value.Fill(0)
	return m
}

// whitePatches are images with one white patch each, and where it is.
func whitePatches(n int) (images *tensor.Tensor, at []int) {
	images = tensor.New(n, 3, 32, 32)
	rng := rand.New(rand.NewPCG(5, 6))
	for i := range n {
		p := 1 + rng.IntN(15) // an even map points at patch 0
		at = append(at, p)
		for c := range 3 {
			for k := range 64 {
				images.Set(1, i, c, p/4*8+k/8, p%4*8+k%8)
			}
		}
	}
	return images, at
}

func TestAModelThatLooksAtTheSpot(t *testing.T) {
	const n, attention = 20, 3.
	m := looker(t, attention)
	images, at := whitePatches(n)
	labels := make([]int, n)
	for i := range labels {
		labels[i] = i % 2
	}
	view := heat.View{Transform: data.Transform{Width: 32, Height: 32, Std: [3]float32{1, 1, 1}}, Patch: 8, Size: image.Pt(32, 32)}
	places := both(func(i int) []heat.Region {
		return []heat.Region{view.Discs(3, data.Point{X: float64(at[i]%4*8 + 4), Y: float64(at[i]/4*8 + 4), Visible: i != 7}),
			view.Box(data.Box{X: float64(at[i] % 4 * 8), Y: float64(at[i] / 4 * 8), Width: 8, Height: 8})}
	})
	all, err := LocalizeAll(m.Explanations(t.Context(), inPairs{images, labels, nil}), places, promptcam.BlurPatches)
	require.NoError(t, err)
	s := ScoreTraits(all, 2, 0, heat.DefaultBootstrap())
	mass := math.Exp(attention) / (math.Exp(attention) + 15)
	for _, scores := range [][]RegionScore{s.Best, s.Top} {
		assert.Equal(t, heat.Interval{Mean: 1, Low: 1, High: 1, N: n - 1}, scores[0].Points, "one spot is hidden")
		assert.Equal(t, heat.Interval{Mean: 1, Low: 1, High: 1, N: n}, scores[1].Points)
		assert.InDelta(t, mass, scores[1].Mass.Mean, 1e-5)
		assert.InDelta(t, mass*32/64, scores[0].Mass.Mean, 1e-2, "a disc of 32 pixels")
		assert.InDelta(t, 1./16, scores[1].Chance, 1e-12)
		assert.InDelta(t, 1./16, scores[1].Area, 1e-12)
	}
	for _, scores := range [][]RegionScore{s.TokenBest, s.TokenMean} {
		assert.Equal(t, heat.Interval{Mean: 0, Low: 0, High: 0, N: n}, scores[1].Points)
		assert.InDelta(t, 1./16, scores[1].Mass.Mean, 1e-5)
	}
	for _, c := range s.Classes {
		assert.Equal(t, [3]int{n / 2, 0, 0}, [3]int{c.Images, c.BestHead, c.TopHead})
		assert.Equal(t, 1., c.Heads[0][1].Points.Mean)
		assert.Equal(t, 0., c.Heads[1][1].Points.Mean)
		assert.InDelta(t, 1./16, c.Heads[1][1].Mass.Mean, 1e-5)
	}
}
