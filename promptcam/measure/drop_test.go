package measure

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/promptcam/promptcam/promptcam"
	"github.com/promptcam/promptcam/vit"
	"github.com/promptcam/promptcam/vit/heat"
)

// Each way's fall is that of the image alone without these patches, in every mode, whatever else shares its
// batches.
func TestDropRunsTheModelOnWhatIsLeft(t *testing.T) {
	models, images := untrained(t)
	for name, m := range models {
		t.Run(name, func(t *testing.T) {
			const ways = 40 // more than a batch of 32 from two images
			labels := []int{0, 1, 2, 3, 0, 1, 2}
			choose := func(e *promptcam.Explanation) (Removal, error) {
				r := Removal{Class: e.Label, Rival: (e.Label + 1) % 4}
				rng := rand.New(rand.NewPCG(7, uint64(e.Index)))
				for way := range ways {
					r.Patches = append(r.Patches, rng.Perm(16)[:(way+e.Index)%4])
				}
				if e.Index == 3 {
					r.Patches = nil
				}
				return r, nil
			}
			var done []int
			all, err := Drop(t.Context(), m, inPairs{images, labels, nil}, choose, func(n int) { done = append(done, n) })
			require.NoError(t, err)
			assert.Equal(t, []int{2, 4, 6, 7}, done)
			require.Len(t, all, 6, "one is left out")
			i := 0
			for e, err := range m.Explanations(t.Context(), inPairs{images, labels, nil}) {
				require.NoError(t, err)
				r, _ := choose(e)
				if r.Patches == nil {
					continue
				}
				d := all[i]
				assert.Equal(t, []int{e.Index, r.Class, r.Rival, ways}, []int{d.Index, d.Class, d.Rival, len(d.Ways)})
				assert.Equal(t, margin(e.Scores, r.Class, r.Rival), d.Margin)
				for way, patches := range r.Patches {
					scores, err := m.ScoresWithout(t.Context(), images.Slice(0, e.Index, e.Index+1).Contig(), [][]int{patches})
					require.NoError(t, err)
					f := d.Ways[way]
					assert.Equal(t, len(patches), f.Patches)
					assert.InDelta(t, d.Margin-margin(scores.Data(), r.Class, r.Rival), f.Margin, 1e-5)
					assert.Equal(t, scores.ArgMax()[0] != e.Predicted(), f.Flips)
					assert.Equal(t, len(patches) == 0, f.Margin == 0)
				}
				i++
			}
		})
	}
}

func TestDropEndsWithTheFirstError(t *testing.T) {
	models, images := untrained(t)
	m := models["last"]
	labels := []int{0, 1, 2, 3, 0, 1, 2}
	l := inPairs{images, labels, nil}
	one := func(*promptcam.Explanation) (Removal, error) {
		return Removal{Class: 1, Rival: 2, Patches: [][]int{{3}}}, nil
	}

	_, err := Drop(t.Context(), m, inPairs{images, labels, m}, one, nil)
	assert.ErrorContains(t, err, "measure: drop: the loader has tokens in place of images")
	_, err = Drop(t.Context(), m, inPairs{images.Slice(3, 0, 16).Clone(), labels, nil}, one, nil)
	assert.ErrorContains(t, err, "the backbone wants 32x32")
	gone := errors.New("gone")
	_, err = Drop(t.Context(), m, l, func(*promptcam.Explanation) (Removal, error) { return Removal{}, gone }, nil)
	assert.ErrorIs(t, err, gone)
	none, err := Drop(t.Context(), m, inPairs{images, nil, nil}, one, nil)
	require.NoError(t, err)
	assert.Empty(t, none)
	assert.PanicsWithValue(t, "measure: Drop: image 1 loses patches in 2 ways, those before in 1", func() {
		_, _ = Drop(t.Context(), m, l, func(e *promptcam.Explanation) (Removal, error) {
			return Removal{Patches: make([][]int, e.Index+1)}, nil
		}, nil)
	})

	// While the first batch is explained, within its forward pass, and after it.
	ended, cancel := context.WithCancel(t.Context())
	_, err = Drop(ended, m, l, func(e *promptcam.Explanation) (Removal, error) {
		cancel()
		return one(e)
	}, nil)
	assert.ErrorIs(t, err, context.Canceled)
	ended, cancel = context.WithCancel(t.Context())
	_, err = Drop(ended, m, l, one, func(int) { cancel() })
	assert.ErrorIs(t, err, context.Canceled)
	_, err = Drop(ended, m, l, one, nil)
	assert.ErrorIs(t, err, context.Canceled)

	// The index is that in the loader, not in the forward pass.
	_, err = Drop(t.Context(), m, l, func(e *promptcam.Explanation) (Removal, error) {
		if e.Index < 3 {
			return Removal{}, nil
		}
		m.Class.Value.Select(0, 2).Fill(float32(math.Inf(1)))
		return one(e)
	}, nil)
	var bad *promptcam.ScoreError
	require.ErrorAs(t, err, &bad)
	assert.Equal(t, 3, bad.Index)

	rng := rand.New(rand.NewPCG(1, 2))
	c := m.Backbone.Config
	c.Window = 2
	b, err := vit.New(c, rng)
	require.NoError(t, err)
	m, err = promptcam.New(b, promptcam.Config{Mode: promptcam.Last, Classes: 4}, rng)
	require.NoError(t, err)
	_, err = Drop(t.Context(), m, l, one, nil)
	assert.ErrorContains(t, err, "patches cannot be removed: the backbone's blocks see windows of 2x2 patches")
}

// Images differ much more than the two ways of choosing for the same image do.
func TestWaysAreComparedImageByImage(t *testing.T) {
	var images []Dropped
	rng := rand.New(rand.NewPCG(1, 2))
	var first, second float64
	const n = 50
	for i := range n {
		much := 10 * rng.NormFloat64()
		a, b := Fall{5, much + 1 + 0.1*rng.NormFloat64(), i < 30}, Fall{4, much, i < 20}
		first, second = first+a.Margin/n, second+b.Margin/n
		images = append(images, Dropped{Index: i, Ways: []Fall{a, b}})
	}
	b := heat.DefaultBootstrap()
	s, o, d := ScoreDrops(images, 0, b), ScoreDrops(images, 1, b), CompareDrops(images, 0, 1, b)
	assert.Equal(t, []float64{5, 4, 1}, []float64{s.Patches, o.Patches, d.Patches})
	assert.InDelta(t, first, s.Margin.Mean, 1e-9)
	assert.InDelta(t, second, o.Margin.Mean, 1e-9)
	assert.InDelta(t, first-second, d.Margin.Mean, 1e-9)
	assert.InDelta(t, 0.6, s.Flips.Mean, 1e-12)
	assert.InDelta(t, 0.2, d.Flips.Mean, 1e-12)
	assert.Greater(t, d.Margin.Low, 0.9)
	assert.Less(t, d.Margin.High, 1.1)
	assert.Less(t, s.Margin.Low, o.Margin.High, "apart, their intervals overlap")
	assert.Less(t, d.Flips.Low, 0.2)
	assert.Equal(t, n, d.Flips.N)
	assert.Zero(t, ScoreDrops(nil, 0, b))
}
