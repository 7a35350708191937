package figure

import (
	"bytes"
	"image"
	"image/color"
	"image/png"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/promptcam/promptcam/promptcam"
	"github.com/promptcam/promptcam/vit/heat"
)

// evidence is a map with a spot for and a spot against.
func evidence(up, down float32) heat.Map {
	return heatOf(14, 14, func(x, y int) float32 {
		switch [2]int{x, y} {
		case [2]int{3, 10}:
			return up
		case [2]int{10, 3}:
			return -down
		}
		return 0
	})
}

// orange is how much more red than blue a colour is: negative for blue.
func orange(c color.RGBA) int { return int(c.R) - int(c.B) }

// answer is an Evidence for class 0 against class 1.
func answer(up, down float32) *promptcam.Evidence {
	first, second := evidence(up, down), evidence(up/4, 0)
	return &promptcam.Evidence{
		Question: promptcam.Between(0, 1), Margin: 3, Baseline: 3 - float64(up)*1.25 + float64(down),
		Heads: []promptcam.HeadEvidence{
			{Class: 0, Head: 2, Map: first, Sum: float64(up - down)}, {Class: 1, Head: 5, Map: second, Sum: float64(up / 4)},
		},
	}
}

func TestSignedOverlay(t *testing.T) {
	grey := color.RGBA{128, 128, 128, 255}
	photo := plain(224, 224, grey)
	s := Style{Signed: true}
	m := Overlay(photo, evidence(8, 8), s)
	up, down := m.RGBAAt(3*16+8, 10*16+8), m.RGBAAt(10*16+8, 3*16+8)
	assert.Greater(t, orange(up), 100)
	assert.Less(t, orange(down), -100)
	assert.Equal(t, grey, m.RGBAAt(200, 200), "no evidence, no colour")
	assert.Equal(t, grey, m.RGBAAt(5*16, 10*16+8), "and no halo of the other sign")

	mirrored := Overlay(photo, heatOf(14, 14, func(x, y int) float32 { return -evidence(8, 8).Values[y*14+x] }), s)
	assert.Equal(t, down, mirrored.RGBAAt(3*16+8, 10*16+8))
	assert.Equal(t, up, mirrored.RGBAAt(10*16+8, 3*16+8))

	// The scale is symmetric about 0 though the values are not, and weak evidence does not look strong.
	assert.Equal(t, float32(8), s.limit(evidence(2, 8), evidence(1, 0)))
	assert.Equal(t, float32(3), Style{Signed: true, LogOdds: 3, Limit: 0.1}.limit(evidence(2, 8)))
	assert.Equal(t, float32(weigh), s.limit(evidence(0.01, 0.02)), "a patch without weight")
	faint := Overlay(photo, evidence(0.8, 8), s).RGBAAt(3*16+8, 10*16+8)
	assert.Greater(t, orange(faint), 0)
	assert.Less(t, orange(faint), orange(up)/3)
	s.Scale = Relative
	faint = Overlay(photo, evidence(0.01, 0.01), s).RGBAAt(3*16+8, 10*16+8)
	assert.InDelta(t, orange(up), orange(faint), 2, "each map's own")
	assert.Equal(t, grey, Overlay(photo, evidence(0, 0), s).RGBAAt(56, 168), "nothing to stretch")

	large := Overlay(plain(1120, 1120, grey), evidence(8, 8), Style{Signed: true}) // by a table of colours
	assert.InDelta(t, orange(up), orange(large.RGBAAt(3*80+40, 10*80+40)), 8)
	assert.InDelta(t, orange(down), orange(large.RGBAAt(10*80+40, 3*80+40)), 8)
}

func TestSignedColorBar(t *testing.T) {
	for _, limit := range []float32{0.5, 3.3, 47} {
		m := ColorBar(301, limit, 196, Style{Signed: true})
		row := func(x int) color.RGBA { return m.RGBAAt(x, 8) }
		assert.Greater(t, orange(row(290)), 100)
		assert.Less(t, orange(row(10)), -100)
		assert.Equal(t, color.RGBA{128, 128, 128, 255}, row(150), "0 is in the middle")
	}
	for x, want := range map[float64]string{0: "0", 0.5: "+0.5", -0.5: "−0.5", 12.34: "+12.3", -1234.5: "−1234", 1e-3: "+0.001"} {
		assert.Equal(t, want, plus(x))
	}
}

