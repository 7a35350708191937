package figure

import (
	"testing"

	"github.com/promptcam/promptcam/promptcam"
	"github.com/promptcam/promptcam/vit/heat"
	"github.com/stretchr/testify/assert"
)

func TestDisplayName(t *testing.T) {
	for folder, want := range map[string]string{
		"036.Ruby_throated_Hummingbird": "Ruby throated Hummingbird",
		"Scott Oriole":                  "Scott Oriole",
		"St._Lucia_Parrot":              "St. Lucia Parrot",
		"12.5 mm":                       "12.5 mm",
		".hidden":                       ".hidden",
		"007.":                          "007.",
		"_":                             "_",
		"":                              "",
	} {
		assert.Equal(t, want, DisplayName(folder), folder)
	}
}

func TestNote(t *testing.T) {
	assert.Empty(t, Row{}.note())
	assert.Equal(t, "with every head blurred: 3.1 %", Row{Blurred: 0.031}.note())
	assert.Equal(t, "with every head blurred: 84.6 %, still predicted", Row{Blurred: 0.846, StillWins: true}.note())
}

func TestPeak(t *testing.T) {
	at := func(w, h, x, y int) string {
		return Panel{Heat: heatOf(w, h, func(i, j int) float32 {
			if i == x && j == y {
				return 0.12
			}
			return 0.001
		})}.peak()
	}
	assert.Equal(t, "hottest patch: upper left, 12 % of the attention", at(14, 14, 4, 0))
	assert.Equal(t, "hottest patch: centre, 12 % of the attention", at(14, 14, 5, 8))
	assert.Equal(t, "hottest patch: lower right, 12 % of the attention", at(14, 14, 13, 10))
	assert.Equal(t, "hottest patch: centre right, 12 % of the attention", at(14, 14, 9, 8))
	assert.Equal(t, "hottest patch: lower left, 12 % of the attention", at(7, 2, 0, 1))
	assert.Equal(t, "no attention on patches", Panel{Heat: heat.Map{W: 1, H: 1, Values: []float32{0}}}.peak())
	assert.Equal(t, "no attention on patches", Panel{}.peak())
}

func TestSharesOnlyWhereTheyTell(t *testing.T) {
	assert.False(t, Panel{}.shared())
	assert.False(t, Panel{Share: promptcam.Share{Patches: 1}}.shared())
	assert.True(t, Panel{Share: promptcam.Share{Patches: 0.9, CLS: 0.1}}.shared())
}
