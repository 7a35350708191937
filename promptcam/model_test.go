package promptcam

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/promptcam/promptcam/autograd"
	"github.com/promptcam/promptcam/autograd/gradcheck"
	"github.com/promptcam/promptcam/data"
	"github.com/promptcam/promptcam/nn"
	"github.com/promptcam/promptcam/nn/optim"
	"github.com/promptcam/promptcam/tensor"
	"github.com/promptcam/promptcam/tensor/checkpoint"
	"github.com/promptcam/promptcam/tensor/tensortest"
	"github.com/promptcam/promptcam/vit"
)

// configs are all ways in which class prompts can enter a model of three layers.
func configs() map[string]Config {
	return map[string]Config{
		"deep":             {Mode: Deep, Classes: 4, Agnostic: 3},
		"deep alone":       {Mode: Deep, Classes: 4},
		"shallow":          {Mode: Shallow, Classes: 4},
		"from:2":           {Mode: FromLayer(2), Classes: 4, Agnostic: 3},
		"shallow dropping": {Mode: Shallow, Classes: 4, PatchDropout: 0.125},
		"last":             {Mode: Last, Classes: 4},
		"last patches":     {Mode: Last, Classes: 4, PatchesOnly: true},
		"deep adapted":     {Mode: Deep, Classes: 4, Agnostic: 3, Rank: 3},
		"shallow adapted":  {Mode: Shallow, Classes: 4, Rank: 2},
		"last adapted":     {Mode: Last, Classes: 4, PatchesOnly: true, Rank: 2},
	}
}

// forEachConfig runs f on an untrained model of each config on dino's backbone, but with
// adapters that do something.
func forEachConfig(t *testing.T, f func(t *testing.T, m *Model, g *golden)) {
	for name, c := range configs() {
		t.Run(name, func(t *testing.T) {
			g := openGolden(t, "dino")
			m, err := New(g.model().Backbone, c, rand.New(rand.NewPCG(1, 2)))
			require.NoError(t, err)
			move(m)
			f(t, m, g)
		})
	}
}

// move gives the adapters' B, which start as zeros, other values.
func move(m *Model) {
	rng := rand.New(rand.NewPCG(3, 4))
	for name, p := range nn.Params(m.Adapters) {
		if strings.HasSuffix(name, "lora_B") {
			nn.Normal(rng, p, 0.2*gain(newScale)) // as 0.2 in ordinary adapters
		}
	}
}

func forward(m *Model, images *tensor.Tensor) (scores, attn *tensor.Tensor) {
	tp := &autograd.Tape{NoGrad: true}
	s, a := m.Forward(tp.Const(images))
	return s.Value(), a
}

// prepended computes the scores as the authors' code does: all rows in one
// sequence, prompts first, each block in whole, agnostic prompts cut off after.
func prepended(m *Model, images *tensor.Tensor) *tensor.Tensor {
	tp := &autograd.Tape{NoGrad: true}
	x := m.Backbone.Embed(tp.Const(images)) // [B, T, D]
	b, tokens, c := x.Dim(0), x.Dim(1), m.Config.Classes
	row := func(p *autograd.Param) *autograd.Var {
		return tp.Const(p.Value.Reshape(1, p.Value.Dim(0), p.Value.Dim(1)).Expand(b, p.Value.Dim(0), p.Value.Dim(1)))
	}
	for i, block := range m.Backbone.Blocks {
		n := 0
		switch {
		case i == m.first:
			x = autograd.Concat(row(m.Class), x)
		case i < m.first && len(m.Agnostic) > 0:
			n = m.Config.Agnostic
			x = autograd.Concat(row(m.Agnostic[i]), x)
		}
		if i == len(m.Backbone.Blocks)-1 {
			block = m.last
		}
		x = block.Forward(x, nil)
		x = autograd.Concat(autograd.Slice(x, 1, n, x.Dim(1)))
	}
	if got := x.Dim(1); got != c+tokens {
		panic(got)
	}
	return m.score(autograd.Concat(autograd.Slice(x, 1, 0, c))).Value()
}

