package promptcam

import (
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/promptcam/promptcam/tensor/tensortest"
	"github.com/promptcam/promptcam/vit"
)

// All sets of the smallest size, and no others, by a search that predicts anew with each subset.
func TestSmallestSetsAgainstSearch(t *testing.T) {
	needed := 0
	forEachModel(t, func(t *testing.T, m *Model, g *golden) {
		for i := range g.labels {
			e := m.explain(g.images.Value.Slice(0, i, i+1).Contig())
			for class := range e.Scores {
				s := e.Subsets(class, BlurPatches)
				scores := slices.Clone(e.Scores)
				predicted := func(number int) bool {
					scores[class] = float32(s.Values[number])
					return top(scores, 1)[0] == class
				}
				rival := float64(e.Scores[top(e.Scores, 2)[0]])
				if class == e.Predicted() {
					rival = float64(e.Scores[top(e.Scores, 2)[1]])
				}
				checkSmallest(t, s, predicted, rival)
				r := e.Rank(class, BlurPatches)
				switch sufficient := s.Sufficient(); {
				case class != e.Predicted():
					assert.Nil(t, sufficient)
					assert.Nil(t, s.Necessary())
				default:
					assert.LessOrEqual(t, len(sufficient[0].Heads), r.Sufficient, "what greedy search finds")
					assert.Equal(t, e.Survives(class, BlurPatches), len(sufficient[0].Heads) == 0)
					needed += min(1, len(sufficient[0].Heads))
				}
				for other := range class {
					against := e.SubsetsAgainst(class, other, BlurAll)
					assert.Equal(t, [2]int{class, other}, [2]int{against.Class, against.Other})
					checkSmallest(t, against, func(number int) bool { return against.Values[number] > 0 }, 0)
				}
			}
		}
	})
	assert.Greater(t, needed, 10, "predictions that need heads")
}

// checkSmallest compares the sets of s with those that a search finds.
func checkSmallest(t *testing.T, s *Subsets, predicted func(number int) bool, rival float64) {
	t.Helper()
	heads := s.heads
	search := func(decides func(blurred int) bool, blurredBy func(set int) int) (sets []HeadSet) {
		if !predicted(0) {
			return nil
		}
		for size := 0; size <= heads && sets == nil; size++ {
			eachSubset(heads, func(set int, in []bool) {
				members := []int{}
				for h, b := range in {
					if b {
						members = append(members, h)
					}
				}
				if blurred := blurredBy(set); len(members) == size && decides(blurred) {
					sets = append(sets, HeadSet{members, s.Values[blurred] - rival})
				}
			})
		}
		return sets
	}
	all := 1<<heads - 1
	sufficient := search(predicted, func(set int) int { return all &^ set })
	necessary := search(func(blurred int) bool { return !predicted(blurred) }, func(set int) int { return set })
	assert.ElementsMatch(t, sufficient, s.Sufficient())
	assert.ElementsMatch(t, necessary, s.Necessary())
	assert.True(t, slices.IsSortedFunc(s.Sufficient(), func(a, b HeadSet) int { return sign(b.Margin - a.Margin) }), "the largest margin first")
	assert.True(t, slices.IsSortedFunc(s.Necessary(), func(a, b HeadSet) int { return sign(a.Margin - b.Margin) }), "the largest loss first")
}

func sign(x float64) int {
	switch {
	case x > 0:
		return 1
	case x < 0:
		return -1
	}
	return 0
}

