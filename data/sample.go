package data

import (
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
)

// A Pick is one image of an epoch.
type Pick struct {
	At  int // position among the items
	Nth int // view of the image, from 0: an epoch that picks it several times sees a different one each time
}

// Plan chooses the images of an epoch.
type Plan struct {
	Epoch int // from 0; with a loader's seed it decides the order and the augmentation

	// Weights [C] of classes turn on weighted sampling: a Share of the picks, from 0 to 1, draws
	// each image in proportion to the weight of its class, the rest draws all images
	// equally. With nil each image is picked once.
	Weights []float64
	Share   float64
}

// InOrder picks each of n items once, in order.
func InOrder(n int) []Pick {
	picks := make([]Pick, n)
	for i := range picks {
		picks[i].At = i
	}
	return picks
}

// Picks returns as many picks as there are items, in random order. Without Weights each item is picked once.
// With Weights an item is picked as often as its weight asks for, rounded up or down, and so are the items of
// a class together: systematic sampling with unequal probabilities (Madow, "On the Theory of Systematic
// Sampling, II", Annals of Mathematical Statistics 20, 1949). If all weights are 0, sampling is uniform.
// Errors: a class without a weight, a weight that is negative or not finite, a share outside 0 to 1.
func (p Plan) Picks(rng *rand.Rand, items []Item) ([]Pick, error) {
	if p.Weights != nil {
		return sample(rng, items, p.Weights, p.Share)
	}
	picks := InOrder(len(items))
	rng.Shuffle(len(picks), func(i, j int) { picks[i], picks[j] = picks[j], picks[i] })
	return picks, nil
}

// sample is Picks with weights.
func sample(rng *rand.Rand, items []Item, weights []float64, share float64) ([]Pick, error) {
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
	rng.Shuffle(len(picks), func(i, j int) { picks[i], picks[j] = picks[j], picks[i] })
	return picks, nil
}
