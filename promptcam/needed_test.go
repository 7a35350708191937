package promptcam

import (
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/promptcam/promptcam/autograd"
	"github.com/promptcam/promptcam/autograd/gradcheck"
	"github.com/promptcam/promptcam/data"
	"github.com/promptcam/promptcam/nn"
	"github.com/promptcam/promptcam/tensor"
	"github.com/promptcam/promptcam/tensor/tensortest"
)

func TestUnneededIsTheLossOfNotWinning(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	scores := &autograd.Param{Value: tensortest.Random(rng, 3, 5)}
	blurred := &autograd.Param{Value: tensortest.Random(rng, 3, 1)}
	labels := []int{4, 0, 2}
	of := func(tp *autograd.Tape) *autograd.Var { return unneeded(tp.Param(scores), tp.Param(blurred), labels) }
	off, err := gradcheck.Error(rng, of, scores, blurred)
	require.NoError(t, err)
	assert.Less(t, off, 1e-3)

	tensor.CopyTo(blurred.Value, tensor.FromSlice([]float32{0.5, -90, 200}, 3, 1)) // surely neither and surely
	var want float64
	for i, label := range labels {
		all := slices.Clone(scores.Value.Select(0, i).Data())
		all[label] = blurred.Value.At(i, 0)
		rest := 0. // 1 - softmax(all)[label], which would cancel
		for c, p := range softmax(all) {
			if c != label {
				rest += p
			}
		}
		want -= math.Log(rest) / 3
	}
	assert.InEpsilon(t, want, of(&autograd.Tape{}).Value().At(), 1e-6)

	tp := &autograd.Tape{}
	tensor.CopyTo(blurred.Value, tensor.FromSlice([]float32{3e38, -3e38, 0}, 3, 1))
	for _, grad := range tp.Backward(of(tp)) {
		for _, v := range grad.Data() {
			assert.False(t, math.IsNaN(float64(v)))
		}
	}
}

// Blurred scores are those by which an Explanation tells whether a prediction survives, and asking for them changes
// no bit of the others.
func TestBlurredScoresAreThoseOfExplanations(t *testing.T) {
	forEachConfig(t, func(t *testing.T, m *Model, g *golden) {
		m.Config.PatchDropout = 0
		images := len(g.labels)
		b := &data.Batch{Values: g.images.Value, Labels: g.labels}
		both := make([]int, 0, 2*images)
		for i := range images {
			both = append(both, i%4, (3*i+1)%4)
		}
		tp := &autograd.Tape{NoGrad: true}
		alone, none := m.trained(tp, b, nil)
		assert.Nil(t, none)
		scores, blurred := m.trained(tp, b, both)
		assert.Equal(t, m.Scores(tp.Const(g.images.Value)).Value().Data(), scores.Value().Data())
		assert.Equal(t, alone.Value().Data(), scores.Value().Data())
		for i := range images {
			e := m.explain(g.images.Value.Slice(0, i, i+1).Contig())
			every := slices.Repeat([]bool{true}, e.Heads())
			for j := range 2 {
				assert.InDelta(t, scoreBlurred(e, both[2*i+j], BlurPatches, every), blurred.Value().At(i, j), 1e-5)
			}
		}
	})
}

// With patch dropout a blurred prompt reads the mean of the patches that are left.
func TestBlurredScoresOfThePatchesThatAreLeft(t *testing.T) {
	for _, c := range []Config{{Mode: Last}, {Mode: Last, PatchesOnly: true, Rank: 2}} {
		c.Classes, c.PatchDropout = 4, 0.6
		g := openGolden(t, "dino")
		m, err := New(g.model().Backbone, c, rand.New(rand.NewPCG(1, 2)))
		require.NoError(t, err)
		move(m)
		tp := &autograd.Tape{Rand: rand.New(rand.NewPCG(3, 4))}
		_, blurred := m.trained(tp, &data.Batch{Values: g.images.Value, Labels: g.labels}, g.labels)
		tp = &autograd.Tape{Rand: rand.New(rand.NewPCG(3, 4))}
		kept := m.patchDropout(tp.Const(tensor.New(6, 17, 1))) // 7 rows of each image

		tp = &autograd.Tape{NoGrad: true}
		v := m.last.Keys(m.Backbone.Tokens(tp.Const(g.images.Value), 2)).V.Value() // [6, 17, D]
		for i, label := range g.labels {
			mean := tensor.New(1, 1, v.Dim(2))
			for _, row := range kept[i*7+1 : i*7+7] {
				tensor.Axpy(mean.Reshape(-1), 1./6, v.Select(0, i).Select(0, row).Clone())
			}
			z := tp.Const(m.Class.Value.Slice(0, label, label+1).Reshape(1, 1, -1))
			want := m.score(m.last.Complete(z, tp.Const(mean))).Value()
			assert.InDelta(t, want.At(0, 0), blurred.Value().At(i, 0), 1e-5)
		}
	}
}

