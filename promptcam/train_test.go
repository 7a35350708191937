package promptcam

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"iter"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/promptcam/promptcam/autograd"
	"github.com/promptcam/promptcam/data"
	"github.com/promptcam/promptcam/nn"
	"github.com/promptcam/promptcam/nn/fit"
	"github.com/promptcam/promptcam/nn/optim"
	"github.com/promptcam/promptcam/tensor"
	"github.com/promptcam/promptcam/tensor/checkpoint"
	"github.com/promptcam/promptcam/tensor/tensortest"
)

// spots draws images of noise, on each of which one 8x8 square, anywhere on the patch grid, has the
// colour of its class: the trait that a class's prompt should find. It
// returns their loader and the patch of each image's trait.
func spots(t *testing.T, n int, shuffle bool) (l *data.Loader, trait []int) {
	t.Helper()
	dir := t.TempDir()
	rng := rand.New(rand.NewPCG(5, uint64(n)))
	colours := []color.RGBA{{230, 20, 20, 255}, {20, 200, 30, 255}, {30, 40, 230, 255}, {240, 220, 10, 255}}
	var items []data.Item
	for i := range n {
		img := image.NewRGBA(image.Rect(0, 0, 32, 32))
		for p := 0; p < len(img.Pix); p += 4 {
			grey := uint8(90 + rng.IntN(60))
			copy(img.Pix[p:], []uint8{grey, grey, grey, 255})
		}
		patch, class := rng.IntN(16), i%len(colours)
		for y := range 8 {
			for x := range 8 {
				img.SetRGBA(patch%4*8+x, patch/4*8+y, colours[class])
			}
		}
		name := fmt.Sprintf("%03d.png", i)
		f, err := os.Create(filepath.Join(dir, name))
		require.NoError(t, err)
		require.NoError(t, png.Encode(f, img))
		require.NoError(t, f.Close())
		items = append(items, data.Item{Path: name, Class: class})
		trait = append(trait, patch)
	}
	half := [3]float32{0.5, 0.5, 0.5}
	l, err := data.NewLoader(data.Dir(dir), items, data.LoaderConfig{Transform: data.EvalTransform([2]int{32, 32}, half, half), Batch: 8, Shuffle: shuffle, Seed: 1})
	require.NoError(t, err)
	return l, trait
}

func trainConfig() TrainConfig {
	return TrainConfig{Epochs: 4, Optimizer: optim.AdamW{WeightDecay: 1e-3}, Schedule: optim.Schedule{Base: 0.01, Warmup: 1}, Seed: 3}
}

// train trains m and returns its epochs. after is called with each.
func train(t *testing.T, m *Model, l Batches, c TrainConfig, after func(Epoch)) []Epoch {
	t.Helper()
	var epochs []Epoch
	for e, err := range Train(context.Background(), m, l, c) {
		require.NoError(t, err)
		if after != nil {
			after(e)
		}
		epochs = append(epochs, e)
	}
	return epochs
}

func TestTrainingLearnsAndLeavesTheBackboneAlone(t *testing.T) {
	l, _ := spots(t, 64, true)
	forEachConfig(t, func(t *testing.T, m *Model, g *golden) {
		before := map[string]*tensor.Tensor{}
		for name, v := range nn.State(m.Backbone) {
			before[name] = v.Clone()
		}
		epochs := train(t, m, l, trainConfig(), nil)
		assert.Less(t, epochs[3].Loss, 0.9*epochs[0].Loss)
		assert.Equal(t, before, nn.State(m.Backbone))
		assert.Equal(t, []int{1, 2, 3, 4}, []int{epochs[0].Number, epochs[1].Number, epochs[2].Number, epochs[3].Number})
		assert.Equal(t, 64, epochs[0].Images)
		assert.InDelta(t, 0.01, epochs[0].LR, 1e-6, "the warm-up has ended")
		assert.InDelta(t, 0, epochs[3].LR, 1e-6)
	})
}

