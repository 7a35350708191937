package figure

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/promptcam/promptcam/promptcam"
	"github.com/promptcam/promptcam/vit/heat"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// landscape is a picture about as hard to compress as a photograph.
func landscape(rng *rand.Rand, w, h int) image.Image {
	m := image.NewRGBA(image.Rect(0, 0, w, h))
	a, b := 0.02+0.1*rng.Float64(), 0.02+0.1*rng.Float64()
	for y := range h {
		for x := range w {
			v := 128 + 60*math.Sin(a*float64(x))*math.Cos(b*float64(y)) + 24*rng.NormFloat64()
			c := uint8(min(max(v, 0), 255))
			m.SetRGBA(x, y, color.RGBA{c, uint8(y * 255 / h), 255 - c, 255})
		}
	}
	return m
}

// testReport has two samples of each class, the second of them taken for the next class.
func testReport(classes int) *Report {
	rng := rand.New(rand.NewPCG(5, 6))
	r := &Report{
		Title:  "A & B <report>",
		Facts:  []Fact{{"mode", "deep"}, {"seed", "1"}},
		Splits: []SplitResult{{"validation", 100, 0.75, 0.9}, {"test", 2999, 0.8123, 0.95}},
		Curves: []byte(`<svg viewBox="0 0 1 1"></svg>`),
	}
	for i := range classes {
		r.Classes = append(r.Classes, ClassResult{fmt.Sprintf("class %d", i), 30, i % 31})
		r.Confusions = append(r.Confusions, promptcam.Confusion{True: i, Predicted: (i + 1) % classes, Count: 3})
	}
	row := func(title string) Row {
		row := Row{Title: title}
		for i := range 4 {
			row.Panels = append(row.Panels, Panel{
				Heat: randomHeat(rng, 14, 14, 0.5), Head: i, Sufficient: i == 0, Share: promptcam.Share{Patches: 0.5, Prompts: 0.4, CLS: 0.1},
			})
		}
		return row
	}
	r.Samples = func(yield func(Sample, error) bool) {
		for i := range classes {
			s := Sample{fmt.Sprintf("a_%d.jpg", i), landscape(rng, 240, 200), i, i, []Row{row("true")}}
			if !yield(s, nil) {
				return
			}
			s.Name, s.Predicted = fmt.Sprintf("b_%d.jpg", i), (i+1)%classes
			s.Rows = append(s.Rows, row("predicted"))
			if !yield(s, nil) {
				return
			}
		}
	}
	return r
}

func written(t *testing.T, r *Report) string {
	path := filepath.Join(t.TempDir(), "index.html")
	require.NoError(t, r.WriteFile(t.Context(), path))
	files, err := os.ReadDir(filepath.Dir(path))
	require.NoError(t, err)
	require.Len(t, files, 1, "one file, and nothing temporary")
	html, err := os.ReadFile(path)
	require.NoError(t, err)
	return string(html)
}

// The page is written so that it is XML too, which finds every unclosed element.
func requireWellFormed(t *testing.T, html string) {
	d := xml.NewDecoder(strings.NewReader(html))
	ids, targets := map[string]bool{}, map[string]bool{}
	for {
		token, err := d.Token()
		if err == io.EOF {
			break
		}
		require.NoError(t, err)
		element, ok := token.(xml.StartElement)
		if !ok {
			continue
		}
		for _, a := range element.Attr {
			switch a.Name.Local {
			case "id":
				require.False(t, ids[a.Value], "two elements are called %s", a.Value)
				ids[a.Value] = true
			case "href", "src":
				if link, ok := strings.CutPrefix(a.Value, "#"); ok {
					targets[link] = true
				} else {
					require.True(t, strings.HasPrefix(a.Value, "data:image/"), "%.40s", a.Value)
				}
			}
		}
		if element.Name.Local == "svg" || element.Name.Local == "img" {
			var label string
			for _, a := range element.Attr {
				if a.Name.Local == "aria-label" || a.Name.Local == "alt" {
					label = a.Value
				}
			}
			require.NotEmpty(t, label, "every picture has a text")
		}
	}
	require.NotRegexp(t, `<(th|td|a|b|h\d)[^>]*href[^>]*></|<th[^>]*></th>`, html, "a heading or a link without a text")
	for link := range targets {
		require.True(t, ids[link], "nothing is called %s", link)
	}
}

