package promptcam

import (
	"context"
	"iter"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/promptcam/promptcam/autograd"
	"github.com/promptcam/promptcam/data"
	"github.com/promptcam/promptcam/nn"
	"github.com/promptcam/promptcam/tensor"
	"github.com/promptcam/promptcam/tensor/tensortest"
)

// watched tells by which weights each epoch is sampled, nil for one that has each image once.
type watched struct {
	*data.Loader
	weights map[int][]float64
	share   float64
}

func (w *watched) Epoch(ctx context.Context, p data.Plan) iter.Seq2[*data.Batch, error] {
	w.weights[p.Epoch] = slices.Clone(p.Weights)
	if p.Weights != nil {
		w.share = p.Share
	}
	return w.Loader.Epoch(ctx, p)
}

func TestHardClassesAreSeenMore(t *testing.T) {
	l, _ := spots(t, 24, true)
	m, c := lastModel(t), trainConfig()
	c.Hard = HardExamples{Share: 0.75, From: 0.5}
	w := &watched{Loader: l, weights: map[int][]float64{}}
	var losses [][]float64
	for e, err := range Train(t.Context(), m, w, c) {
		require.NoError(t, err)
		losses = append(losses, slices.Clone(e.Checkpoint.Numbers["losses"]))
	}
	require.Len(t, losses, 4)
	assert.Len(t, w.weights, 4)
	assert.Nil(t, w.weights[0])
	assert.Nil(t, w.weights[1])
	assert.Equal(t, losses[1], w.weights[2])
	assert.Equal(t, losses[2], w.weights[3])
	assert.Equal(t, 0.75, w.share)
}

// An epoch's losses are those of the model before it, if it has one step and hides nothing.
func TestLossesOfClasses(t *testing.T) {
	l, _ := spots(t, 8, false)
	m, c := lastModel(t), trainConfig()
	c.Epochs = 1
	e, err := m.Evaluate(t.Context(), l, nil)
	require.NoError(t, err)
	want := make([]float64, 4)
	for _, p := range e.Predictions {
		want[p.Class] -= math.Log(softmax(p.Scores)[p.Class]) / float64(e.Images[p.Class])
	}
	assert.InDeltaSlice(t, want, train(t, m, l, c, nil)[0].Checkpoint.Numbers["losses"], 1e-6)

	// Mixtures tell nothing of single classes.
	c.CutMix.Share = 1
	guess := math.Log(4)
	assert.InDeltaSlice(t, []float64{guess, guess, guess, guess}, train(t, m, cached{l, m, 2}, c, nil)[0].Checkpoint.Numbers["losses"], 1e-12)
}

func TestResumedHardTrainingHasTheSameBits(t *testing.T) {
	l, _ := spots(t, 24, true)
	m, c := lastModel(t), trainConfig()
	c.Hard.Share = 0.9
	train(t, m, l, c, nil)

	resumed := lastModel(t)
	for e, err := range Train(t.Context(), resumed, l, c) {
		require.NoError(t, err)
		if e.Number == 2 {
			c.Resume = e.Checkpoint
			break
		}
	}
	train(t, resumed, l, c, nil)
	assert.Equal(t, nn.State(m), nn.State(resumed))
}

func TestHardWithOtherClasses(t *testing.T) {
	l, _ := spots(t, 8, false) // of four classes
	b := openGolden(t, "dino").model().Backbone
	m, err := New(b, Config{Mode: Last, Classes: 2}, rand.New(rand.NewPCG(1, 2)))
	require.NoError(t, err)
	c := trainConfig()
	c.Hard.Share = 0.5
	n := 0
	for _, err := range Train(t.Context(), m, l, c) {
		assert.ErrorContains(t, err, "is of class 2, and there are weights for 2")
		n++
	}
	assert.Equal(t, 1, n)
}

func TestHardness(t *testing.T) {
	h := newHardness(3)
	guess := math.Log(3)
	assert.Equal(t, []float64{guess, guess, guess}, h.losses, "nothing is known yet")
	scores := tensortest.Random(rand.New(rand.NewPCG(1, 2)), 4, 3)
	h.add(scores, []int{0, 2, 2, 0})
	h.end()
	for class, images := range map[int][]int{0: {0, 3}, 2: {1, 2}} {
		one := tensor.New(2, 3)
		for i, at := range images {
			tensor.CopyTo(one.Select(0, i), scores.Select(0, at))
		}
		want := new(autograd.Tape)
		assert.InDelta(t, autograd.CrossEntropy(want.Const(one), []int{class, class}).Value().At(), h.losses[class], 1e-6)
	}
	assert.Equal(t, guess, h.losses[1], "it was not seen")

	h.add(tensor.FromSlice([]float32{-1e30, 0, 1e30, 0, 1e30, 1e30}, 2, 3), []int{0, 1})
	h.end()
	assert.InEpsilon(t, 2e30, h.losses[0], 1e-6)
	assert.Equal(t, math.Log(2), h.losses[1])
}
