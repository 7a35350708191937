package data

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestSample(t *testing.T) {
	for seed := range uint64(300) {
		rng := rand.New(rand.NewPCG(seed, 1))
		items, weights := make([]Item, 1+rng.IntN(50)), make([]float64, 1+rng.IntN(5))
		for c := range weights {
			weights[c] = max(0, rng.NormFloat64()) * math.Exp(10*rng.NormFloat64())
		}
		share := rng.Float64()
		if seed%5 == 0 {
			share = float64(seed % 2)
		}
		var total float64
		for i := range items {
			if i > 0 {
				items[i].Class = rng.IntN(len(weights))
			}
			total += weights[items[i].Class]
		}
		picks, err := Plan{Weights: weights, Share: share}.Picks(rng, items)
		require.NoError(t, err)
		assert.Len(t, picks, len(items))
		times, ofClass, wanted := make([][]int, len(items)), make([]int, len(weights)), make([]float64, len(weights))
		for _, p := range picks {
			times[p.At] = append(times[p.At], p.Nth)
			ofClass[items[p.At].Class]++
		}
		for i, nth := range times {
			slices.Sort(nth)
			for n, got := range nth {
				assert.Equal(t, n, got)
			}
			want := 1.
			if total > 0 {
				want += share * (float64(len(items))*weights[items[i].Class]/total - 1)
			}
			assert.InDelta(t, want, len(nth), 1+1e-9)
			wanted[items[i].Class] += want
		}
		for c, n := range ofClass {
			assert.InDelta(t, wanted[c], n, 1+1e-9)
		}
	}
}

// Over many epochs each item is picked as often as its weight says.
func TestSampleIsFair(t *testing.T) {
	items := []Item{{Class: 0}, {Class: 1}, {Class: 0}, {Class: 2}, {Class: 1}}
	weights := []float64{1, 3, 0.5} // 8.5 in all
	rng, count := rand.New(rand.NewPCG(1, 2)), make([]float64, len(items))
	first := map[int]bool{}
	const epochs = 20_000
	for range epochs {
		picks, err := Plan{Weights: weights, Share: 0.8}.Picks(rng, items)
		require.NoError(t, err)
		first[picks[0].At] = true
		for _, p := range picks {
			count[p.At]++
		}
	}
	for i, it := range items {
		assert.InDelta(t, 0.2+0.8*5*weights[it.Class]/8.5, count[i]/epochs, 0.02)
	}
	assert.Len(t, first, 5, "in random order")
}

func TestSampleWithWrongWeights(t *testing.T) {
	rng, items := rand.New(rand.NewPCG(1, 2)), []Item{{Path: "a.png", Class: 0}, {Path: "b.png", Class: 1}}
	for want, weights := range map[string][]float64{
		"b.png is of class 1, and there are weights for 1":                                       {1},
		"class 1 weighs -1, want a finite number that is not negative, and so their sum":         {1, -1},
		"class 1 weighs NaN, want":                                                               {1, math.NaN()},
		"class 1 weighs +Inf, want":                                                              {1, math.Inf(1)},
		"class 1 weighs 1.7976931348623157e+308, want a finite number that is not negative, and": {math.MaxFloat64, math.MaxFloat64},
	} {
		_, err := Plan{Weights: weights, Share: 0.5}.Picks(rng, items)
		assert.ErrorContains(t, err, "data: sample: "+want)
	}
	for _, share := range []float64{-0.1, 1.1, math.NaN()} {
		_, err := Plan{Weights: []float64{1, 1}, Share: share}.Picks(rng, items)
		assert.ErrorContains(t, err, "want one from 0 to 1")
	}
	_, err := Plan{Weights: []float64{1}, Share: 0.5}.Picks(rng, []Item{{Path: "c.png", Class: -1}})
	assert.EqualError(t, err, "data: sample: c.png is of class -1, and there are weights for 1")
}
