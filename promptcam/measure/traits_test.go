package measure

import (
	"math/rand/v2"
	"testing"

	"github.com/promptcam/promptcam/vit/heat"
	"github.com/stretchr/testify/assert"
)

// localized is an image of class with a region and heads that point at it or not.
func localized(index, class int, points ...bool) Localization {
	s := Localization{Index: index, Class: class, Places: Places{[]float64{0.1}, []float64{0.2}, []bool{false}}}
	for h, p := range points {
		s.Heads = append(s.Heads, Hits{[]float64{0.1 * float64(h+1)}, []bool{p}})
	}
	s.Token, s.Mean = s.Heads[:1], s.Heads[0]
	return s
}

// The first head is right in the images of one half, the second in those of the other: whoever
// chooses among them where they are scored is right each time, and who does not, never.
func TestTheBestHeadIsNotChosenWhereItIsScored(t *testing.T) {
	var all []Localization
	for i := range 10 {
		all = append(all, localized(i, 0, i%2 == 0, i%2 == 1))
	}
	s := ScoreTraits(all, 2, 0, heat.DefaultBootstrap())
	assert.Equal(t, heat.Interval{Mean: 0, Low: 0, High: 0, N: 10}, s.Best[0].Points)
	assert.Equal(t, 1, s.Classes[0].BestHead, "of equals that with more mass")
	assert.Equal(t, heat.Interval{Mean: 0.5, Low: 0.5, High: 0.5, N: 10}, s.Classes[0].Heads[0][0].Points)
	assert.Equal(t, 0.5, s.Top[0].Points.Mean)
	assert.InDelta(t, 0.15, s.Best[0].Mass.Mean, 1e-12)
	assert.InDelta(t, 0.2, s.Best[0].Chance, 1e-12)
	assert.InDelta(t, 0.1, s.Best[0].Area, 1e-12)

	assert.Equal(t, ClassTraits{BestHead: -1, TopHead: -1, Best: make([]RegionScore, 1), Top: make([]RegionScore, 1)}, s.Classes[1], "no images")
}

func TestScoresWithoutATarget(t *testing.T) {
	s := ScoreTraits([]Localization{localized(0, 0, true), localized(1, 0, false)}, 1, -1, heat.DefaultBootstrap())
	assert.Equal(t, heat.Interval{}, s.Best[0].Points)
	assert.Equal(t, -1, s.Classes[0].BestHead)
	assert.Equal(t, 0.5, s.Top[0].Points.Mean)
	assert.Equal(t, 2, s.TokenMean[0].Points.N)

	assert.Empty(t, ScoreTraits(nil, 1, 0, heat.DefaultBootstrap()).Best)
}

func TestHiddenRegionsDoNotCount(t *testing.T) {
	all := []Localization{localized(0, 0, true), localized(1, 0, false), localized(2, 0, true)}
	all[1].Hidden[0] = true
	s := ScoreTraits(all, 1, 0, heat.DefaultBootstrap())
	assert.Equal(t, heat.Interval{Mean: 1, Low: 1, High: 1, N: 2}, s.Top[0].Points)
	assert.Equal(t, heat.Interval{}, s.Best[0].Points, "the other half shows nothing to choose by")
	assert.Equal(t, 0, s.Classes[0].BestHead)
}

func TestOrderOfImagesDoesNotMatter(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 8))
	var all []Localization
	for i := range 60 {
		s := localized(i, rng.IntN(3), rng.IntN(2) == 0, rng.IntN(3) > 0, rng.IntN(4) == 0)
		s.Top = rng.IntN(3)
		s.Hidden[0] = rng.IntN(5) == 0
		for h := range s.Heads {
			s.Heads[h].Mass[0] = rng.Float64()
		}
		all = append(all, s)
	}
	want := ScoreTraits(all, 3, 0, heat.DefaultBootstrap())
	for range 5 {
		rng.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
		assert.Equal(t, want, ScoreTraits(all, 3, 0, heat.DefaultBootstrap()))
	}
}
