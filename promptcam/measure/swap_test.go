package measure

import (
	"context"
	"errors"
	"iter"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/promptcam/promptcam/data"
	"github.com/promptcam/promptcam/promptcam"
	"github.com/promptcam/promptcam/vit/heat"
)

func randomPhoto(rng *rand.Rand) *data.RGB {
	m := data.NewRGB(40, 36)
	for i := range m.Pix {
		m.Pix[i] = uint8(rng.IntN(256))
	}
	return m
}

func TestSwapScoresBothImages(t *testing.T) {
	models, _ := untrained(t)
	m := models["deep"]
	rng := rand.New(rand.NewPCG(1, 2))
	var all []Pair
	for i := range 50 { // more than a batch
		p := Pair{Class: i % 2, Other: 2, Original: randomPhoto(rng), Changed: randomPhoto(rng)}
		if i%3 != 0 {
			p.Original = all[i-1].Original
		}
		all = append(all, p)
	}
	pairs := func(yield func(Pair, error) bool) {
		for _, p := range all {
			if !yield(p, nil) {
				return
			}
		}
	}
	done := 0
	swaps, err := Swap(t.Context(), m, pairs, func(n int) { done = n })
	require.NoError(t, err)
	require.Len(t, swaps, 50)
	assert.Equal(t, 50, done)
	for i, s := range swaps {
		before, err := m.Explain(all[i].Original)
		require.NoError(t, err)
		after, err := m.Explain(all[i].Changed)
		require.NoError(t, err)
		assert.Equal(t, [2]int{i % 2, 2}, [2]int{s.Class, s.Other})
		assert.Equal(t, [2]int{before.Predicted(), after.Predicted()}, [2]int{s.Before.Predicted, s.After.Predicted})
		assert.InDeltaSlice(t, before.Scores, s.Before.Scores, 1e-5)
		assert.InDeltaSlice(t, after.Scores, s.After.Scores, 1e-5)
	}

	gone := errors.New("gone")
	var failing iter.Seq2[Pair, error] = func(yield func(Pair, error) bool) { yield(Pair{}, gone) }
	_, err = Swap(t.Context(), m, failing, nil)
	assert.ErrorIs(t, err, gone)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = Swap(ended, m, pairs, nil)
	assert.ErrorIs(t, err, context.Canceled)
	none, err := Swap(t.Context(), m, func(func(Pair, error) bool) {}, nil)
	require.NoError(t, err)
	assert.Equal(t, SwapScore{}, ScoreSwaps(none, heat.DefaultBootstrap()))
	m.Transform = data.Transform{Width: 8, Height: 8}
	_, err = Swap(t.Context(), m, pairs, nil)
	assert.ErrorContains(t, err, "8x8 pixels, the backbone wants 32x32")
}

func TestScoreSwaps(t *testing.T) {
	ln := func(p float64) float32 { return float32(math.Log(p)) }
	scored := func(p, q float64) promptcam.Prediction {
		best := 0
		if q > p {
			best = 1
		}
		return promptcam.Prediction{Predicted: best, Scores: []float32{ln(p), ln(q)}}
	}
	swaps := []Outcome{
		{0, 1, false, scored(0.8, 0.2), scored(0.4, 0.6)}, // moves
		{0, 1, false, scored(0.8, 0.2), scored(0.6, 0.4)}, // stays
		{0, 1, false, scored(0.3, 0.7), scored(0.2, 0.8)}, // was there before
	}
	assert.Equal(t, []bool{true, true, false}, []bool{swaps[0].Recognised(), swaps[1].Recognised(), swaps[2].Recognised()})
	assert.Equal(t, []bool{true, false, false}, []bool{swaps[0].Moved(), swaps[1].Moved(), swaps[2].Moved()})
	s := ScoreSwaps(swaps, heat.DefaultBootstrap())
	assert.InDelta(t, 1./3, s.Moved.Mean, 1e-12)
	assert.InDelta(t, -(0.4+0.2+0.1)/3, s.Class.Mean, 1e-6)
	assert.InDelta(t, (0.4+0.2+0.1)/3, s.Other.Mean, 1e-6)
	assert.InDelta(t, (math.Log(6)+math.Log(8./3)+math.Log(12./7))/3, s.Margin.Mean, 1e-6)
	assert.True(t, s.Moved.Low < s.Moved.Mean && s.Moved.Mean < s.Moved.High)
}