// The purpose of it all: the map of the true class lies on the trait that was drawn.
func TestTheHottestPatchLiesOnTheTrait(t *testing.T) {
	l, _ := spots(t, 200, true)
	held, trait := spots(t, 60, false)
	g := openGolden(t, "dino")
	m, err := New(g.model().Backbone, Config{Mode: Last, Classes: 4, PatchesOnly: true}, rand.New(rand.NewPCG(1, 2)))
	require.NoError(t, err)
	c := trainConfig()
	c.Epochs = 12
	train(t, m, l, c, nil)
	e, err := m.Evaluate(context.Background(), held, nil)
	require.NoError(t, err)
	assert.Greater(t, e.Top1, 0.9)

	hits := 0
	for batch, err := range held.Epoch(context.Background(), data.Plan{}) {
		require.NoError(t, err)
		for i, at := range batch.Index {
			ex := m.explain(batch.Values.Slice(0, i, i+1).Contig())
			r := ex.Rank(batch.Labels[i], BlurPatches)
			heat := ex.Heat(r.Class, r.Heads[0].Head)
			if (tensor.FromSlice(heat.Values, 1, 16)).ArgMax()[0] == trait[at] {
				hits++
			}
		}
	}
	assert.Greater(t, hits, 24, "of 60, where chance would hit 4; the backbone is random, so that its tokens are no clean mirror of their patches")
}

func TestResumedTrainingHasTheSameBits(t *testing.T) {
	l, _ := spots(t, 40, true)
	for name, optimizer := range map[string]optim.Config{
		"sgd": optim.SGD{Momentum: 0.9, WeightDecay: 1e-3}, "adamw": optim.AdamW{WeightDecay: 1e-3},
		"muon": optim.Muon{Momentum: 0.95, Matrices: func(name string, _ *autograd.Param) int { return strings.Count(name, "class") }},
	} {
		t.Run(name, func(t *testing.T) {
			c := trainConfig()
			c.Optimizer, c.EMA.Decay = optimizer, 0.95
			start := func() *Model {
				config := configs()["deep"]
				config.PromptDropout, config.DropPath, config.PatchDropout, config.Rank = 0.1, 0.1, 0.5, 2
				m, err := New(openGolden(t, "dino").model().Backbone, config, rand.New(rand.NewPCG(1, 2)))
				require.NoError(t, err)
				return m
			}
			whole := start()
			all := train(t, whole, l, c, func(e Epoch) {
				if e.Number == 2 {
					c.Resume = throughFile(t, e.Checkpoint)
				}
			})
			resumed := start()
			epochs := train(t, resumed, l, c, nil)
			assert.Len(t, epochs, 2)
			last := epochs[1].Checkpoint.History
			require.Len(t, last, 4)
			for i, e := range all[3].Checkpoint.History {
				last[i].Seconds = e.Seconds
			}
			assert.Equal(t, all[3].Checkpoint, epochs[1].Checkpoint)
			assert.Equal(t, nn.State(whole), nn.State(resumed))
			assert.Equal(t, all[3].Model.Tensors(), epochs[1].Model.Tensors())
			assert.NotEqual(t, nn.State(whole), nn.State(all[3].Model))

			whose := c.Resume
			for set, other := range map[string]nn.Tensors{"average": {}, "optimizer": {"other": tensor.New()}, "model": {}} {
				c.Resume = whose.Clone()
				c.Resume.Put(set, other)
				n := 0
				for _, err := range Train(context.Background(), resumed, l, c) {
					assert.ErrorContains(t, err, "resume: "+set+": ")
					n++
				}
				assert.Equal(t, 1, n)
			}
		})
	}
}

// throughFile writes a checkpoint and reads it again.
func throughFile(t *testing.T, c *fit.Checkpoint) *fit.Checkpoint {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, c.Write(&b, nil))
	f, err := checkpoint.Decode(bytes.NewReader(b.Bytes()), int64(b.Len()), "state")
	require.NoError(t, err)
	read, err := fit.Read(f)
	require.NoError(t, err)
	return read
}

func TestAverage(t *testing.T) {
	l, _ := spots(t, 40, true)
	m, err := New(openGolden(t, "dino").model().Backbone, configs()["last"], rand.New(rand.NewPCG(1, 2)))
	require.NoError(t, err)
	mean := map[string][]float64{}
	for name, p := range nn.State(m) {
		for _, v := range p.Data() {
			mean[name] = append(mean[name], float64(v))
		}
	}
	c, step := trainConfig(), 0.0
	c.EMA.Decay = 0.7
	c.Progress = func(fit.Step) {
		decay := min(0.7, (1+step)/(10+step))
		for name, p := range nn.State(m) {
			for i, v := range p.Data() {
				mean[name][i] = decay*mean[name][i] + (1-decay)*float64(v)
			}
		}
		step++
	}
	train(t, m, l, c, func(e Epoch) {
		for name, p := range nn.State(e.Model) {
			tensortest.Close(t, mean[name], p, 1e-5)
		}
	})
	assert.EqualValues(t, 20, step)

	c.EMA.Decay = 0
	for _, e := range train(t, m, l, c, nil) {
		assert.Same(t, m, e.Model)
	}
}