// What the browser stretches over the photograph is what Overlay draws.
func TestSignedVeilEqualsOverlay(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 8))
	h := heatOf(14, 14, func(_, _ int) float32 { return float32(rng.NormFloat64()) })
	s := Style{Signed: true}
	var file bytes.Buffer
	require.NoError(t, png.Encode(&file, s.veil(h, s.limit(h))))
	assert.Less(t, file.Len(), 4096)
	veil, err := png.Decode(&file)
	require.NoError(t, err)
	want := Overlay(plain(56, 56, color.RGBA{90, 120, 30, 255}), h, s)
	for y := range 56 {
		for x := range 56 {
			c := color.NRGBAModel.Convert(veil.At(x, y)).(color.NRGBA)
			w := want.RGBAAt(x, y)
			require.InDeltaSlice(t, []uint8{w.R, w.G, w.B}, []uint8{mix(90, c.R, c.A), mix(120, c.G, c.A), mix(30, c.B, c.A)}, 8, "%d, %d", x, y)
		}
	}
}

func TestEvidenceInWords(t *testing.T) {
	classes := []string{"016.Grey_Gnatking", "018.White-tailed_Gnatking", "jay"}
	row := Evidence("title", answer(8, 2), classes, 3)
	assert.Equal(t, "Grey Gnatking", row.For)
	assert.Equal(t, "White-tailed Gnatking", row.Against)
	assert.Equal(t, "for Grey Gnatking, against White-tailed Gnatking", row.subject())
	assert.Equal(t, "log odds by one patch: orange is for Grey Gnatking, blue for White-tailed Gnatking", row.sides())
	assert.Equal(t, "margin +3 log odds: −5 for what images of White-tailed Gnatking usually show, +8 by the patches here", row.note())
	require.Len(t, row.Panels, 3, "no more heads than there are")
	assert.Equal(t, "evidence of all heads", row.Panels[0].caption(0))
	assert.Equal(t, "+8 log odds", row.Panels[0].Detail)
	assert.Equal(t, "1. head 2 of Grey Gnatking", row.Panels[1].caption(1))
	assert.Equal(t, "+6, 75 % of all", row.Panels[1].Detail)
	assert.Equal(t, "2. head 5 of White-tailed Gnatking", row.Panels[2].caption(2))
	assert.Equal(t, answer(8, 2).Map(), row.Panels[0].Heat)
	assert.Equal(t, "most for Grey Gnatking at row 11 of 14, column 4 of 14: lower left, +10", row.peak(row.Panels[0]))
	assert.Equal(t, "no evidence for Grey Gnatking", row.peak(Panel{Heat: evidence(0, 2)}))
	assert.Len(t, row.lead(), 1)
	assert.Len(t, row.heads(), 2)

	v := answer(8, 2)
	v.Versus, v.Heads[1].Rest, v.Margin = promptcam.Even, -0.5, 2.5
	assert.Equal(t, "evidence against the image's mean; margin +2.5 log odds: −5 for that, +8 by the patches here, −0.5 by other tokens", Evidence("", v, classes, 0).note())
	v.Margin = 3.5
	assert.Contains(t, Evidence("", v, classes, 0).note(), "; these numbers miss the margin by 8 %")
	v.Question = promptcam.Question{For: []int{0}, Against: []int{1, 2}}
	assert.Contains(t, Evidence("", v, classes, 0).note(), "for what images of the look-alikes among these usually show")
	v.Versus = promptcam.Overall
	assert.Contains(t, Evidence("", v, classes, 0).note(), "for what images of any class usually show")
	v.Question = promptcam.Question{For: []int{0, 2}, Versus: promptcam.Overall}
	row = Evidence("", v, classes, 0)
	assert.Equal(t, "for Grey Gnatking or jay", row.subject())
	assert.Equal(t, "log odds by one patch: orange is for Grey Gnatking or jay, blue against", row.sides())

	v = answer(2, 8) // speaks against it
	assert.Equal(t, "+0.5", Evidence("", v, classes, 2).Panels[2].Detail, "a share of nothing")
}