func TestReport(t *testing.T) {
	html := written(t, testReport(3))
	requireWellFormed(t, html)
	for _, want := range []string{
		"A &amp; B &lt;report&gt;", "81.2 %", "validation", "class 2", "1. head 0 · needed</b>", "<td>deep</td>",
		`<li class="pair" id="pair-0-1">`,
		`<a href="#sample-1"><svg viewBox="0 0 224 186" role="img" aria-label="The first such photograph"><use href="#sample-1-photo"/></svg></a>`,
		`<b>3</b> <a href="#class-0">class 0</a> predicted as <a href="#class-1">class 1</a>`,
		`<tr id="class-2"><th scope="row" data-v="2"><a href="#sample-4">class 2</a>`,
		`✗ predicted: <a href="#class-1">class 1</a></span><a class="up" href="#pair-0-1">`, // from the photograph back
		`<details id="settings" class="card lower">`,
		"color-scheme: light dark", "patches 50.0 %",
	} {
		assert.Contains(t, html, want)
	}
	assert.NotRegexp(t, regexp.MustCompile(`https?:`), html)
	assert.NotContains(t, html, "ZgotmplZ", "the template's mark for what it refused")
	assert.Equal(t, 6, strings.Count(html, "data:image/jpeg"), "each photograph once")
	assert.Equal(t, 3*4+3*8, strings.Count(html, "data:image/png"))
}

// The page begins with the result, goes on with a few correct samples and the tables, and ends
// with the other samples.
func TestReportTellsTheResultFirst(t *testing.T) {
	r := testReport(4)
	r.Classes = []ClassResult{{"001.Red_Bird", 2000, 1700}, {"blue", 999, 988}, {"empty", 0, 0}, {"class 3", 0, 0}}
	samples := r.Samples
	r.Samples = func(yield func(Sample, error) bool) {
		for s := range samples {
			s.Rows[0].Blurred, s.Rows[0].StillWins = 0.846, s.True != 1
			s.Rows[0].Panels[0].Share = promptcam.Share{Patches: 1}
			if !yield(s, nil) {
				return
			}
		}
	}
	r.Mistakes = []Mistake{{"b_0.jpg", 0, 1, 0.9}, {"not shown.jpg", 1, 2, 0.512}}
	html := written(t, r)
	requireWellFormed(t, html)
	assert.Contains(t, html, "3 of the 4 correctly classified images shown here keep their class with all maps blurred")
	r.Survival = heat.Interval{Mean: 0.525, Low: 0.506, High: 0.544, N: 2688}
	html = written(t, r)
	requireWellFormed(t, html)
	at := 0
	for _, want := range []string{
		"<b>89.6 %</b> of 2,999 test images are classified correctly (95 % interval 88.5 to 90.7 %)",
		"<b>52.5 %</b> of the 2,688 correct predictions (95 % interval 50.6 to 54.4 %) stay the same with all maps of the class blurred: no map explains those.",
		`id="examples"`, `id="sample-2"`, `id="confusions"`, `title="001.Red_Bird">Red Bird</a>`,
		`id="by-class"`, "All 2 wrong predictions", `<a href="#sample-1">b_0.jpg</a>`, "not shown.jpg</th>", "51.2 %",
		`id="settings"`, `<td class="n">65.7 to 82.5 %</td>`, `id="samples"`,
		"8 images are on this page, 4 of them correct and 4 wrong; of all 2,999 test images 2,688 are correct and 311 wrong",
		`id="sample-1"`, `id="sample-6"`,
	} {
		i := strings.Index(html[at:], want)
		require.GreaterOrEqual(t, i, 0, "%s is not there, or too early", want)
		at += i
	}
	assert.Equal(t, 6, strings.Count(html, `<span class="blind">with all maps blurred: 84.6 %, still predicted: these maps do not explain it</span>`))
	assert.Equal(t, 2, strings.Count(html, "<span>with all maps blurred: 84.6 %</span>"))
	assert.Equal(t, 8*3+4*4, strings.Count(html, "patches 50.0 %"))
	assert.NotContains(t, html, "patches 100.0 %", "that tells nothing")
	assert.Contains(t, html, `<figure title="hottest at row `)
	r.Survival.Mean = 0
	assert.Contains(t, written(t, r), "all maps of the class blurred: each needs its maps.")
}