// cached makes batches of tokens in place of a loader's images.
type cached struct {
	*data.Loader
	m     *Model
	layer int
}

func (l cached) Epoch(ctx context.Context, p data.Plan) iter.Seq2[*data.Batch, error] {
	return func(yield func(*data.Batch, error) bool) {
		for b, err := range l.Loader.Epoch(ctx, p) {
			if err == nil {
				tape := &autograd.Tape{NoGrad: true}
				b = &data.Batch{Kind: data.Tokens, Values: l.m.Backbone.Tokens(tape.Const(b.Values), l.layer).Value(), Labels: b.Labels, Index: b.Index}
			}
			if !yield(b, err) {
				return
			}
		}
	}
}

func TestTrainingOnTokensHasTheSameBits(t *testing.T) {
	l, _ := spots(t, 40, true)
	for _, config := range []Config{{Mode: Last, PatchesOnly: true, Rank: 2}, {Mode: FromLayer(2)}} {
		config.Classes, config.PatchDropout, config.PromptDropout = 4, 0.5, 0.1
		run := func(source func(m *Model) Batches) (*Model, *Evaluation) {
			m, err := New(openGolden(t, "dino").model().Backbone, config, rand.New(rand.NewPCG(1, 2)))
			require.NoError(t, err)
			c := trainConfig()
			c.Hard.Share = 0.5
			train(t, m, source(m), c, nil)
			e, err := m.Evaluate(context.Background(), source(m), nil)
			require.NoError(t, err)
			return m, e
		}
		want, wantEvaluation := run(func(*Model) Batches { return l })
		got, evaluation := run(func(m *Model) Batches {
			n, ok := m.Layer()
			require.True(t, ok)
			return cached{l, m, n}
		})
		assert.Equal(t, nn.State(want), nn.State(got))
		assert.Equal(t, wantEvaluation, evaluation)
	}
}

// lastModel returns an untrained model of mode last, each time the same.
func lastModel(t *testing.T) *Model {
	t.Helper()
	m, err := New(openGolden(t, "dino").model().Backbone, configs()["last"], rand.New(rand.NewPCG(1, 2)))
	require.NoError(t, err)
	return m
}

// A step goes along the gradient of the labels' loss and the weighted distance to the teacher.
func TestDistillation(t *testing.T) {
	l, _ := spots(t, 8, false) // one step
	scores := tensortest.Random(rand.New(rand.NewPCG(3, 4)), 8, 4)
	m, c := lastModel(t), trainConfig()
	c.Epochs, c.Schedule.Warmup, c.Schedule.Min = 1, 0, c.Schedule.Base
	c.Distill.Weight, c.Distill.Temperature = 0.7, 2
	c.Distill.Teacher = func(b *data.Batch) *tensor.Tensor {
		assert.Equal(t, []int{0, 1, 2, 3, 4, 5, 6, 7}, b.Index)
		return scores
	}
	epochs := train(t, m, l, c, nil)

	byHand := lastModel(t)
	tape := &autograd.Tape{}
	for b, err := range l.Epoch(context.Background(), data.Plan{}) {
		require.NoError(t, err)
		s := byHand.Scores(tape.Const(b.Values))
		labels := autograd.CrossEntropy(s, b.Labels)
		assert.EqualValues(t, labels.Value().At(), epochs[0].Loss, "the loss that is told is the labels'")
		far := autograd.Mul(autograd.Distill(s, scores, 2), tape.Const(tensor.New().Fill(0.7)))
		c.Optimizer.New(nn.Params(byHand)).Step(float32(c.Schedule.Base), tape.Backward(autograd.Add(labels, far)))
	}
	assert.Equal(t, nn.State(byHand), nn.State(m))
}

