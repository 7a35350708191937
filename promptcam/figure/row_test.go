package figure

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/promptcam/promptcam/promptcam"
	"github.com/promptcam/promptcam/vit/heat"
	"github.com/stretchr/testify/assert"
)

func TestDisplayName(t *testing.T) {
	for folder, want := range map[string]string{
		"036.Ruby_throated_Hummingbird": "Ruby-throated Hummingbird",
		"151.Black_and_white_Warbler":   "Black-and-white Warbler",
		"012.American_Three_toed_Gull":  "American Three-toed Gull",
		"022.Chuck_will_Widow":          "Chuck-will's-widow",
		"105.Whip_poor_Will":            "Whip-poor-will",
		"021.Écru_à_bec__noir":          "Écru-à-bec  noir",
		"Bird_of_prey":                  "Bird of prey",
		"a\x1b\u202eb":                  "a\uFFFD\uFFFDb",
		"\xff_鳥":                        "\uFFFD 鳥",
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
	assert.Equal(t, "with all maps blurred: 3.1 %", Row{Blurred: 0.031}.note())
	assert.Equal(t, "with all maps blurred: 84.6 %, still predicted: these maps do not explain it", Row{Blurred: 0.846, StillWins: true}.note())
}

func TestPeak(t *testing.T) {
	at := func(w, h, x, y int) string {
		return Row{}.peak(Panel{Heat: heatOf(w, h, func(i, j int) float32 {
			if i == x && j == y {
				return 0.12
			}
			return 0.001
		})})
	}
	assert.Equal(t, "hottest at row 1 of 14, column 5 of 14: upper left, 12 % of the attention", at(14, 14, 4, 0))
	assert.Equal(t, "hottest at row 9 of 14, column 6 of 14: centre, 12 % of the attention", at(14, 14, 5, 8))
	assert.Equal(t, "hottest at row 11 of 14, column 14 of 14: lower right, 12 % of the attention", at(14, 14, 13, 10))
	assert.Equal(t, "hottest at row 9 of 14, column 10 of 14: centre right, 12 % of the attention", at(14, 14, 9, 8))
	assert.Equal(t, "hottest at row 2 of 2, column 1 of 7: lower left, 12 % of the attention", at(7, 2, 0, 1))
	assert.Equal(t, "no attention on patches", Row{}.peak(Panel{Heat: heat.Map{W: 1, H: 1, Values: []float32{0}}}))
	assert.Equal(t, "no attention on patches", Row{}.peak(Panel{}))
}

func TestSharesOnlyWhereTheyTell(t *testing.T) {
	assert.False(t, Panel{}.shared())
	assert.False(t, Panel{Share: promptcam.Share{Patches: 1}}.shared())
	assert.True(t, Panel{Share: promptcam.Share{Patches: 0.9, CLS: 0.1}}.shared())
}

func TestCaption(t *testing.T) {
	assert.Equal(t, "1. head 3", Panel{Head: 3}.caption(0))
	assert.Equal(t, "6. head 3 · needed · best head", Panel{Head: 3, Rank: 6, Sufficient: true, Best: true}.caption(0))
	assert.Equal(t, "2. wings", Panel{Name: "wings"}.caption(1))
}

// Pictures have no letters that their fonts lack: accents are left out, others are escaped.
func TestSpelled(t *testing.T) {
	for text, want := range map[string]string{
		"Württemberg Ωмега · …": "Württemberg Ωмега · …",
		"Wu\u0308rttemberg":     "Württemberg",
		"Chim sẻ nhà":           "Chim se nhà",
		"鳥_01.jpg":              "\\u9ce5_01.jpg",
		"🐦":                     "\\U0001f426",
		"x\u202e\x1b\n\x00y":    `x\u202e\x1b\n\x00y`,
		"a\u00a0b\u3000c":       "a b c",
		"ｆｕｌｌ":                  "full",
	} {
		got, escaped := spelled(text, covers)
		assert.Equal(t, want, got)
		assert.Equal(t, strings.Contains(want, `\`), escaped, text)
		for _, r := range got {
			assert.True(t, covers(r), "%q", r)
		}
	}
	assert.Equal(t, "class 7", Row{Title: "鳥", Plain: "class 7"}.heading())
	assert.Equal(t, "Chim sẻ", Row{Title: "Chim sẻ", Plain: "class 7"}.heading())
	assert.Equal(t, "鳥", Row{Title: "鳥"}.heading())
}

// Whatever a folder is called, what is shown of it is short, valid and without control characters, and what is
// drawn has a glyph for each letter.
func FuzzDisplayName(f *testing.F) {
	for _, name := range []string{"036.Ruby_throated_Hummingbird", "鳥\u202e\x1b[31m\x00", "\xff_\u0301", "Chim_sẻ", "🐦\u200d🐦\ufe0f", strings.Repeat("x", 300)} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		shown := DisplayName(name)
		assert.True(t, utf8.ValidString(shown))
		assert.LessOrEqual(t, utf8.RuneCountInString(shown), longest)
		for _, r := range shown {
			assert.False(t, r != '\n' && r != '\t' && (unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r)), "%U", r)
		}
		drawn, _ := spelled(name, covers)
		for _, r := range drawn {
			assert.True(t, covers(r) && unicode.IsPrint(r), "%U", r)
		}
	})
}