func TestEqualsPrependedPrompts(t *testing.T) {
	forEachConfig(t, func(t *testing.T, m *Model, g *golden) {
		if m.Config.PatchesOnly {
			t.Skip("the authors have no such mode")
		}
		scores, _ := forward(m, g.images.Value)
		tensortest.Close(t, prepended(m, g.images.Value), scores, 1e-5)
	})
}

// One layer is the first and the last: no tokens are updated, no prompts are agnostic.
func TestModelsOfOneLayer(t *testing.T) {
	for name, c := range map[string]Config{
		"deep":    {Mode: Deep, Classes: 4},
		"shallow": {Mode: Shallow, Classes: 4},
		"from:1":  {Mode: FromLayer(1), Classes: 4},
		"last":    {Mode: Last, Classes: 4},
	} {
		t.Run(name, func(t *testing.T) {
			g := openGolden(t, "dino")
			b := g.model().Backbone
			b.Blocks, b.Config.Depth = b.Blocks[:1], 1
			m, err := New(b, c, rand.New(rand.NewPCG(1, 2)))
			require.NoError(t, err)
			scores, _ := forward(m, g.images.Value)
			tensortest.Close(t, prepended(m, g.images.Value), scores, 1e-5)

			tp := &autograd.Tape{}
			s, _ := m.Forward(tp.Const(g.images.Value))
			assert.Len(t, tp.Backward(autograd.CrossEntropy(s, []int{0, 1, 2, 3, 0, 1})), 3, "class prompts and head")

			c.Agnostic = 2
			_, err = New(b, c, rand.New(rand.NewPCG(1, 2)))
			assert.ErrorContains(t, err, "has none")
		})
	}
}

// The registers' columns stand between the class token's and the patches'.
func TestModelsWithRegisters(t *testing.T) {
	forEachConfig(t, func(t *testing.T, m *Model, g *golden) {
		b := m.Backbone
		b.Config.Registers = 2
		b.Registers = nn.NewParam(1, 2, b.Config.Dim)
		nn.Uniform(rand.New(rand.NewPCG(3, 4)), b.Registers, 1)
		nn.Freeze(b)
		scores, attn := forward(m, g.images.Value)
		assert.Equal(t, m.patches(), attn.Dim(3))
		if !m.Config.PatchesOnly {
			tensortest.Close(t, prepended(m, g.images.Value), scores, 1e-5)
		}
		e := m.explain(g.images.Value.Slice(0, 0, 1).Contig())
		share := e.Share(1, 2)
		assert.InDelta(t, 1, share.Patches+share.Prompts+share.CLS+share.Registers, 1e-5)
		assert.Equal(t, m.Config.PatchesOnly, share.Registers == 0)
		assert.InDelta(t, e.Scores[1], scoreBlurred(e, 1, BlurAll, make([]bool, e.Heads())), 1e-5)
	})
}

func TestFromLayerMeetsDeepAndShallow(t *testing.T) {
	g := openGolden(t, "dino")
	for mode, same := range map[Mode]Config{FromLayer(3): {Mode: Deep, Classes: 4, Agnostic: 2}, FromLayer(1): {Mode: Shallow, Classes: 4}} {
		a, err := New(g.model().Backbone, same, rand.New(rand.NewPCG(1, 2)))
		require.NoError(t, err)
		same.Mode = mode
		b, err := New(g.model().Backbone, same, rand.New(rand.NewPCG(1, 2)))
		require.NoError(t, err)
		want, wantAttn := forward(a, g.images.Value)
		got, gotAttn := forward(b, g.images.Value)
		assert.Equal(t, want, got, mode)
		assert.Equal(t, wantAttn, gotAttn, mode)
	}
}

