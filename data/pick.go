package data

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
)

// A Pick is an image of an epoch.
type Pick struct {
	At  int // position among the items
	Nth int // tells apart the times that the epoch has it, from 0; each is augmented otherwise
}

// Draw picks as many items as there are, in random order. How often it picks one of class c is in proportion to
// weights[c], rounded up or down, and so is how often it picks any of that class: systematic sampling
// (Madow and Madow, Annals of Mathematical Statistics 15, 1944). It panics unless all
// items' classes have weights, none is negative and some item's is positive.
func Draw(rng *rand.Rand, items []Item, weights []float64) []Pick {
	order := rng.Perm(len(items))
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(items[a].Class, items[b].Class) })
	var total float64
	for _, at := range order {
		class := items[at].Class
		if class >= len(weights) || !(weights[class] >= 0) {
			panic(fmt.Sprintf("data: Draw: item %d is of class %d, want a weight for it that is not negative: %v", at, class, weights))
		}
		total += weights[class]
	}
	if !(total > 0) {
		panic(fmt.Sprintf("data: Draw: no item has a positive weight: %v", weights))
	}
	picks := make([]Pick, 0, len(items))
	start := float64(rng.Float32()) // of so few bits that the last sum below is exact
	var sum float64
	for _, at := range order {
		sum += weights[items[at].Class]
		until := int(float64(float64(len(items))*(sum/total)) + start)
		for nth := 0; len(picks) < until; nth++ {
			picks = append(picks, Pick{at, nth})
		}
	}
	shuffle(rng, picks)
	return picks
}

// Order picks each of n items once, in random order if shuffled.
func Order(rng *rand.Rand, n int, shuffled bool) []Pick {
	picks := make([]Pick, n)
	for i := range picks {
		picks[i].At = i
	}
	if shuffled {
		shuffle(rng, picks)
	}
	return picks
}

func shuffle(rng *rand.Rand, picks []Pick) {
	rng.Shuffle(len(picks), func(i, j int) { picks[i], picks[j] = picks[j], picks[i] })
}