// A step on mixtures goes along the gradient of the loss by both images' labels, each by its
// share of the patches, of each class's own score, and of the distance to the teacher's scores of both.
func TestTrainingOnMixtures(t *testing.T) {
	l, _ := spots(t, 8, false) // one step
	scores := tensortest.Random(rand.New(rand.NewPCG(3, 4)), 8, 4)
	m, c := lastModel(t), trainConfig()
	c.Epochs, c.Schedule.Warmup, c.Schedule.Min = 1, 0, c.Schedule.Base
	c.CutMix.Share, c.Binary.Weight, c.Seed = 1, 0.3, 4
	c.Distill = Distill{Weight: 0.7, Temperature: 2, Teacher: func(*data.Batch) *tensor.Tensor { return scores }}
	epochs := train(t, m, cached{l, m, 2}, c, nil)

	byHand := lastModel(t)
	tape := &autograd.Tape{Rand: rand.New(rand.NewPCG(c.Seed, 0))}
	for b, err := range (cached{l, byHand, 2}).Epoch(t.Context(), data.Plan{}) {
		require.NoError(t, err)
		tape.Rand.Float32() // whether this step is a mixture
		var mix mixture
		mix.draw(tape.Rand, b, 16)
		require.Positive(t, mix.own*(1-mix.own), "images have patches of others")
		times := func(w float32, loss *autograd.Var) *autograd.Var {
			return autograd.Mul(loss, tape.Const(tensor.New().Fill(w)))
		}
		s := byHand.ScoresOf(tape.Const(mix.tokens))
		labels := autograd.Add(times(mix.own, autograd.CrossEntropy(s, b.Labels)), times(1-mix.own, autograd.CrossEntropy(s, mix.labels)))
		each := autograd.Add(times(mix.own, autograd.BinaryCrossEntropy(s, b.Labels)), times(1-mix.own, autograd.BinaryCrossEntropy(s, mix.labels)))
		assert.EqualValues(t, labels.Value().At(), epochs[0].Loss)
		c.Optimizer.New(nn.Params(byHand)).Step(float32(c.Schedule.Base), tape.Backward(autograd.Add(autograd.Add(labels, times(0.3, each)), times(0.7, autograd.Distill(s, mix.of(scores), 2)))))
	}
	assert.Equal(t, nn.State(byHand), nn.State(m))

	for _, err := range Train(t.Context(), m, l, c) {
		assert.EqualError(t, err, "promptcam: CutMix in 1 of the steps: the loader has images, want tokens")
	}
}

// After MixUntil training is as without mixing.
func TestMixingEnds(t *testing.T) {
	l, _ := spots(t, 24, false)
	m, c := lastModel(t), trainConfig()
	c.CutMix = CutMix{Share: 1, Until: 0.5}
	assert.Len(t, train(t, m, cached{l, m, 2}, c, nil), 4)

	resumed := lastModel(t)
	for e, err := range Train(t.Context(), resumed, cached{l, resumed, 2}, c) {
		require.NoError(t, err)
		if e.Number == 2 {
			c.Resume = e.Checkpoint
			break
		}
	}
	c.CutMix = CutMix{}
	train(t, resumed, cached{l, resumed, 2}, c, nil)
	assert.Equal(t, nn.State(m), nn.State(resumed))
}

// resumeLosses has c go on from an epoch with these losses of the classes.
func resumeLosses(c *TrainConfig, losses ...float64) {
	c.Resume = &fit.Checkpoint{History: fit.History{{}}, Numbers: map[string][]float64{"losses": losses}}
}