// Windows let class prompts in before the last block alone, and pass by there.
func TestModelsWithWindows(t *testing.T) {
	c := openGolden(t, "dino").model().Backbone.Config
	c.ImageSize, c.Window = [2]int{4 * c.PatchSize, 6 * c.PatchSize}, 2
	b, err := vit.New(c, rand.New(rand.NewPCG(7, 8)))
	require.NoError(t, err)
	m, err := New(b, Config{Mode: Last, Classes: 3}, rand.New(rand.NewPCG(1, 2)))
	require.NoError(t, err)
	images := tensortest.Random(rand.New(rand.NewPCG(3, 4)), 2, 3, c.ImageSize[0], c.ImageSize[1])
	tp := &autograd.Tape{NoGrad: true}
	tokens := b.Tokens(tp.Const(images), c.Depth-1)
	want := m.ScoresOf(tokens).Value()
	got, _ := m.Forward(tp.Const(images))
	tensortest.Close(t, want, got.Value(), 1e-5)
	_, err = New(b, Config{Mode: FromLayer(c.Depth), Classes: 3}, rand.New(rand.NewPCG(1, 2)))
	require.NoError(t, err)
	for _, c := range []Config{{Mode: Shallow, Classes: 3}, {Mode: Deep, Classes: 3, Agnostic: 1}} {
		_, err := New(b, c, rand.New(rand.NewPCG(1, 2)))
		assert.ErrorContains(t, err, "prompts can enter the last alone: want mode last")
	}
}

func TestAnImageAloneEqualsItInABatch(t *testing.T) {
	forEachConfig(t, func(t *testing.T, m *Model, g *golden) {
		all, allAttn := forward(m, g.images.Value)
		for i := range g.labels {
			one, attn := forward(m, g.images.Value.Slice(0, i, i+1).Contig())
			assert.Equal(t, all.Slice(0, i, i+1).Data(), one.Data())
			assert.Equal(t, allAttn.Slice(0, i, i+1).Clone(), attn.Clone())
		}
	})
}

func TestPermutingClassPromptsPermutesScores(t *testing.T) {
	forEachConfig(t, func(t *testing.T, m *Model, g *golden) {
		scores, attn := forward(m, g.images.Value)
		before := m.Class.Value.Clone()
		order := []int{2, 0, 3, 1}
		for to, from := range order {
			tensor.CopyTo(m.Class.Value.Select(0, to), before.Select(0, from))
		}
		moved, movedAttn := forward(m, g.images.Value)
		for to, from := range order {
			tensortest.Close(t, scores.Select(1, from).Clone(), moved.Select(1, to).Clone(), 1e-5)
			tensortest.Close(t, attn.Select(2, from).Clone(), movedAttn.Select(2, to).Clone(), 1e-5)
		}
	})
}

func TestSameBitsOnAnyNumberOfCores(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	forEachConfig(t, func(t *testing.T, m *Model, g *golden) {
		type result struct {
			scores *tensor.Tensor
			grads  map[string]*tensor.Tensor
		}
		var results []result
		for _, cores := range []int{1, 2, 5} {
			runtime.GOMAXPROCS(cores)
			tp := &autograd.Tape{Rand: rand.New(rand.NewPCG(1, 2))}
			scores, _ := m.Forward(tp.Const(g.images.Value))
			grads := tp.Backward(autograd.CrossEntropy(scores, []int{0, 1, 2, 3, 0, 1}))
			byName := map[string]*tensor.Tensor{}
			for name, p := range nn.Params(m) {
				byName[name] = grads[p]
				assert.NotNil(t, grads[p], name)
			}
			assert.Len(t, grads, len(byName), "nothing frozen has a gradient")
			results = append(results, result{scores.Value(), byName})
		}
		assert.Equal(t, results[0], results[1])
		assert.Equal(t, results[0], results[2])
	})
}