// The head that the table of traits names is marked where it is shown, and what tells the class apart is named.
func TestReportMarksTheBestHead(t *testing.T) {
	r := testReport(1)
	assert.NotContains(t, written(t, r), "est head")
	r.Traits = &TraitTable{Trait: "Trait", Head: "Best head", Top: "Top-ranked head", Rows: []TraitRow{{Class: 0, Trait: "eye ring", Head: "head 2"}}}
	samples := r.Samples
	r.Samples = func(yield func(Sample, error) bool) {
		for s := range samples {
			s.Rows[0].Panels[2].Best, s.Rows[0].Panels[2].Rank = true, 7
			if !yield(s, nil) {
				return
			}
		}
	}
	html := written(t, r)
	requireWellFormed(t, html)
	for _, want := range []string{
		"<dt>Best head</dt>", "<b>7. head 2 · best head</b>", ` class="best">`, "<td>eye ring</td><td>head 2</td>", "<span>differs from its look-alikes in: eye ring</span>",
	} {
		assert.Contains(t, html, want)
	}
}

// What a folder or a file may be called does no harm on the page: no control characters, no marks that turn
// the text around them, nothing without end.
func TestReportOfStrangeNames(t *testing.T) {
	strange := "a\x1b[31m\x00\u202e\u2066\u200f\ufeff\x85\u2028\x7f\xff鳥\n" + strings.Repeat("x", 5000)
	r := testReport(2)
	r.Title, r.Classes[0].Name, r.Facts[0].Value, r.Course = strange, strange, strange, strange
	r.Mistakes = []Mistake{{strange, 0, 1, 1}}
	samples := r.Samples
	r.Samples = func(yield func(Sample, error) bool) {
		for s := range samples {
			s.Name, s.Rows[0].Title = strange, DisplayName(strange)
			if !yield(s, nil) {
				return
			}
		}
	}
	html := written(t, r)
	requireWellFormed(t, html)
	require.True(t, utf8.ValidString(html))
	for _, c := range html {
		require.False(t, unicode.IsControl(c) && c != '\n' && c != '\t' || unicode.Is(unicode.Bidi_Control, c), "%U", c)
	}
	assert.Contains(t, html, "鳥")
	assert.Equal(t, 2, strings.Count(html, strings.Repeat("x", 4000)), "the setting and the course are whole")
}

// The examples are of different classes where there are as many.
func TestExamplesOfDifferentClasses(t *testing.T) {
	for classes, want := range map[int][]int{1: {0, 1, 2}, 2: {0, 1, 4}, 3: {0, 4, 8}, 5: {0, 4, 8}} {
		r := testReport(classes)
		samples := r.Samples
		r.Samples = func(yield func(Sample, error) bool) {
			for s := range samples {
				s.Predicted = s.True
				if !yield(s, nil) || !yield(s, nil) {
					return
				}
			}
		}
		html := written(t, r)
		requireWellFormed(t, html)
		above, _, _ := strings.Cut(html, `id="confusions"`)
		var got []string
		for _, id := range regexp.MustCompile(`id="(sample-\d+)"`).FindAllStringSubmatch(above, -1) {
			got = append(got, id[1])
		}
		assert.Equal(t, fmt.Sprintf("sample-%d sample-%d sample-%d", want[0], want[1], want[2]), strings.Join(got, " "))
	}
}

