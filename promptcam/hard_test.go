package promptcam

import (
	"context"
	"iter"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/promptcam/promptcam/autograd"
	"github.com/promptcam/promptcam/data"
	"github.com/promptcam/promptcam/nn"
	"github.com/promptcam/promptcam/tensor"
	"github.com/promptcam/promptcam/tensor/tensortest"
)

// watched tells what each epoch is drawn by, nil for one that has each image once.
type watched struct {
	*data.Loader
	weights map[int][]float64
}

func (w watched) Epoch(ctx context.Context, n int) iter.Seq2[*data.Batch, error] {
	w.weights[n] = nil
	return w.Loader.Epoch(ctx, n)
}

func (w watched) Draw(ctx context.Context, n int, weights []float64) iter.Seq2[*data.Batch, error] {
	w.weights[n] = weights
	return w.Loader.Draw(ctx, n, weights)
}

func TestHardClassesAreSeenMore(t *testing.T) {
	l, _ := spots(t, 24, true)
	m, c := lastModel(t), trainConfig()
	c.Hard, c.HardFrom = 0.75, 0.5
	w := watched{l, map[int][]float64{}}
	var losses [][]float64
	for e, err := range Train(t.Context(), m, w, c) {
		require.NoError(t, err)
		losses = append(losses, append([]float64(nil), e.Losses...))
	}
	require.Len(t, losses, 4)
	assert.Len(t, w.weights, 4)
	assert.Nil(t, w.weights[0])
	assert.Nil(t, w.weights[1])
	for n := 2; n < 4; n++ {
		var sum float64
		for _, loss := range losses[n-1] {
			sum += loss
		}
		for class, loss := range losses[n-1] {
			assert.InDelta(t, 0.25+0.75*4*loss/sum, w.weights[n][class], 1e-12)
		}
	}
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
	assert.InDeltaSlice(t, want, train(t, m, l, c, nil)[0].Losses, 1e-6)

	// Mixtures tell nothing of single classes.
	c.Mix = 1
	guess := math.Log(4)
	assert.InDeltaSlice(t, []float64{guess, guess, guess, guess}, train(t, m, cached{l, m, 2}, c, nil)[0].Losses, 1e-12)
}

func TestResumedHardTrainingHasTheSameBits(t *testing.T) {
	l, _ := spots(t, 24, true)
	m, c := lastModel(t), trainConfig()
	c.Hard = 0.9
	train(t, m, l, c, nil)

	resumed := lastModel(t)
	for e, err := range Train(t.Context(), resumed, l, c) {
		require.NoError(t, err)
		if e.Number == 2 {
			c.Start, c.Resume, c.ResumeLosses = 2, cloned(e.Optimizer), e.Losses
			break
		}
	}
	train(t, resumed, l, c, nil)
	assert.Equal(t, nn.State(m), nn.State(resumed))
}

func TestHardNeedsADrawer(t *testing.T) {
	c := trainConfig()
	c.Hard = 0.5
	for _, err := range Train(t.Context(), lastModel(t), &drawn{}, c) {
		assert.EqualError(t, err, "promptcam: hard 0.5: the loader cannot draw images by class")
	}
}

func TestHardness(t *testing.T) {
	h := newHardness(3)
	assert.Equal(t, []float64{1, 1, 1}, h.weights(1), "nothing is known yet")
	scores := tensortest.Random(rand.New(rand.NewPCG(1, 2)), 4, 3)
	h.add(scores, []int{0, 2, 2, 0})
	h.end()
	for class, images := range map[int][]int{0: {0, 3}, 2: {1, 2}} {
		var want float64
		for _, i := range images {
			one := new(autograd.Tape).Const(scores.Slice(0, i, i+1))
			want += float64(autograd.CrossEntropy(one, []int{class}).Value().At()) / 2
		}
		assert.InDelta(t, want, h.losses[class], 1e-6)
	}
	assert.Equal(t, math.Log(3), h.losses[1], "it was not seen")

	h.add(tensor.FromSlice([]float32{-1e30, 0, 1e30, 0, 1e30, 0, 0, 0, 1e30}, 3, 3), []int{0, 1, 2})
	h.end()
	assert.Equal(t, []float64{3, 0, 0}, h.weights(1), "finite, however far scores are")
	h.add(tensor.FromSlice([]float32{100, 0, 0}, 1, 3), []int{0})
	h.end()
	assert.Equal(t, []float64{1, 1, 1}, h.weights(0.5), "nothing is left to learn")
}