func TestTrainStops(t *testing.T) {
	l, _ := spots(t, 24, true)
	g := openGolden(t, "dino")
	m, err := New(g.model().Backbone, configs()["last"], rand.New(rand.NewPCG(1, 2)))
	require.NoError(t, err)

	ctx, cancel := context.WithCancel(context.Background())
	c := trainConfig()
	c.Progress = func(s fit.Step) {
		assert.Equal(t, fit.Step{Epoch: 1, Epochs: 4, Done: 8, Images: 24, Loss: s.Loss, Accuracy: s.Accuracy, Seconds: s.Seconds}, s)
		cancel()
	}
	for _, err := range Train(ctx, m, l, c) {
		assert.ErrorIs(t, err, context.Canceled)
	}

	m.Class.Value.Fill(float32(math.NaN()))
	for _, err := range Train(context.Background(), m, l, trainConfig()) {
		assert.ErrorContains(t, err, "the loss of epoch 1, step 1 is NaN")
	}
	for want, change := range map[string]func(*TrainConfig){
		"no optimizer":                                  func(c *TrainConfig) { c.Optimizer = nil },
		"AdamW with betas 2":                            func(c *TrainConfig) { c.Optimizer = optim.AdamW{Beta1: 2} },
		"0 epochs, want at least 1":                     func(c *TrainConfig) { c.Epochs = 0 },
		"resume after epoch 5 of 4":                     func(c *TrainConfig) { c.Resume = &fit.Checkpoint{History: make(fit.History, 5)} },
		"learning rate 0, want a positive number":       func(c *TrainConfig) { c.Schedule.Base = 0 },
		"learning rate NaN, want a positive number":     func(c *TrainConfig) { c.Schedule.Base = math.NaN() },
		"-1 of warm-up":                                 func(c *TrainConfig) { c.Schedule.Warmup = -1 },
		"distillation of weight -1":                     func(c *TrainConfig) { c.Distill.Weight = -1 },
		"distillation at temperature 0: want a teacher": func(c *TrainConfig) { c.Distill.Weight = 1 },
		"mix 1.5, want a share from 0 to 1":             func(c *TrainConfig) { c.CutMix.Share = 1.5 },
		"mix until -1, want a share from 0 to 1":        func(c *TrainConfig) { c.CutMix.Until = -1 },
		"binary cross-entropy of weight -1":             func(c *TrainConfig) { c.Binary.Weight = -1 },
		"needed maps of weight NaN, want at least 0":    func(c *TrainConfig) { c.Needed.Weight = math.NaN() },
		"hard 1, want at least 0 and less than 1":       func(c *TrainConfig) { c.Hard.Share = 1 },
		"last learning rate 0.3, want at most":          func(c *TrainConfig) { c.Schedule.Base, c.Schedule.Min = 0.2, 0.3 },
		"hard from NaN, want a share from 0 to 1":       func(c *TrainConfig) { c.Hard.From = math.NaN() },
		"resume: losses of 1 classes, want 4":           func(c *TrainConfig) { resumeLosses(c, 1) },
		"resume: class 1 has a loss of -1":              func(c *TrainConfig) { resumeLosses(c, 1, -1, 1, 1) },
		"resume: class 2 has a loss of NaN":             func(c *TrainConfig) { resumeLosses(c, 1, 1, math.NaN(), 1) },
		"resume: class 3 has a loss of +Inf":            func(c *TrainConfig) { resumeLosses(c, 1, 1, 1, math.Inf(1)) },
		"average with decay 1":                          func(c *TrainConfig) { c.EMA.Decay = 1 },
		"distillation at temperature 1e-320: want a teacher and a positive": func(c *TrainConfig) {
			c.Distill = Distill{Weight: 1, Temperature: 1e-320, Teacher: func(*data.Batch) *tensor.Tensor { return nil }}
		},
		"the teacher's scores are [8 3], want [8 4]": func(c *TrainConfig) {
			c.Distill = Distill{Weight: 1, Temperature: 1, Teacher: func(b *data.Batch) *tensor.Tensor { return tensor.New(len(b.Labels), 3) }}
		},
	} {
		c := trainConfig()
		change(&c)
		n := 0
		for _, err := range Train(context.Background(), m, l, c) {
			assert.ErrorContains(t, err, want)
			n++
		}
		assert.Equal(t, 1, n, want)
	}
}

func TestEvaluate(t *testing.T) {
	l, _ := spots(t, 30, false)
	g := openGolden(t, "dino")
	m, err := New(g.model().Backbone, configs()["deep"], rand.New(rand.NewPCG(1, 2)))
	require.NoError(t, err)
	var done []int
	e, err := m.Evaluate(context.Background(), l, func(n int) { done = append(done, n) })
	require.NoError(t, err)
	assert.Equal(t, []int{8, 16, 24, 30}, done)
	assert.Equal(t, []int{8, 8, 7, 7}, e.Images)
	assert.EqualValues(t, 1, e.Top5, "there are four classes")

	right, byClass := 0, make([]int, 4)
	for i, p := range e.Predictions {
		assert.Equal(t, i, p.Index)
		assert.Equal(t, i%4, p.Class)
		assert.Equal(t, tensor.FromSlice(p.Scores, 1, 4).ArgMax()[0], p.Predicted)
		assert.InDelta(t, softmax(p.Scores)[p.Predicted], p.Probability(), 1e-12)
		if p.Class == p.Predicted {
			right++
			byClass[p.Class]++
		}
		e.Confusion[p.Class][p.Predicted]--
	}
	assert.InDelta(t, float64(right)/30, e.Top1, 1e-12)
	for c, n := range byClass {
		assert.InDelta(t, float64(n)/float64(e.Images[c]), e.PerClass[c], 1e-12)
	}
	assert.Equal(t, [][]int{{0, 0, 0, 0}, {0, 0, 0, 0}, {0, 0, 0, 0}, {0, 0, 0, 0}}, e.Confusion)
}