func TestWriteEqualsWriteFile(t *testing.T) {
	t.Setenv("TMPDIR", filepath.Join(t.TempDir(), "none")) // a browser has no files
	var page bytes.Buffer
	require.NoError(t, testReport(2).Write(t.Context(), &page))
	assert.Equal(t, written(t, testReport(2)), page.String())
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	page.Reset()
	require.ErrorIs(t, testReport(2).Write(ctx, &page), context.Canceled)
	assert.Zero(t, page.Len())
}

func TestEmptyReport(t *testing.T) {
	requireWellFormed(t, written(t, &Report{Title: "nothing yet"}))
	requireWellFormed(t, written(t, &Report{Classes: []ClassResult{{"empty", 0, 0}}, Style: Style{Scale: Relative}}))
	r := testReport(3)
	r.Samples, r.Mistakes = nil, []Mistake{{"x.jpg", 0, 1, 1}}
	html := written(t, r)
	requireWellFormed(t, html)
	assert.Equal(t, 3, strings.Count(html, `<div class="way"><span></span>`), "confusions without photographs")
}

func TestReportEscapes(t *testing.T) {
	const evil = `<script>alert("1")</script>'" onload=x &`
	r := testReport(2)
	r.Classes[1].Name, r.Title, r.Facts[0].Value, r.Splits[0].Name = evil, evil, evil, evil
	samples := r.Samples
	r.Samples = func(yield func(Sample, error) bool) {
		for s := range samples {
			s.Name = evil
			s.Rows[0].Title = evil
			s.Rows[0].Panels[0].Name = evil
			if !yield(s, nil) {
				return
			}
		}
	}
	html := written(t, r)
	requireWellFormed(t, html)
	assert.NotContains(t, html, "<script>alert")
	assert.Equal(t, 1, strings.Count(html, "<script"), "the page's own")
}

// 200 samples, half of them wrong: 1,200 maps.
func TestReportStaysSmall(t *testing.T) {
	html := written(t, testReport(100))
	assert.Less(t, len(html), 12<<20)
	t.Logf("%.1f MB", float64(len(html))/1e6)
}

func TestReportFailsWhole(t *testing.T) {
	broken := errors.New("no such photograph")
	for name, c := range map[string]struct {
		change func(*Report, context.CancelFunc)
		want   string
		is     error
	}{
		"cancelled": {func(r *Report, cancel context.CancelFunc) {
			samples := r.Samples
			r.Samples = func(yield func(Sample, error) bool) {
				n := 0
				for s := range samples {
					if n++; n == 3 {
						cancel()
					}
					if !yield(s, nil) {
						require.Equal(t, 3, n, "no sample is asked for in vain")
						return
					}
				}
			}
		}, "context canceled", context.Canceled},
		"sample": {func(r *Report, _ context.CancelFunc) {
			r.Samples = func(yield func(Sample, error) bool) { yield(Sample{}, broken) }
		}, "no such photograph", broken},
		"class": {func(r *Report, _ context.CancelFunc) {
			r.Samples = func(yield func(Sample, error) bool) { yield(Sample{Name: "x.jpg", True: 7}, nil) }
		}, `sample "x.jpg": class 7, want 0 to 2`, nil},
		"confusion": {func(r *Report, _ context.CancelFunc) { r.Confusions[1].True = -1 }, "confusion 1: class -1, want 0 to 2", nil},
		"curves":    {func(r *Report, _ context.CancelFunc) { r.Curves = []byte("GIF89a") }, `curves: a file that starts with "GIF89a"`, nil},
		"mistake":   {func(r *Report, _ context.CancelFunc) { r.Mistakes = []Mistake{{"x.jpg", 0, 3, 1}} }, "mistake 0: class 3, want 0 to 2", nil},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "index.html")
			require.NoError(t, os.WriteFile(path, []byte("earlier"), 0o644))
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			r := testReport(3)
			c.change(r, cancel)
			err := r.WriteFile(ctx, path)
			require.ErrorContains(t, err, c.want)
			assert.ErrorContains(t, err, path)
			if c.is != nil {
				assert.ErrorIs(t, err, c.is)
			}
			kept, err := os.ReadFile(path)
			require.NoError(t, err)
			assert.Equal(t, "earlier", string(kept))
			files, err := os.ReadDir(filepath.Dir(path))
			require.NoError(t, err)
			assert.Len(t, files, 1)
		})
	}
	err := testReport(1).WriteFile(t.Context(), filepath.Join(t.TempDir(), "missing", "index.html"))
	require.ErrorIs(t, err, os.ErrNotExist)
}

