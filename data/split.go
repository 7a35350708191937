package data

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
)

// Split holds out a share of each class's items, rounded, but at least one of
// a class of two or more, and never a class's last. Which ones depends on the
// seed, the class and its items alone. Both results keep the items' order. A
// share of 0 holds out nothing. It panics unless 0 <= share < 1.
func Split(items []Item, share float64, seed int64) (train, held []Item) {
	if !(share >= 0 && share < 1) {
		panic(fmt.Sprintf("data: Split: share %g: want 0 <= share < 1", share))
	}
	if share == 0 {
		return slices.Clone(items), nil
	}
	byClass := make(map[int][]int)
	for i, it := range items {
		byClass[it.Class] = append(byClass[it.Class], i)
	}
	out := make([]bool, len(items))
	for class, of := range byClass {
		n := int(math.Round(share * float64(len(of))))
		n = min(max(n, 1), len(of)-1)
		rng := newRand(uint64(seed), uint64(class))
		rng.Shuffle(len(of), func(i, j int) { of[i], of[j] = of[j], of[i] })
		for _, i := range of[:n] {
			out[i] = true
		}
	}
	for i, it := range items {
		if out[i] {
			held = append(held, it)
		} else {
			train = append(train, it)
		}
	}
	return train, held
}

// newRand returns a source that depends on all of its seeds; sources of
// neighbouring seeds have nothing in common.
func newRand(seeds ...uint64) *rand.Rand {
	var a, b uint64 = 0x9e3779b97f4a7c15, 0xbf58476d1ce4e5b9
	for _, s := range seeds {
		a, b = scramble(a^s), scramble(b+s)
	}
	return rand.New(rand.NewPCG(a, b))
}

// scramble is the output function of SplitMix64 (Steele, Lea and Flood 2014).
func scramble(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