func TestTrainAndEvaluateRefuseWhatDoesNotFit(t *testing.T) {
	l, _ := spots(t, 8, false) // of four classes
	g := openGolden(t, "dino")
	two, err := New(g.model().Backbone, Config{Mode: Last, Classes: 2}, rand.New(rand.NewPCG(1, 2)))
	require.NoError(t, err)
	larger := g.config
	larger.ImageSize = [2]int{64, 64}
	wide, err := g.official("model.safetensors", larger)
	require.NoError(t, err)
	for want, m := range map[string]*Model{
		"image 2 of the loader has class 2, the model 0 to 1":               two,
		"the loader makes images of 32x32 pixels, the backbone wants 64x64": wide,
	} {
		_, err := m.Evaluate(context.Background(), l, nil)
		assert.ErrorContains(t, err, want)
		for _, err := range Train(context.Background(), m, l, trainConfig()) {
			assert.ErrorContains(t, err, want)
		}
	}
}

// odd makes a batch of values of another shape.
type odd struct {
	*data.Loader
	kind   data.Kind
	values *tensor.Tensor
}

func (l odd) Epoch(context.Context, data.Plan) iter.Seq2[*data.Batch, error] {
	return func(yield func(*data.Batch, error) bool) {
		yield(&data.Batch{Kind: l.kind, Values: l.values, Labels: []int{0}, Index: []int{0}}, nil)
	}
}

func TestEvaluateRefusesValuesThatAreNoImages(t *testing.T) {
	l, _ := spots(t, 8, false)
	m := openGolden(t, "dino").model()
	for _, shape := range [][]int{{}, {1}, {1, 17, 48}, {1, 3, 32, 32, 1}, {2, 3, 32, 32}, {1, 1, 32, 32}} {
		_, err := m.Evaluate(t.Context(), odd{l, data.Images, tensor.New(shape...)}, nil)
		assert.EqualError(t, err, fmt.Sprintf("promptcam: the loader has images %v, the model wants [1 3 32 32]", shape))
	}
}

func TestTrainAndEvaluateRefuseTokensThatDoNotFit(t *testing.T) {
	l, _ := spots(t, 8, false)
	for want, name := range map[string]string{
		"tokens [1 16 48], the model wants [1 17 48]":                                         "last",
		"tokens in place of images: they depend on the 3 class-agnostic prompts of mode deep": "deep",
	} {
		m, err := New(openGolden(t, "dino").model().Backbone, configs()[name], rand.New(rand.NewPCG(1, 2)))
		require.NoError(t, err)
		_, err = m.Evaluate(context.Background(), odd{l, data.Tokens, tensor.New(1, 16, 48)}, nil)
		assert.ErrorContains(t, err, want)
		for _, err := range Train(context.Background(), m, odd{l, data.Tokens, tensor.New(1, 16, 48)}, trainConfig()) {
			assert.ErrorContains(t, err, want)
		}
	}
}

// Scores that are NaN or infinite predict nothing, whether numbers of the model overflow or a photograph's do.
func TestScoresThatAreNotFinite(t *testing.T) {
	l, _ := spots(t, 8, false)
	for _, c := range []Config{{Mode: Last, Classes: 4}, {Mode: Deep, Classes: 4, Agnostic: 2}, {Mode: Last, Classes: 4, PatchesOnly: true, Rank: 2}} {
		for name, spoil := range map[string]func(*Model){
			"large score vector": func(m *Model) { m.Head.Weight.Value.Fill(math.MaxFloat32) },
			"NaN prompt":         func(m *Model) { m.Class.Value.Data()[3] = float32(math.NaN()) },
			"infinite bias":      func(m *Model) { m.Head.Weight.Value.Data()[0] = float32(math.Inf(-1)) },
		} {
			m, err := New(openGolden(t, "dino").model().Backbone, c, rand.New(rand.NewPCG(1, 2)))
			require.NoError(t, err)
			spoil(m)
			var wrong *ScoreError
			_, err = m.Evaluate(t.Context(), l, nil)
			require.ErrorAs(t, err, &wrong, name)
			assert.Equal(t, 0, wrong.Index)
			assert.Contains(t, err.Error(), "which predicts nothing")
			n := 0
			for _, err := range m.Explanations(t.Context(), l) {
				require.ErrorAs(t, err, &wrong, name)
				n++
			}
			assert.Equal(t, 1, n)
			_, err = m.Explain(image.NewRGBA(image.Rect(0, 0, 40, 30)))
			require.ErrorAs(t, err, &wrong, name)
			assert.Equal(t, -1, wrong.Index)
		}
	}
}