func TestSmallestSetsOfSmallGames(t *testing.T) {
	for name, c := range map[string]struct {
		values                []float64 // of the subsets of two blurred heads: none, 0, 1, both
		class                 int
		sufficient, necessary []HeadSet
	}{
		"both heads are needed":            {values: []float64{3, -1, -2, -4}, sufficient: []HeadSet{{[]int{0, 1}, 3}}, necessary: []HeadSet{{[]int{1}, -2}, {[]int{0}, -1}}},
		"either is enough":                 {values: []float64{3, 1, 2, -4}, sufficient: []HeadSet{{[]int{0}, 2}, {[]int{1}, 1}}, necessary: []HeadSet{{[]int{0, 1}, -4}}},
		"none is needed":                   {values: []float64{3, 1, 2, 1}, sufficient: []HeadSet{{[]int{}, 1}}},
		"none is needed, yet one counts":   {values: []float64{3, -1, 2, 1}, sufficient: []HeadSet{{[]int{}, 1}}, necessary: []HeadSet{{[]int{0}, -1}}},
		"not predicted":                    {values: []float64{-1, 2, 2, 2}},
		"equal to the rival, but before":   {values: []float64{0, 0, 0, 0}, sufficient: []HeadSet{{[]int{}, 0}}},
		"equal to the rival, which is 1st": {values: []float64{1, 0, 0, 0}, class: 2, sufficient: []HeadSet{{[]int{0, 1}, 1}}, necessary: []HeadSet{{[]int{0}, 0}, {[]int{1}, 0}}},
	} {
		t.Run(name, func(t *testing.T) {
			s := &Subsets{Class: c.class, heads: 2, rival: 1, Values: c.values, predicted: c.values[0] >= 0}
			assert.Equal(t, c.sufficient, s.Sufficient())
			assert.Equal(t, c.necessary, s.Necessary())
		})
	}
}

func TestSubsetsAgainstItself(t *testing.T) {
	g := openGolden(t, "dino")
	e := g.model().explain(g.images.Value.Slice(0, 0, 1).Contig())
	assert.PanicsWithValue(t, "promptcam: SubsetsAgainst: class 2 against itself", func() { e.SubsetsAgainst(2, 2, BlurAll) })
}

// manyHeads explains an image by an untrained model of many heads.
func manyHeads(t *testing.T, heads int) *Explanation {
	t.Helper()
	c := vit.Config{
		Name: "many", ImageSize: [2]int{16, 16}, PatchSize: 4, Dim: 4 * heads, Depth: 1, Heads: heads, Hidden: 16 * heads,
		Eps: 1e-6, Std: [3]float32{1, 1, 1},
	}
	rng := rand.New(rand.NewPCG(1, 2))
	b, err := vit.New(c, rng)
	require.NoError(t, err)
	m, err := New(b, Config{Mode: Last, Classes: 3}, rng)
	require.NoError(t, err)
	return m.explain(tensortest.Random(rng, 1, 3, 16, 16))
}

// The values of 65,536 subsets take 1 MB, and the hidden layer of them all would take 67 MB.
func TestSubsetsTakeLittleMemory(t *testing.T) {
	e := manyHeads(t, mostExact)
	e.Subsets(0, BlurPatches)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	s := e.Subsets(0, BlurPatches)
	runtime.ReadMemStats(&after)
	assert.Len(t, s.Values, 1<<16)
	assert.True(t, s.Exact())
	assert.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(8<<20))
	for _, number := range []int{0, 1, 511, 512, 30000, 1<<16 - 1} {
		blurred := make([]bool, mostExact)
		for h := range blurred {
			blurred[h] = number>>h&1 == 1
		}
		assert.InDelta(t, wholeLayer(e, BlurPatches, blurred, 0)[0], s.Values[number], 1e-5)
	}
}

func TestBeyondSixteenHeadsSubsetsAreSampled(t *testing.T) {
	e := manyHeads(t, mostExact+1)
	class := e.Predicted()
	s := e.Subsets(class, BlurPatches)
	assert.False(t, s.Exact())
	assert.Nil(t, s.Values)
	assert.Equal(t, s, e.Subsets(class, BlurPatches), "the same sample in each call")

	exact := *s
	exact.orders = nil
	exact.Values = e.subsetScores(class, BlurPatches, 1<<s.heads, func(i, head int) bool { return i>>head&1 == 1 })
	exact.Values[0] = float64(e.Scores[class])
	checkWithin(t, 4, &exact, s)
	for _, sets := range [][2][]HeadSet{{exact.Sufficient(), s.Sufficient()}, {exact.Necessary(), s.Necessary()}} {
		best, found := sets[0], sets[1]
		if assert.NotEmpty(t, found) {
			assert.GreaterOrEqual(t, len(found[0].Heads), len(best[0].Heads))
		}
	}
	for _, set := range s.Sufficient() {
		blurred := slices.Repeat([]bool{true}, s.heads)
		for _, h := range set.Heads {
			blurred[h] = false
		}
		scores := slices.Clone(e.Scores)
		scores[class] = scoreBlurred(e, class, BlurPatches, blurred)
		assert.Equal(t, class, top(scores, 1)[0])
	}
}
