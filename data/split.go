package data

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"math"
	"math/rand/v2"
	"path/filepath"
	"slices"
)

// Split holds out a share of each class's items, rounded, but at least one of a class of two or more, and
// never a class's last. Which ones depends on the seed and the file names of the class's items alone: a
// folder that has grown by a class keeps the others' parts. Both results keep the items' order. A share of 0
// holds out nothing. It panics unless 0 <= share < 1.
func Split(items []Item, share float64, seed int64) (train, held []Item) {
	if !(share >= 0 && share < 1) {
		panic(fmt.Sprintf("data: Split: share %g: want 0 <= share < 1", share))
	}
	if share == 0 {
		return slices.Clone(items), nil
	}
	byClass := make(map[int][]int)
	lots := make([][sha256.Size]byte, len(items))
	for i, it := range items {
		lots[i] = sha256.Sum256(fmt.Appendf(nil, "%d %s", seed, filepath.Base(it.Path)))
		byClass[it.Class] = append(byClass[it.Class], i)
	}
	out := make([]bool, len(items))
	for _, of := range byClass {
		n := int(math.Round(share * float64(len(of))))
		n = min(max(n, 1), len(of)-1)
		slices.SortStableFunc(of, func(i, j int) int { return bytes.Compare(lots[i][:], lots[j][:]) })
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