// Evidence stands above attention, on one scale of its own, over a pale photograph, beside one of the look-alike.
func TestSheetOfEvidence(t *testing.T) {
	yellow, green := color.RGBA{250, 220, 10, 255}, color.RGBA{10, 200, 60, 255}
	photo, other := plain(224, 224, yellow), plain(400, 200, green)
	attention := Row{Title: "predicted: a, 61.2 %", Panels: []Panel{{Heat: spot(0.3), Head: 7}}}
	row := Evidence("told", answer(8, 8), []string{"a", "b"}, 2)
	alone := Sheet(photo, "", []Row{attention}, Style{})
	both := Sheet(photo, "", []Row{row, attention}, Style{})
	assert.Greater(t, both.Rect.Dy(), alone.Rect.Dy()+224+barH)
	assert.Zero(t, count(both, green))

	top := margin + 2*line // of the pictures
	at := func(m *image.RGBA, column, x, y int) color.RGBA { return m.RGBAAt(margin+column*(224+margin)+x, top+y) }
	assert.Equal(t, yellow, at(both, 0, 100, 100), "the photograph keeps its colours")
	pale := at(both, 1, 100, 100)
	assert.Less(t, orange(pale), orange(yellow)/4)
	assert.Greater(t, orange(at(both, 1, 3*16+8, 10*16+8)), orange(pale)+60)
	assert.Less(t, orange(at(both, 1, 10*16+8, 3*16+8)), orange(pale)-60)
	// A quarter of the evidence is fainter in its head's map.
	assert.Less(t, orange(at(both, 3, 3*16+8, 10*16+8)), orange(at(both, 1, 3*16+8, 10*16+8))-20)

	row.Panels = append(row.Panels[:1:1], append([]Panel{{Rank: -1, Photo: other, Name: "look-alike: b", Detail: "x/b.jpg"}}, row.Panels[1:]...)...)
	beside := Sheet(photo, "", []Row{row, attention}, Style{})
	assert.Equal(t, both.Rect.Dx()+224+margin, beside.Rect.Dx())
	assert.InDelta(t, 224*112, count(beside, green), 10, "the whole of it, as wide as a panel")
	assert.Equal(t, at(both, 1, 56, 168), at(beside, 1, 56, 168))
	assert.Equal(t, "b.jpg", row.Panels[1].detail())
	Sheet(photo, "", []Row{row, attention}, Style{Scale: Relative})
}

// A card leads with the evidence and the look-alike; heads and attention are unfolded below. A photograph stands on
// the page once, whichever place it has first.
func TestReportLeadsWithEvidence(t *testing.T) {
	r := testReport(3)
	r.LookAlikes = [][]promptcam.LookAlike{{{Class: 1, Distance: 0.5}, {Class: 2, Distance: 0.7}}, {{Class: 0, Distance: 0.5}, {Class: 2, Distance: 0.61}}, {{Class: 1, Distance: 0.4}}}
	samples := r.Samples
	r.Samples = func(yield func(Sample, error) bool) {
		for s := range samples {
			o := (s.Predicted + 1) % 3
			row := Evidence("told from <it>", answer(8, 2), []string{"Jay", "Crow & Co"}, 2)
			name := "b_" + string(rune('0'+o)) + ".jpg"
			row.Panels = append(row.Panels[:1:1], append([]Panel{{Rank: -1, Photo: plain(40, 30, color.White), Name: "look-alike: x", Detail: name}}, row.Panels[1:]...)...)
			s.Rows = append([]Row{row}, s.Rows...)
			if !yield(s, nil) {
				return
			}
		}
	}
	html := written(t, r)
	requireWellFormed(t, html)
	assert.Equal(t, 6, strings.Count(html, "data:image/jpeg"), "each photograph once")
	cards := strings.Split(html, "<article ")[1:]
	require.Len(t, cards, 6)
	for _, card := range cards {
		lead, folded, found := strings.Cut(card, "<details class=\"more\">")
		require.True(t, found)
		assert.Contains(t, lead, "told from &lt;it&gt;")
		assert.Contains(t, lead, "margin &#43;3 log odds")
		assert.Equal(t, 1, strings.Count(lead, "data:image/png"), "one map")
		assert.Contains(t, lead, "<b>look-alike: x</b>")
		assert.Contains(t, lead, "for Jay, against Crow &amp; Co; most for Jay at row 11")
		assert.Contains(t, folded, "1. head 2 of Jay</b>&#43;6, 75 % of all")
		assert.Contains(t, folded, "1. head 0 · needed</b>")
		assert.Contains(t, card, "strongest colour = 10 log odds on one patch")
		assert.Contains(t, folded, "of a head's attention on one patch")
	}
	first, _, _ := strings.Cut(html, `<nav aria-label`)
	assert.Regexp(t, `Nearest look-alikes.*class 2</a> and <a [^>]*>class 1</a>; <a [^>]*>class 0</a> and <a [^>]*>class 1</a>\.`, first, "the nearest pair first, each once")
	_, table, _ := strings.Cut(html, `<h2 id="look-alikes">`)
	assert.Regexp(t, `class 0</a></th><td><a [^>]*>class 1</a></td><td class="n">0.5</td><td><a [^>]*>class 2</a> 0.7</td></tr>`, table)
	assert.NotContains(t, written(t, testReport(3)), "look-alikes")
	assert.Equal(t, 2*len(cards), strings.Count(html, `<use class="pale"`)-len(cards), "the map and two heads")

	r.LookAlikes = r.LookAlikes[:2]
	assert.ErrorContains(t, r.Write(t.Context(), &bytes.Buffer{}), "look-alikes of 2 classes, want 3")
	r.LookAlikes = [][]promptcam.LookAlike{{{Class: 3}}, {}, {}}
	assert.ErrorContains(t, r.Write(t.Context(), &bytes.Buffer{}), "look-alikes of class 0: class 3, want 0 to 2")
}