// Dropouts and drop path act in training alone, drop path the more the later the block.
func TestDropsActInTrainingAlone(t *testing.T) {
	forEachConfig(t, func(t *testing.T, m *Model, g *golden) {
		want, _ := forward(m, g.images.Value)
		train := func(c Config) *tensor.Tensor {
			dropping, err := newModel(m.Backbone, c)
			require.NoError(t, err)
			require.NoError(t, nn.Load(dropping, nn.Tensors(nn.State(m))))
			still, _ := forward(dropping, g.images.Value)
			assert.Equal(t, want, still, "without Rand nothing drops")
			s, _ := dropping.Forward((&autograd.Tape{NoGrad: true, Rand: rand.New(rand.NewPCG(1, 2))}).Const(g.images.Value))
			return s.Value()
		}
		c := m.Config
		c.PatchDropout = 0
		assert.Equal(t, want, train(c), "nor where the probabilities are 0")
		c.PatchDropout = 0.5
		assert.NotEqual(t, want, train(c))
		c.PatchDropout, c.PromptDropout = 0, 0.5
		assert.NotEqual(t, want, train(c))
		c.PromptDropout, c.DropPath = 0, 0.5
		assert.NotEqual(t, want, train(c))
		dropping, err := newModel(m.Backbone, c)
		require.NoError(t, err)
		for i, b := range dropping.Backbone.Blocks {
			assert.EqualValues(t, 0.25*float32(i), b.DropPath)
			assert.Zero(t, m.Backbone.Blocks[i].DropPath, "the other model's")
		}
	})
}

// Models may share a backbone: the DropPath of one does not change the training of another,
// and one may be made while the other explains (under -race: without a data race).
func TestModelsShareABackbone(t *testing.T) {
	g := openGolden(t, "dino")
	b := g.model().Backbone
	config := Config{Mode: Deep, Classes: 4, Agnostic: 2, DropPath: 0.5}
	first, err := New(b, config, rand.New(rand.NewPCG(1, 2)))
	require.NoError(t, err)
	step := func() (*tensor.Tensor, autograd.Grads) {
		tp := &autograd.Tape{Rand: rand.New(rand.NewPCG(3, 4))}
		scores := first.Scores(tp.Const(g.images.Value))
		return scores.Value(), tp.Backward(autograd.CrossEntropy(scores, []int{0, 1, 2, 3, 0, 1}))
	}
	want, wantGrads := step()
	image := g.images.Value.Slice(0, 0, 1).Contig()
	explained := first.explain(image).Scores

	done := make(chan struct{})
	go func() {
		defer close(done)
		for range 3 {
			assert.Equal(t, explained, first.explain(image).Scores)
		}
	}()
	for _, rate := range []float32{0, 0.9} {
		config.DropPath = rate
		second, err := New(b, config, rand.New(rand.NewPCG(5, 6)))
		require.NoError(t, err)
		assert.EqualValues(t, rate, second.Backbone.Blocks[len(b.Blocks)-1].DropPath)
		assert.Same(t, b.Blocks[0].MLP.FC1.Weight, second.Backbone.Blocks[0].MLP.FC1.Weight)
	}
	<-done
	got, grads := step()
	assert.Equal(t, want, got)
	assert.Equal(t, wantGrads, grads)
	for _, block := range b.Blocks {
		assert.Zero(t, block.DropPath, "the caller's backbone stays as it was")
	}
}

