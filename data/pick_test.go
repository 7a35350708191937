package data

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestDraw(t *testing.T) {
	for seed := range uint64(300) {
		rng := rand.New(rand.NewPCG(seed, 1))
		items, weights := make([]Item, 1+rng.IntN(50)), make([]float64, 1+rng.IntN(5))
		for c := range weights {
			weights[c] = max(0, rng.NormFloat64()) * math.Exp(10*rng.NormFloat64())
		}
		weights[0]++
		var total float64
		for i := range items {
			if i > 0 {
				items[i].Class = rng.IntN(len(weights))
			}
			total += weights[items[i].Class]
		}
		picks := Draw(rng, items, weights)
		assert.Len(t, picks, len(items))
		times, ofClass, share := make([][]int, len(items)), make([]int, len(weights)), make([]float64, len(weights))
		for _, p := range picks {
			times[p.At] = append(times[p.At], p.Nth)
			ofClass[items[p.At].Class]++
		}
		for i, nth := range times {
			slices.Sort(nth)
			for n, got := range nth {
				assert.Equal(t, n, got)
			}
			want := float64(len(items)) * weights[items[i].Class] / total
			assert.InDelta(t, want, len(nth), 1+1e-9)
			share[items[i].Class] += want
		}
		for c, n := range ofClass {
			assert.InDelta(t, share[c], n, 1+1e-9)
		}
	}
}

// Over many epochs each item is picked as often as its weight says.
func TestDrawIsFair(t *testing.T) {
	items := []Item{{Class: 0}, {Class: 1}, {Class: 0}, {Class: 2}, {Class: 1}}
	weights := []float64{1, 3, 0.5} // 8.5 in all
	rng, count := rand.New(rand.NewPCG(1, 2)), make([]float64, len(items))
	first := map[int]bool{}
	const epochs = 20_000
	for range epochs {
		picks := Draw(rng, items, weights)
		first[picks[0].At] = true
		for _, p := range picks {
			count[p.At]++
		}
	}
	for i, it := range items {
		assert.InDelta(t, 5*weights[it.Class]/8.5, count[i]/epochs, 0.02)
	}
	assert.Len(t, first, 5, "in random order")
}

func TestDrawPanics(t *testing.T) {
	rng, items := rand.New(rand.NewPCG(1, 2)), []Item{{Class: 0}, {Class: 1}}
	for want, weights := range map[string][]float64{
		"data: Draw: item 1 is of class 1, want a weight for it that is not negative: [1]":     {1},
		"data: Draw: item 1 is of class 1, want a weight for it that is not negative: [1 -1]":  {1, -1},
		"data: Draw: item 1 is of class 1, want a weight for it that is not negative: [1 NaN]": {1, math.NaN()},
		"data: Draw: no item has a positive weight: [0 0 1]":                                   {0, 0, 1},
	} {
		assert.PanicsWithValue(t, want, func() { Draw(rng, items, weights) })
	}
}
