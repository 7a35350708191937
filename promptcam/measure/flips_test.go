package measure

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/promptcam/promptcam/vit/heat"
)

// In every mode a flip is that of the scores with these patches replaced, and an edit that of the Counterfactual.
func TestFlips(t *testing.T) {
	models, images := untrained(t)
	flipped, kept := 0, 0
	for name, m := range models {
		t.Run(name, func(t *testing.T) {
			labels := []int{0, 1, 2, 3, 0, 1, 2}
			ref, err := m.Refer(t.Context(), inPairs{images, labels, nil})
			require.NoError(t, err)
			m.Reference = ref
			for e, err := range m.Explanations(t.Context(), inPairs{images, labels, nil}) {
				require.NoError(t, err)
				f := Flips(e, 4, 9)
				assert.Equal(t, f, Flips(e, 4, 9))
				assert.Equal(t, [3]int{e.Index, e.Label, e.Predicted()}, [3]int{f.Index, f.Class, f.Predicted})
				q := e.Question()
				wins := func(patches []int) bool {
					s := e.ScoresReplaced(q, patches)
					for c := range s {
						if s[c] > s[e.Predicted()] {
							return false
						}
					}
					return true
				}
				assert.Equal(t, !wins(e.Evidence(q).Map().Strongest(4)), f.Strongest)
				assert.Equal(t, !wins(rand.New(rand.NewPCG(9, uint64(e.Index))).Perm(16)[:4]), f.Random)
				assert.Equal(t, Flips(e, 16, 9), Flips(e, 17, 9), "there are no more")
				assert.False(t, Flips(e, 0, 9).Strongest)
				assert.False(t, Flips(e, 0, 9).Random)
				c := e.Counterfactual(q, 5)
				flipped += int(indicator(c.Flips))
				kept += int(indicator(!c.Flips))
				for _, on := range []int{0, 5, 15} {
					r := heat.Region{W: 4, H: 4, Cover: make([]float64, 16), On: make([]bool, 16)}
					r.On[on], r.Cover[on] = true, 1
					edit := MinimalEdit(e, q.For[0], q.Against[0], r, 5)
					want := Edit{Index: e.Index, Class: q.For[0], Other: q.Against[0], Winner: c.Winner(), Flips: c.Flips}
					if c.Flips {
						want.Patches, want.Chance, want.First = len(c.Patches), float64(len(c.Patches))/16, c.Patches[0] == on
						for _, p := range c.Patches {
							want.Touches = want.Touches || p == on
						}
					}
					assert.InDelta(t, want.Chance, edit.Chance, 1e-12)
					edit.Chance = want.Chance
					assert.Equal(t, want, edit)

					all := MinimalEdit(e, q.For[0], q.Against[0], r.Outside(), 5)
					if c.Flips {
						assert.Equal(t, len(c.Patches) > 1 || c.Patches[0] != on, all.Touches)
					}
				}
				none := MinimalEdit(e, q.Against[0], q.For[0], heat.Region{On: make([]bool, 16)}, 5)
				assert.True(t, none.Flips)
				assert.Zero(t, none.Patches, "it is not predicted anyway")
				assert.Zero(t, none.Chance)
			}
		})
	}
	assert.Positive(t, flipped)
	assert.Positive(t, kept)
}

func TestScoreFlips(t *testing.T) {
	s := ScoreFlips([]Flip{
		{0, 2, 2, true, false}, {1, 2, 2, true, true}, {2, 1, 1, true, false}, {3, 1, 1, false, false},
		{4, 1, 0, true, true}, // wrong anyway
	}, heat.DefaultBootstrap())
	assert.Equal(t, [2]float64{0.75, 0.25}, [2]float64{s.Strongest.Mean, s.Random.Mean})
	assert.Equal(t, 4, s.Random.N)
	assert.Less(t, s.Random.Low, 0.25)
	assert.Greater(t, s.Random.High, 0.25)
	assert.Zero(t, ScoreFlips(nil, heat.DefaultBootstrap()))
}

func TestScoreEdits(t *testing.T) {
	s := ScoreEdits([]Edit{
		{Class: 0, Other: 1, Winner: 1, Flips: true, Patches: 1, Touches: true, First: true, Chance: 0.1},
		{Class: 0, Other: 1, Winner: 2, Flips: true, Patches: 4, Touches: true, Chance: 0.5},
		{Class: 0, Other: 1, Winner: 1, Flips: true, Patches: 1, Chance: 0.2},
		{Class: 0, Other: 1, Winner: 0},
		{Class: 0, Other: 1, Winner: 1, Flips: true}, // without any edit
	}, heat.DefaultBootstrap())
	assert.Equal(t, [4]float64{0.75, 0.5, 0.5, 0.25}, [4]float64{s.Flips.Mean, s.Other.Mean, s.Touches.Mean, s.First.Mean})
	assert.InDelta(t, 0.2, s.Chance, 1e-12)
	assert.Equal(t, 2., s.Patches)
	assert.Equal(t, 4, s.Flips.N)
	assert.Zero(t, ScoreEdits(nil, heat.DefaultBootstrap()))
}