// A service loads a model while others explain on the same backbone (under -race: without a data race), from a
// backbone that no model was ever made on.
func TestReloadWhileInUse(t *testing.T) {
	g := openGolden(t, "dino")
	b, err := vit.LoadFrom(nn.Tensors(nn.State(g.model().Backbone)), g.config)
	require.NoError(t, err)
	for name, p := range nn.Params(b) {
		assert.True(t, p.Frozen, name)
	}
	images := g.images.Value
	features := func() []float32 {
		return b.Features((&autograd.Tape{NoGrad: true}).Const(images)).Value().Data()
	}
	want := slices.Clone(features())
	config := configs()["deep"]
	config.DropPath = 0.5

	var saved bytes.Buffer
	first, err := New(b, config, rand.New(rand.NewPCG(1, 2)))
	require.NoError(t, err)
	require.NoError(t, first.Save(&saved))
	image := images.Slice(0, 0, 1).Contig()
	scores := first.explain(image).Scores

	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() { assert.Equal(t, want, features()) })
		wg.Go(func() { assert.Equal(t, scores, first.explain(image).Scores) })
		wg.Go(func() {
			f, err := checkpoint.Decode(bytes.NewReader(saved.Bytes()), int64(saved.Len()), "saved")
			if !assert.NoError(t, err) {
				return
			}
			again, err := Load(f, b)
			if assert.NoError(t, err) {
				assert.Equal(t, scores, again.explain(image).Scores)
			}
		})
		wg.Go(func() {
			_, err := New(b, Config{Mode: Last, Classes: 3, Rank: 2}, rand.New(rand.NewPCG(1, 2)))
			assert.NoError(t, err)
		})
	}
	wg.Wait()
}

// Models train at once on one backbone, each to the bits that it reaches alone.
func TestTrainAtOnceOnOneBackbone(t *testing.T) {
	g := openGolden(t, "dino")
	l := batches{kind: data.Images, values: g.images.Value, labels: []int{0, 1, 2, 3, 0, 1}}
	train := func(b *vit.Model, dropPath float32) map[string]*tensor.Tensor {
		config := Config{Mode: Deep, Classes: 4, Agnostic: 2, DropPath: dropPath, Rank: 2}
		m, err := New(b, config, rand.New(rand.NewPCG(1, 2)))
		assert.NoError(t, err)
		for _, err := range Train(t.Context(), m, l, TrainConfig{Epochs: 2, Optimizer: optim.AdamW{}, Schedule: optim.Schedule{Base: 0.01}}) {
			assert.NoError(t, err)
		}
		return nn.State(m)
	}
	rates := []float32{0.5, 0, 0.9}
	want, got := make([]map[string]*tensor.Tensor, len(rates)), make([]map[string]*tensor.Tensor, len(rates))
	for i, rate := range rates {
		want[i] = train(g.model().Backbone, rate)
	}
	shared := g.model().Backbone
	var wg sync.WaitGroup
	for i, rate := range rates {
		wg.Go(func() { got[i] = train(shared, rate) })
	}
	wg.Wait()
	assert.Equal(t, want, got)
	assert.NotEqual(t, want[0], want[1])
}

func TestNewWithoutRandomNumbers(t *testing.T) {
	b := openGolden(t, "dino").model().Backbone
	assert.PanicsWithValue(t, "nn: no random numbers to initialise with: rng is nil", func() { New(b, Config{Mode: Last, Classes: 3}, nil) })
}

func TestPatchesOnlySeesNothingElse(t *testing.T) {
	g := openGolden(t, "dino")
	m, err := New(g.model().Backbone, Config{Mode: Last, Classes: 4, PatchesOnly: true}, rand.New(rand.NewPCG(1, 2)))
	require.NoError(t, err)
	scores, attn := forward(m, g.images.Value)
	for _, v := range attn.Sum(3).Data() {
		assert.InDelta(t, 1, v, 1e-5, "all attention is on the map")
	}
	m.Class.Value.Select(0, 1).Fill(3) // another class's prompt
	after, _ := forward(m, g.images.Value)
	assert.Equal(t, scores.Slice(1, 2, 4).Clone(), after.Slice(1, 2, 4).Clone())
}

