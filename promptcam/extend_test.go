package promptcam

import (
	"context"
	"image"
	"iter"
	"math"
	"math/rand/v2"
	"path/filepath"
	"runtime"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/promptcam/promptcam/autograd"
	"github.com/promptcam/promptcam/data"
	"github.com/promptcam/promptcam/nn/fit"
	"github.com/promptcam/promptcam/nn/optim"
	"github.com/promptcam/promptcam/tensor"
	"github.com/promptcam/promptcam/tensor/tensortest"
)

// drawn are images of spots in memory, or of some of their classes.
type drawn struct {
	images [][]float32
	labels []int
	tokens *Model // if not nil, batches have the tokens that enter its Layer
}

const drawnBatch = 8

func drawSpots(t *testing.T, n int) *drawn {
	t.Helper()
	l, _ := spots(t, n, false)
	d := &drawn{}
	for b, err := range l.Epoch(t.Context(), data.Plan{}) {
		require.NoError(t, err)
		size := b.Values.Len() / len(b.Labels)
		for i, label := range b.Labels {
			d.images = append(d.images, append([]float32(nil), b.Values.Data()[i*size:(i+1)*size]...))
			d.labels = append(d.labels, label)
		}
	}
	return d
}

// of returns the images of classes from to to.
func (d *drawn) of(from, to int) *drawn {
	some := &drawn{tokens: d.tokens}
	for i, label := range d.labels {
		if label >= from && label < to {
			some.images, some.labels = append(some.images, d.images[i]), append(some.labels, label)
		}
	}
	return some
}

func (d *drawn) Len() int     { return len(d.labels) }
func (d *drawn) Batches() int { return (len(d.labels) + drawnBatch - 1) / drawnBatch }

func (d *drawn) Epoch(ctx context.Context, p data.Plan) iter.Seq2[*data.Batch, error] {
	return func(yield func(*data.Batch, error) bool) {
		order := rand.New(rand.NewPCG(1, uint64(p.Epoch))).Perm(len(d.labels))
		for from := 0; from < len(order); from += drawnBatch {
			b := &data.Batch{Index: order[from:min(from+drawnBatch, len(order))]}
			var pixels []float32
			for _, i := range b.Index {
				pixels = append(pixels, d.images[i]...)
				b.Labels = append(b.Labels, d.labels[i])
			}
			b.Values = tensor.FromSlice(pixels, len(b.Index), 3, 32, 32)
			if d.tokens != nil {
				tape := &autograd.Tape{NoGrad: true}
				layer, _ := d.tokens.Layer()
				b.Kind, b.Values = data.Tokens, d.tokens.Backbone.Tokens(tape.Const(b.Values), layer).Value()
			}
			if ctx.Err() != nil {
				yield(nil, ctx.Err())
				return
			}
			if !yield(b, nil) {
				return
			}
		}
	}
}

// all returns the images as one batch.
func (d *drawn) all() *tensor.Tensor {
	var pixels []float32
	for _, p := range d.images {
		pixels = append(pixels, p...)
	}
	return tensor.FromSlice(pixels, len(d.images), 3, 32, 32)
}

func extendConfig() ExtendConfig {
	c := DefaultExtend()
	c.Epochs, c.Schedule.Base, c.Seed = 6, 0.03, 3
	return c
}

// extendable are the configs of three classes to which a fourth can be added.
func extendable() map[string]Config {
	return map[string]Config{
		"deep":          {Mode: Deep, Classes: 3, Agnostic: 3, PatchesOnly: true},
		"deep alone":    {Mode: Deep, Classes: 3, PatchesOnly: true, PromptDropout: 0.1, DropPath: 0.2},
		"from:3":        {Mode: FromLayer(3), Classes: 3, Agnostic: 3, PatchesOnly: true},
		"last":          {Mode: Last, Classes: 3, PatchesOnly: true},
		"last dropping": {Mode: Last, Classes: 3, PatchesOnly: true, PatchDropout: 0.5},
		"last rank":     {Mode: Last, Classes: 3, PatchesOnly: true, Rank: 2},
	}
}

// threeOf returns a model that was trained on the first three of four classes.
func threeOf(t *testing.T, c Config, d *drawn, epochs int) *Model {
	t.Helper()
	m, err := New(openGolden(t, "dino").model().Backbone, c, rand.New(rand.NewPCG(1, 2)))
	require.NoError(t, err)
	config := trainConfig()
	config.Epochs = epochs
	train(t, m, d.of(0, 3), config, nil)
	return m
}