// What the browser stretches over the photograph is what Overlay draws.
func TestVeilEqualsOverlay(t *testing.T) {
	h := randomHeat(rand.New(rand.NewPCG(7, 8)), 14, 14, 0.6)
	s := Style{}
	limit := s.limit(h)
	var file bytes.Buffer
	require.NoError(t, png.Encode(&file, s.veil(h, limit)))
	assert.Less(t, file.Len(), 4096)
	veil, err := png.Decode(&file)
	require.NoError(t, err)
	require.Equal(t, image.Rect(0, 0, 56, 56), veil.Bounds())

	want := Overlay(plain(56, 56, color.RGBA{90, 120, 30, 255}), h, s)
	for y := range 56 {
		for x := range 56 {
			c := color.NRGBAModel.Convert(veil.At(x, y)).(color.NRGBA)
			w := want.RGBAAt(x, y)
			require.InDeltaSlice(t, []uint8{w.R, w.G, w.B}, []uint8{mix(90, c.R, c.A), mix(120, c.G, c.A), mix(30, c.B, c.A)}, 8, "%d, %d", x, y)
		}
	}
}

func TestReportOfTraits(t *testing.T) {
	r := testReport(3)
	assert.NotContains(t, written(t, r), "Do the maps hit the right trait?")
	some := heat.Interval{Mean: 0.9, Low: 0.75, High: 1, N: 20}
	r.Traits = &TraitTable{Text: []string{"a < b"}, Trait: "Trait", Head: "Best head", Rows: []TraitRow{
		{Class: 1, Trait: "eye & ring", Head: "head 2", Points: some, Chance: 0.043, Mass: some, Bird: some, Background: heat.Interval{Mean: 0.1, Low: 0, High: 0.2, N: 20}},
		{Class: 2},
	}}
	page := written(t, r)
	for _, want := range []string{
		"Do the maps hit the right trait?</h2>", "<p>a &lt; b</p>", "Best head</th>", "class 1</a></th><td>eye &amp; ring</td><td>head 2</td>",
		"90.0 %</td><td class=\"n\">75 to 100 %</td><td class=\"n\">4.3 %</td>", "10.0 %", "<td></td><td></td><td class=\"n\">–</td><td class=\"n\"></td>",
	} {
		assert.Contains(t, page, want)
	}
	assert.NotContains(t, page, "Top-ranked head</th>")
	r.Traits.Top, r.Traits.Rows[0].Top, r.Traits.Rows[0].TopPoints = "Top-ranked head", "head 5", heat.Interval{Mean: 0.45, N: 20}
	assert.Contains(t, written(t, r), "<td>head 5</td><td class=\"n\">45.0 %</td></tr>")
	r.Traits.Rows[1].Class = 3
	assert.ErrorContains(t, r.WriteFile(t.Context(), filepath.Join(t.TempDir(), "a.html")), "row 1 of traits: class 3, want 0 to 2")
}