func TestGradientOfNeededMaps(t *testing.T) {
	forEachConfig(t, func(t *testing.T, m *Model, g *golden) {
		b := &data.Batch{Values: g.images.Value, Labels: g.labels}
		n := NeededMaps{Weight: 1}
		loss := func(tp *autograd.Tape) *autograd.Var {
			tp.Rand = rand.New(rand.NewPCG(3, 4))
			scores, blurred := m.trained(tp, b, n.classes(b, nil))
			return n.loss(scores, blurred, b, nil)
		}
		params := slices.Collect(maps.Values(maps.Collect(nn.Params(m))))
		off, err := gradcheck.Error(rand.New(rand.NewPCG(5, 6)), loss, params...)
		require.NoError(t, err)
		assert.Less(t, off, 2e-3)

		tp := &autograd.Tape{}
		grads := tp.Backward(loss(tp))
		for name, p := range nn.Params(m) {
			if name == "head.bias" {
				continue // it is added to all scores
			}
			assert.True(t, slices.ContainsFunc(grads[p].Data(), func(v float32) bool { return v != 0 }), "%s learns", name)
		}
	})
}

// A step goes along the gradient of the labels' loss and of the weighted loss of both images' labels.
func TestNeededMapsOfMixtures(t *testing.T) {
	l, _ := spots(t, 8, false) // one step
	m, c := lastModel(t), trainConfig()
	c.Epochs, c.Schedule.Warmup, c.Schedule.Min = 1, 0, c.Schedule.Base
	c.CutMix.Share, c.Needed.Weight, c.Seed = 1, 0.3, 4
	train(t, m, cached{l, m, 2}, c, nil)

	byHand := lastModel(t)
	tp := &autograd.Tape{Rand: rand.New(rand.NewPCG(c.Seed, 0))}
	for b, err := range (cached{l, byHand, 2}).Epoch(t.Context(), data.Plan{}) {
		require.NoError(t, err)
		tp.Rand.Float32() // whether this step is a mixture
		var mix mixture
		mix.draw(tp.Rand, b, 16)
		require.Positive(t, mix.own*(1-mix.own), "images have patches of others")
		times := func(w float32, loss *autograd.Var) *autograd.Var {
			return autograd.Mul(loss, tp.Const(tensor.New().Fill(w)))
		}
		x := tp.Const(mix.tokens)
		scores := byHand.ScoresOf(x)
		entropy := func(labels []int) *autograd.Var { return autograd.CrossEntropy(scores, labels) }
		total := autograd.Add(times(mix.own, entropy(b.Labels)), times(1-mix.own, entropy(mix.labels)))
		blurred := func(labels []int) *autograd.Var {
			return byHand.enter(x, byHand.prompts(tp, byHand.Class)).blurred(labels)
		}
		own, other := unneeded(scores, blurred(b.Labels), b.Labels), unneeded(scores, blurred(mix.labels), mix.labels)
		total = autograd.Add(total, times(0.3, autograd.Add(times(mix.own, own), times(1-mix.own, other))))
		c.Optimizer.New(nn.Params(byHand)).Step(float32(c.Schedule.Base), tp.Backward(total))
	}
	for name, want := range nn.State(byHand) {
		if name != "head.bias" { // its gradient is 0 but for rounding, of which AdamW takes the sign
			tensortest.Close(t, want, nn.State(m)[name], 1e-6)
		}
	}
}

// The purpose: predictions that would survive with all maps blurred no longer do, in any mode.
func TestPredictionsComeToNeedTheirMaps(t *testing.T) {
	l, _ := spots(t, 80, true)
	for name, config := range configs() {
		t.Run(name, func(t *testing.T) {
			survive := func(weight float64) (right, survived int) {
				m, err := New(openGolden(t, "dino").model().Backbone, config, rand.New(rand.NewPCG(1, 2)))
				require.NoError(t, err)
				c := trainConfig()
				c.Epochs, c.Needed.Weight = 6, weight
				train(t, m, l, c, nil)
				for e, err := range m.Explanations(t.Context(), l) {
					require.NoError(t, err)
					if p := e.Predicted(); p == e.Label {
						right++
						if e.Survives(p, BlurPatches) {
							survived++
						}
					}
				}
				return right, survived
			}
			right, survived := survive(0)
			nowRight, nowSurvived := survive(1)
			assert.Greater(t, nowRight, 50, "of 80")
			assert.LessOrEqual(t, nowSurvived, survived/2, "of %d; without the loss %d of %d", nowRight, survived, right)
		})
	}
}