func extend(t *testing.T, m *Model, l Batches, c ExtendConfig) *Model {
	t.Helper()
	extended, err := Extend(t.Context(), m, l, c)
	require.NoError(t, err)
	return extended
}

func clones(m *Model) map[string]*tensor.Tensor {
	all := map[string]*tensor.Tensor{}
	for name, v := range m.Tensors() {
		all[name] = v.Clone()
	}
	return all
}

// A new class changes no bit of what was learned before, and none of the others' scores
// and maps.
func TestExtendLeavesTheOthersAlone(t *testing.T) {
	d := drawSpots(t, 40)
	for name, c := range extendable() {
		t.Run(name, func(t *testing.T) {
			m := threeOf(t, c, d, 2)
			before := clones(m)
			extended := extend(t, m, d, extendConfig())
			assert.Equal(t, before, clones(m))
			c.Classes, c.RankScale = 4, m.Config.RankScale
			assert.Equal(t, c, extended.Config)
			for name, v := range extended.Tensors() {
				if name == "class" {
					v = v.Slice(0, 0, 3).Clone()
				}
				assert.Equal(t, before[name].Data(), v.Data(), name)
			}

			for _, images := range []*tensor.Tensor{d.all(), d.all().Slice(0, 0, 1)} {
				scores, attn := forward(m, images)
				more, moreAttn := forward(extended, images)
				assert.Equal(t, scores.Data(), more.Slice(1, 0, 3).Clone().Data())
				assert.Equal(t, attn.Clone().Data(), moreAttn.Slice(2, 0, 3).Clone().Data())
			}
			tape := &autograd.Tape{NoGrad: true}
			assert.Equal(t, m.Scores(tape.Const(d.all())).Value().Data(), extended.Scores(tape.Const(d.all())).Value().Slice(1, 0, 3).Clone().Data())
		})
	}
}

// What is added is recognised, what was known still is, and the new prompt looks at the new trait.
func TestExtendLearnsTheNewClass(t *testing.T) {
	d, held := drawSpots(t, 200), drawSpots(t, 60)
	m := threeOf(t, Config{Mode: Last, Classes: 3, PatchesOnly: true}, d, 12)
	c := extendConfig()
	c.Epochs = 12
	steps := 0
	c.Progress = func(s fit.Step) {
		steps++
		assert.LessOrEqual(t, s.Done, s.Images)
	}
	extended := extend(t, m, d, c)
	assert.Equal(t, 12*25, steps)
	before, err := m.Evaluate(t.Context(), held.of(0, 3), nil)
	require.NoError(t, err)
	after, err := extended.Evaluate(t.Context(), held, nil)
	require.NoError(t, err)
	assert.Greater(t, before.Top1, 0.9)
	assert.Greater(t, after.Top1, 0.9)
	assert.Greater(t, after.PerClass[3], 0.8)

	_, trait := spots(t, 60, false)
	hits := 0
	for i, label := range held.labels {
		if label == 3 {
			e := extended.explain(held.all().Slice(0, i, i+1).Contig())
			heat := e.Heat(3, e.Rank(3, BlurPatches).Heads[0].Head)
			if tensor.FromSlice(heat.Values, 1, 16).ArgMax()[0] == trait[i] {
				hits++
			}
		}
	}
	assert.Greater(t, hits, 5, "of 15, where chance would hit 1")
}

// The new prompt starts as that of the class which its images are taken for, wherever that is.
func TestExtendStartsAtTheNearestClass(t *testing.T) {
	d := drawSpots(t, 40)
	m := threeOf(t, Config{Mode: Last, Classes: 3, PatchesOnly: true}, d, 4)
	taken := make([]int, 3)
	for _, best := range m.Scores((&autograd.Tape{NoGrad: true}).Const(d.of(3, 4).all())).Value().ArgMax() {
		taken[best]++
	}
	near := slices.Index(taken, slices.Max(taken))
	prompts := m.Class.Value.Clone()
	want := prompts.Slice(0, near, near+1).Clone()
	for shift := range 3 {
		for class := range 3 {
			to := (class + shift) % 3
			tensor.CopyTo(m.Class.Value.Slice(0, to, to+1), prompts.Slice(0, class, class+1))
		}
		e := newExtension(m, d, extendConfig())
		require.NoError(t, e.start(t.Context(), 0))
		assert.Equal(t, want.Data(), e.model.Class.Value.Slice(0, 3, 4).Clone().Data())
	}
}