// What enters the layer at which class prompts do may be computed beforehand.
func TestScoresOfTokens(t *testing.T) {
	forEachConfig(t, func(t *testing.T, m *Model, g *golden) {
		n, ok := m.Layer()
		assert.Equal(t, m.first, n)
		if assert.Equal(t, m.Config.Agnostic == 0, ok); !ok {
			assert.Panics(t, func() { m.ScoresOf((&autograd.Tape{}).Const(tensor.New(6, 17, 48))) })
			return
		}
		frozen := &autograd.Tape{NoGrad: true}
		tokens := m.Backbone.Tokens(frozen.Const(g.images.Value), n).Value()
		for _, shape := range [][]int{{6, 16, 48}, {6, 17, 24}, {17, 48}} {
			assert.PanicsWithError(t, fmt.Sprintf("tensor: ScoresOf: shape %v: want tokens [B, 17, 48]", shape), func() { m.ScoresOf(frozen.Const(tensor.New(shape...))) })
		}
		for _, c := range []Config{{}, {PromptDropout: 0.3}, {PatchDropout: 0.75}} {
			m.Config.PromptDropout, m.Config.PatchDropout = c.PromptDropout, c.PatchDropout
			run := func(scores func(tp *autograd.Tape) *autograd.Var) (*tensor.Tensor, autograd.Grads) {
				tp := &autograd.Tape{Rand: rand.New(rand.NewPCG(1, 2))}
				s := scores(tp)
				return s.Value(), tp.Backward(autograd.CrossEntropy(s, g.labels))
			}
			want, wantGrads := run(func(tp *autograd.Tape) *autograd.Var { return m.Scores(tp.Const(g.images.Value)) })
			got, grads := run(func(tp *autograd.Tape) *autograd.Var { return m.ScoresOf(tp.Const(tokens)) })
			assert.Equal(t, want.Data(), got.Data())
			require.Len(t, grads, len(m.Tensors()), "nothing frozen")
			for p, grad := range wantGrads {
				assert.Equal(t, grad.Data(), grads[p].Data())
			}
		}
	})
}

// Each image's prompts see as many patches, each patch as likely as the others, and all
// of the rest.
func TestPatchesAreDrawnFairly(t *testing.T) {
	m, err := New(openGolden(t, "dino").model().Backbone, Config{Mode: Last, Classes: 4, PatchDropout: 0.7}, rand.New(rand.NewPCG(1, 2)))
	require.NoError(t, err)
	const images, patches, kept = 4000, 16, 5 // 4.8 of them
	tp := &autograd.Tape{Rand: rand.New(rand.NewPCG(1, 2))}
	rows := m.patchDropout(tp.Const(tensor.New(images, 1+patches, 1)))
	require.Len(t, rows, images*(1+kept))
	var often [patches]int
	var together [patches][patches]int
	for i := range images {
		seen := rows[i*(1+kept):][:1+kept]
		assert.Zero(t, seen[0], "the class token")
		assert.IsIncreasing(t, seen)
		for _, a := range seen[1:] {
			often[a-1]++
			for _, b := range seen[1:] {
				together[a-1][b-1]++
			}
		}
	}
	for a, n := range often {
		assert.InDelta(t, float64(images)*kept/patches, n, 120, "four standard deviations")
		for b, n := range together[a] {
			if a != b {
				assert.InDelta(t, float64(images)*kept*(kept-1)/(patches*(patches-1)), n, 75)
			}
		}
	}
	for share, want := range map[float32]int{0.001: 16, 0.5: 8, 0.99: 1} {
		assert.Equal(t, want, Config{PatchDropout: share}.keptPatches(patches))
	}
}

