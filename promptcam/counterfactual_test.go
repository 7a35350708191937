package promptcam

import (
	"context"
	"math"
	"math/bits"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/promptcam/promptcam/autograd"
)

// entered returns the tokens [1, prefix+M, D] and class prompts of an image that enter the last block.
func entered(m *Model, tape *autograd.Tape, g *golden, image int) (x, z *autograd.Var) {
	pixels := g.images.Value.Slice(0, image, image+1).Contig()
	return m.joint(m.tokens(tape.Const(pixels), nil), m.prompts(tape, m.Class))
}

// The scores with some patches read as the baseline are those of the whole last block with altered values.
func TestScoresReplacedEqualsTheWholeBlock(t *testing.T) {
	forEachConfig(t, func(t *testing.T, m *Model, g *golden) {
		referred(t, m, g)
		e := m.explain(g.images.Value.Slice(0, 1, 2).Contig())
		tape := m.tape(context.Background())
		defer m.done(tape)
		x, z := entered(m, tape, g, 1)
		every := make([]int, m.patches())
		for j := range every {
			every[j] = j
		}
		for name, q := range questions {
			for _, patches := range [][]int{nil, {3}, {15, 0, 7}, every} {
				want := slices.Clone(e.Scores)
				for _, w := range e.weighted(q) {
					l := m.enter(x, z)
					kv := &l.kv[len(l.kv)-1]
					values := kv.V.Value().Clone()
					for _, j := range patches {
						copy(values.Select(0, 0).Select(0, values.Dim(1)-m.patches()+j).Data(), e.baseline(w, q))
					}
					kv.V = tape.Const(values)
					want[w.class] = l.scores().Value().At(0, w.class)
				}
				got := e.ScoresReplaced(q, patches)
				assert.InDeltaSlice(t, want, got, 1e-5, "%s, patches %v", name, patches)
				for c := range got {
					if len(patches) == 0 || !slices.Contains(q.For, c) && !slices.Contains(q.Against, c) {
						assert.Equal(t, e.Scores[c], got[c])
					}
				}
			}
			falls := e.LeaveOneOut(q, ByBaseline)
			var fall float64
			for _, w := range e.weighted(q) {
				fall += w.weight * float64(e.Scores[w.class]-e.ScoresReplaced(q, []int{5})[w.class])
			}
			assert.InDelta(t, falls.Values[5], fall, 1e-5, name)
		}
		assert.Panics(t, func() { e.ScoresReplaced(Between(1, 3), []int{m.patches()}) })
		assert.Panics(t, func() { e.ScoresReplaced(Between(1, 3), []int{2, 2}) })
		assert.Panics(t, func() { e.ScoresReplaced(Question{}, nil) })
	})
}

// The scores with patches of another image are those of the whole last block with that image's tokens there.
func TestScoresTransplantedEqualsTheWholeBlock(t *testing.T) {
	forEachConfig(t, func(t *testing.T, m *Model, g *golden) {
		e, donor := m.explain(g.images.Value.Slice(0, 0, 1).Contig()), m.explain(g.images.Value.Slice(0, 2, 3).Contig())
		tape := m.tape(context.Background())
		defer m.done(tape)
		x, z := entered(m, tape, g, 0)
		other, _ := entered(m, tape, g, 2)
		prefix := m.Backbone.Config.Prefix()
		for _, to := range [][]int{nil, {4}, {9, 1, 6}} {
			from := []int{15, 15, 2}[:len(to)]
			tokens := x.Value().Clone()
			for i, j := range to {
				copy(tokens.Select(0, 0).Select(0, prefix+j).Data(), other.Value().Select(0, 0).Select(0, prefix+from[i]).Data())
			}
			want := m.enter(tape.Const(tokens), z).scores().Value().Data()
			assert.InDeltaSlice(t, want, e.ScoresTransplanted(donor, to, from), 1e-5, "%v from %v", to, from)
			part := e.transplants(donor).scores([]int{3, 1}, [][]int{to}, [][]int{from})[0]
			assert.InDeltaSlice(t, []float32{want[1], want[3]}, []float32{part[1], part[3]}, 1e-5)
			assert.Equal(t, float32(math.Inf(-1)), part[0])
		}
		assert.InDeltaSlice(t, e.Scores, e.ScoresTransplanted(e, []int{3, 5}, []int{3, 5}), 1e-5)

		assert.Panics(t, func() { e.ScoresTransplanted(donor, []int{1}, []int{1, 2}) })
		assert.Panics(t, func() { e.ScoresTransplanted(donor, []int{1, 1}, []int{1, 2}) })
		assert.Panics(t, func() { e.ScoresTransplanted(donor, []int{1}, []int{-1}) })
		assert.Panics(t, func() { e.ScoresTransplanted(&Explanation{}, nil, nil) })
	})
}