// Without images of old classes training ends as soon as enough of the new ones are
// recognised, and takes the fewer of the others the sooner it ends.
func TestExtendWithoutTheOldClasses(t *testing.T) {
	d, held := drawSpots(t, 200), drawSpots(t, 60)
	m := threeOf(t, Config{Mode: Last, Classes: 3, PatchesOnly: true}, d, 12)
	c := extendConfig()
	c.Epochs = 40
	_, err := Extend(t.Context(), m, d.of(3, 4), c)
	assert.EqualError(t, err, "promptcam: extend: all images are of the new class, which would win everywhere: add images of the old classes, or set Enough")

	kept, epochs := map[float64]float64{}, map[float64]int{}
	for _, enough := range []float64{0.5, 1} {
		c.Enough = enough
		c.Progress = func(s fit.Step) { epochs[enough] = s.Epoch }
		extended := extend(t, m, d.of(3, 4), c)
		e, err := extended.Evaluate(t.Context(), held, nil)
		require.NoError(t, err)
		assert.Greater(t, e.PerClass[3], enough-0.3, "of images that were held out")
		kept[enough] = e.PerClass[0] + e.PerClass[1] + e.PerClass[2]
	}
	assert.Less(t, epochs[0.5], 40)
	assert.LessOrEqual(t, epochs[0.5], epochs[1.0])
	assert.GreaterOrEqual(t, kept[0.5], kept[1.0])
}

func TestExtendHasTheSameBits(t *testing.T) {
	d := drawSpots(t, 40)
	c := extendConfig()
	c.Epochs = 2
	config := Config{Mode: Last, Classes: 3, PatchesOnly: true, PatchDropout: 0.5, PromptDropout: 0.1, DropPath: 0.1}
	m := threeOf(t, config, d, 2)
	want := clones(extend(t, m, d, c))
	assert.Equal(t, want, clones(extend(t, m, d, c)))

	old := runtime.GOMAXPROCS(1)
	assert.Equal(t, want, clones(extend(t, m, d, c)))
	runtime.GOMAXPROCS(old)

	tokens := d.of(0, 4)
	tokens.tokens = m
	assert.Equal(t, want, clones(extend(t, m, tokens, c)), "from tokens")

	c.Seed++
	assert.NotEqual(t, want["class"], extend(t, m, d, c).Class.Value)
}

// The extended model is one like others: it explains, is saved, trains on and is extended again.
func TestExtendedModels(t *testing.T) {
	d := drawSpots(t, 40)
	c := extendConfig()
	c.Epochs = 1
	for name, config := range extendable() {
		t.Run(name, func(t *testing.T) {
			m := extend(t, threeOf(t, config, d, 1), d, c)
			assert.Equal(t, []string{"1", "2", "3", "4"}, m.Classes)
			e, err := m.Explain(image.NewRGBA(image.Rect(0, 0, 40, 30)))
			require.NoError(t, err)
			r := e.Rank(3, BlurAll)
			assert.Len(t, r.Heads, 4)
			assert.InDelta(t, 1, e.Share(3, 0).Patches, 1e-5)

			path := filepath.Join(t.TempDir(), "model.safetensors")
			m.Classes = fourNames
			require.NoError(t, m.SaveFile(path))
			loaded, err := Load(open(t, path), m.Backbone)
			require.NoError(t, err)
			assert.Equal(t, fourNames, loaded.Classes)
			assert.Equal(t, clones(m), clones(loaded))

			five := d.of(0, 4)
			for i := range five.labels[:10] {
				five.labels[i] = 4
			}
			again := extend(t, loaded, five, c)
			assert.Equal(t, append(slices.Clone(fourNames), "5"), again.Classes)
			assert.Equal(t, m.Class.Value.Data(), again.Class.Value.Slice(0, 0, 4).Clone().Data())

			before := clones(m)
			train(t, m, d, TrainConfig{Epochs: 1, Optimizer: optim.AdamW{}, Schedule: optim.Schedule{Base: 0.01}}, nil)
			for name, v := range m.Tensors() {
				if name != "head.bias" { // which cancels
					assert.NotEqual(t, before[name], v, name)
				}
			}
		})
	}
}