// In each layer, class prompts look at rows of the tokens that keep names, tokens at all.
func TestPatchDropoutEqualsFewerKeys(t *testing.T) {
	for _, c := range []Config{{Mode: Last}, {Mode: Last, PatchesOnly: true}, {Mode: Shallow}, {Mode: FromLayer(2), PatchesOnly: true}} {
		c.Classes, c.PatchDropout = 4, 0.6
		g := openGolden(t, "dino")
		m, err := New(g.model().Backbone, c, rand.New(rand.NewPCG(1, 2)))
		require.NoError(t, err)
		tp := &autograd.Tape{Rand: rand.New(rand.NewPCG(3, 4))}
		got, attn := m.Forward(tp.Const(g.images.Value))
		assert.Equal(t, 6, attn.Dim(3))
		kept := m.patchDropout((&autograd.Tape{Rand: rand.New(rand.NewPCG(3, 4))}).Const(tensor.New(6, 17, 1)))

		tp = &autograd.Tape{NoGrad: true}
		for i := range 6 {
			x := m.Backbone.Tokens(tp.Const(g.images.Value.Slice(0, i, i+1).Contig()), m.first) // [1, 17, D]
			z := autograd.Reshape(tp.Param(m.Class), 1, 4, -1)
			some := func() *autograd.Var {
				var rows []*autograd.Var
				for _, row := range kept[i*7 : i*7+7] {
					rows = append(rows, autograd.Slice(x, 1, row, row+1))
				}
				return autograd.Concat(rows...) // [1, 7, D]
			}
			for _, b := range m.Backbone.Blocks[m.first:2] {
				next := b.Forward(x, z)
				z = b.Forward(z, some())
				x = next
			}
			q, own := m.last.Project(z)
			see := []autograd.KV{own, m.last.Keys(some())}
			if c.PatchesOnly {
				see = []autograd.KV{m.last.Keys(autograd.Concat(autograd.Slice(some(), 1, 1, 7)))}
			}
			want := m.score(m.last.Update(z, q, see...)) // [1, 4]
			tensortest.Close(t, want.Value(), got.Value().Slice(0, i, i+1).Contig(), 1e-5)
		}
	}
}

func TestGradientThroughPatchDropout(t *testing.T) {
	for _, mode := range []Mode{Last, FromLayer(2), Shallow} {
		g := openGolden(t, "dino")
		m, err := New(g.model().Backbone, Config{Mode: mode, Classes: 4, PatchDropout: 0.6}, rand.New(rand.NewPCG(1, 2)))
		require.NoError(t, err)
		off, err := gradcheck.Error(rand.New(rand.NewPCG(5, 6)), func(tp *autograd.Tape) *autograd.Var {
			tp.Rand = rand.New(rand.NewPCG(3, 4))
			return m.Scores(tp.Const(g.images.Value))
		}, m.Class, m.Head.Weight)
		require.NoError(t, err)
		assert.Less(t, off, 1e-3, mode)
	}
}

func TestModes(t *testing.T) {
	for _, m := range []Mode{"deep", "shallow", "last", "from:7"} {
		assert.NoError(t, Config{Mode: m, Classes: 2}.Validate(8))
	}
	assert.Equal(t, FromLayer(7), Mode("from:7"))
	for _, s := range []string{"", "Deep", "from:", "from:x", "from:0", "from:-1", "fro:3", "from:3x"} {
		assert.ErrorContains(t, Config{Mode: Mode(s), Classes: 2}.Validate(8), "mode", s)
	}
}

func TestConfigValidate(t *testing.T) {
	for _, c := range configs() {
		assert.NoError(t, c.Validate(3))
	}
	for want, c := range map[string]Config{
		"want a layer from 1 to 3":             {Mode: FromLayer(4), Classes: 2},
		"1 classes":                            {Mode: Deep, Classes: 1},
		"-1 class-agnostic prompts":            {Mode: Deep, Classes: 2, Agnostic: -1},
		"mode last has none":                   {Mode: Last, Classes: 2, Agnostic: 1},
		"mode shallow has none":                {Mode: Shallow, Classes: 2, Agnostic: 1},
		"mode from:1 has none":                 {Mode: FromLayer(1), Classes: 2, Agnostic: 1},
		"patch dropout 1":                      {Mode: Last, Classes: 2, PatchDropout: 1},
		"prompt dropout 1":                     {Mode: Last, Classes: 2, PromptDropout: 1},
		"adapters of rank -1":                  {Mode: Last, Classes: 2, Rank: -1},
		"drop path -0.1":                       {Mode: Last, Classes: 2, DropPath: -0.1},
		`mode "", want deep, shallow, last or`: {Classes: 2},
	} {
		assert.ErrorContains(t, c.Validate(3), want)
	}
}
