package data

import (
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
)

// A Pick is an image of an epoch.
type Pick struct {
	At  int // position among the items
	Nth int // tells apart the times that the epoch has it, from 0; each is augmented otherwise
}

// Sample picks as many items as there are, in random order: in a share of the picks, from 0 to 1, each item in
// proportion to weights[c] of its class c, in the rest all alike; all alike, too, if the weights
// are 0. It picks an item as often as that asks for, rounded up or down, and so it does those of a class together:
// systematic sampling with unequal probabilities (Madow, "On the Theory of Systematic Sampling, II", Annals of
// Mathematical Statistics 20, 1949). An item whose class has no weight is an error, and so is a weight
// that is negative or not finite.
func Sample(rng *rand.Rand, items []Item, weights []float64, share float64) ([]Pick, error) {
	if !(share >= 0 && share <= 1) {
		return nil, fmt.Errorf("data: sample: share %v, want one from 0 to 1", share)
	}
	order := rng.Perm(len(items))
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(items[a].Class, items[b].Class) })
	var total float64
	for _, at := range order {
		class := items[at].Class
		if class < 0 || class >= len(weights) {
			return nil, fmt.Errorf("data: sample: %s is of class %d, and there are weights for %d", items[at].Path, class, len(weights))
		}
		total += weights[class]
		if !(weights[class] >= 0) || math.IsInf(total, 1) {
			return nil, fmt.Errorf("data: sample: class %d weighs %v, want a finite number that is not negative, and so their sum", class, weights[class])
		}
	}
	if total == 0 {
		share, total = 0, 1
	}
	n := float64(len(items))
	picks := make([]Pick, 0, len(items))
	start := float64(rng.Float32()) // of so few bits that the last sum below is exact
	var sum float64
	for i, at := range order {
		sum += weights[items[at].Class]
		alike := float64(i + 1)
		more := float64(n*(sum/total)) - alike // 0 in the end
		until := int(alike + float64(share*more) + start)
		for nth := 0; len(picks) < until; nth++ {
			picks = append(picks, Pick{at, nth})
		}
	}
	Shuffle(rng, picks)
	return picks, nil
}

// Each picks each of n items once, in their order.
func Each(n int) []Pick {
	picks := make([]Pick, n)
	for i := range picks {
		picks[i].At = i
	}
	return picks
}

// Shuffle puts picks in random order.
func Shuffle(rng *rand.Rand, picks []Pick) {
	rng.Shuffle(len(picks), func(i, j int) { picks[i], picks[j] = picks[j], picks[i] })
}