// What a search finds is held against all sets of the strongest patches.
func TestCounterfactualIsSmallest(t *testing.T) {
	flips, kept := 0, 0
	forEachConfig(t, func(t *testing.T, m *Model, g *golden) {
		referred(t, m, g)
		for i := range g.labels {
			e, donor := m.explain(g.images.Value.Slice(0, i, i+1).Contig()), m.explain(g.images.Value.Slice(0, (i+1)%len(g.labels), (i+1)%len(g.labels)+1).Contig())
			q := e.Question()
			order := e.Evidence(q).Map().Strongest(m.patches())
			for name, with := range map[string]struct {
				found  *Counterfactual
				scores func(patches []int) []float32
				most   int
			}{
				"baseline": {e.Counterfactual(q, 6), func(p []int) []float32 { return e.ScoresReplaced(q, p) }, 6},
				"one":      {e.Counterfactual(q, 1), func(p []int) []float32 { return e.ScoresReplaced(q, p) }, 1},
				"donor":    {e.CounterfactualFrom(donor, q, 6), nil, 6},
			} {
				found := with.found
				assert.Equal(t, e.Scores, found.Before)
				assert.LessOrEqual(t, len(found.Patches), with.most)
				assert.Equal(t, found.Flips, found.Winner() != e.Predicted(), name)
				if name == "donor" {
					theirs := donor.Evidence(Between(q.Against[0], q.For[0])).Map().Strongest(m.patches())
					for k, j := range found.Patches {
						assert.Equal(t, slices.Index(order, j), slices.Index(theirs, found.From[k]))
					}
					assert.InDeltaSlice(t, e.ScoresTransplanted(donor, found.Patches, found.From), found.After, 1e-5)
					continue
				}
				assert.Nil(t, found.From)
				assert.InDeltaSlice(t, with.scores(found.Patches), found.After, 1e-5)
				for set := range 1 << min(12, len(order)) {
					n := bits.OnesCount(uint(set))
					if n > min(3, with.most) || found.Flips && n >= len(found.Patches) {
						continue
					}
					var patches []int
					for k, j := range order[:min(12, len(order))] {
						if set>>k&1 == 1 {
							patches = append(patches, j)
						}
					}
					assert.Equal(t, e.Predicted(), top(with.scores(patches), 1)[0], "%s: %v does it", name, patches)
				}
				if found.Flips {
					flips++
				} else {
					kept++
				}
			}
			wrong := e.Top(2)[1]
			none := e.Counterfactual(Between(wrong, e.Predicted()), 3)
			assert.True(t, none.Flips)
			assert.Empty(t, none.Patches, "the prediction is another anyway")
			assert.Equal(t, e.Scores, none.After)
		}
		e := m.explain(g.images.Value.Slice(0, 0, 1).Contig())
		assert.Panics(t, func() { e.Counterfactual(e.Question(), 0) })
		assert.Panics(t, func() { e.CounterfactualFrom(e, Question{For: []int{0}}, 3) })
	})
	assert.Positive(t, flips)
	assert.Positive(t, kept)
}

// Where four patches or more must change, those between them that need not are left out again.
func TestCounterfactualLeavesOutWhatIsNotNeeded(t *testing.T) {
	order := []int{7, 3, 11, 5, 2, 14, 8, 1}
	needs := func(which ...int) func(sets [][]int) [][]float32 {
		return func(sets [][]int) [][]float32 {
			all := make([][]float32, len(sets))
			for i, set := range sets {
				all[i] = []float32{float32(len(which)) - 0.5, 0, 0}
				for _, j := range set {
					if slices.Contains(which, j) {
						all[i][2]++
					}
				}
			}
			return all
		}
	}
	search := func(most int, scores func(sets [][]int) [][]float32) *Counterfactual {
		before := scores([][]int{nil})[0]
		return fewest(&Counterfactual{Question: Between(0, 1), Before: before, After: before}, order, most, scores)
	}
	found := search(8, needs(3, 5, 2, 8))
	require.True(t, found.Flips)
	assert.Equal(t, []int{3, 5, 2, 8}, found.Patches)
	assert.Equal(t, 2, found.Winner())
	assert.Equal(t, []int{14, 1}, search(2, needs(14, 1)).Patches, "of the strongest twelve, not of the strongest two")
	assert.Equal(t, order, search(8, needs(order...)).Patches)

	found = search(6, needs(3, 5, 2, 8))
	assert.False(t, found.Flips)
	assert.Equal(t, order[:6], found.Patches)
	assert.Equal(t, 0, found.Winner())
	assert.False(t, fewest(&Counterfactual{Question: Between(0, 1), After: []float32{1, 0}}, nil, 5, nil).Flips, "without any evidence")
}