func TestExtendRefuses(t *testing.T) {
	d := drawSpots(t, 16)
	for want, config := range map[string]Config{
		"in mode from:2 class prompts see each other, so that a new one would change all scores: train all classes again, or once in mode last or deep with PatchesOnly": {Mode: FromLayer(2), Classes: 3, PatchesOnly: true},
		"in mode shallow": {Mode: Shallow, Classes: 3, PatchesOnly: true},
		"without PatchesOnly class prompts see each other, so that a new one would change all scores: train all classes again, or once with it": {Mode: Last, Classes: 3},
		"without PatchesOnly class": {Mode: Deep, Classes: 3, Agnostic: 2},
	} {
		m, err := New(openGolden(t, "dino").model().Backbone, config, rand.New(rand.NewPCG(1, 2)))
		require.NoError(t, err)
		_, err = Extend(t.Context(), m, d, extendConfig())
		assert.ErrorContains(t, err, "promptcam: extend: "+want)
	}

	m := threeOf(t, Config{Mode: Last, Classes: 3, PatchesOnly: true}, d, 1)
	before := clones(m)
	for want, change := range map[string]func(*ExtendConfig){
		"0 epochs, want at least 1":    func(c *ExtendConfig) { c.Epochs = 0 },
		"learning rate 0, want":        func(c *ExtendConfig) { c.Schedule.Base = 0 },
		"learning rate NaN, want":      func(c *ExtendConfig) { c.Schedule.Base = math.NaN() },
		"no optimizer":                 func(c *ExtendConfig) { c.Optimizer = nil },
		"weight decay -1, want":        func(c *ExtendConfig) { c.Optimizer = optim.AdamW{WeightDecay: -1} },
		"enough at a share of 1.5":     func(c *ExtendConfig) { c.Enough = 1.5 },
		"epoch 1, step 2 is NaN: try ": func(c *ExtendConfig) { c.Schedule.Base = math.MaxFloat32 },
	} {
		c := extendConfig()
		change(&c)
		_, err := Extend(t.Context(), m, d, c)
		assert.ErrorContains(t, err, want)
	}
	_, err := Extend(t.Context(), m, d.of(0, 3), extendConfig())
	assert.EqualError(t, err, "promptcam: extend: none of 12 images is of the new class, number 3")
	beyond := d.of(0, 4)
	beyond.labels[5] = 4
	_, err = Extend(t.Context(), m, beyond, extendConfig())
	assert.ErrorContains(t, err, "has class 4, the model 0 to 3")

	ctx, cancel := context.WithCancel(t.Context())
	c := extendConfig()
	c.Progress = func(fit.Step) { cancel() }
	extended, err := Extend(ctx, m, d, c)
	assert.ErrorIs(t, err, context.Canceled)
	assert.Nil(t, extended)
	assert.Equal(t, before, clones(m))
}

// Scores stay the same bits for any number of classes, however the kernels divide their rows.
func TestMoreClassesLeaveTheOthersScores(t *testing.T) {
	g := openGolden(t, "dino")
	b := g.model().Backbone
	for name, c := range extendable() {
		t.Run(name, func(t *testing.T) {
			for _, classes := range []int{2, 3, 5, 7, 8, 11, 12, 15, 16, 23, 31, 32} {
				rng := rand.New(rand.NewPCG(uint64(classes), 2))
				c.Classes = classes
				m, err := New(b, c, rng)
				require.NoError(t, err)
				if m.Adapters != nil {
					move(m)
				}
				more := tensortest.Random(rng, classes+1, b.Config.Dim)
				tensor.CopyTo(more.Slice(0, 0, classes), m.Class.Value)
				extended := m.with(m.Config.extended(), more)
				for _, images := range []*tensor.Tensor{g.images.Value, g.images.Value.Slice(0, 0, 1)} {
					tape := &autograd.Tape{NoGrad: true}
					want, got := m.Scores(tape.Const(images)).Value(), extended.Scores(tape.Const(images)).Value()
					require.Equal(t, want.Data(), got.Slice(1, 0, classes).Clone().Data(), "%d classes", classes)
				}
			}
		})
	}
}
