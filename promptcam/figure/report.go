package figure

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/base64"
	"errors"
	"fmt"
	"html/template"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"io"
	"iter"
	"math"
	"os"
	"path/filepath"
	"strings"

	"github.com/promptcam/promptcam/promptcam"
	"github.com/promptcam/promptcam/tensor/checkpoint"
	"github.com/promptcam/promptcam/vit/heat"
)

// Report is what one training run has to show: scores, curves, confusions, and
// the maps of sample photographs. Write makes one HTML file of it that needs no
// other file, no network and no JavaScript.
type Report struct {
	Title  string
	Facts  []Fact        // how the model was made: backbone, mode, epochs, seconds, seed...
	Splits []SplitResult // the scores, such as those on validation and test images

	Curves  []byte // a picture of the training curves, PNG, JPEG or SVG; nil means none
	Classes []ClassResult

	Confusions []promptcam.Confusion // in the order in which they are shown

	Traits *TraitTable // nil means none

	// Samples are asked for one at a time while the report is written, so they
	// may be explained then. Samples of one class should follow each other. An
	// error ends the writing and is returned. nil means none.
	Samples iter.Seq2[Sample, error]

	// Style draws the maps. Under the Absolute scale without a Limit, each
	// sample has its own. Panel is the longest side of the stored photographs.
	Style Style
}

// Fact is one line of a report's table of settings.
type Fact struct{ Name, Value string }

// SplitResult is the score on one set of images; Top1 and Top5 are from 0 to 1.
type SplitResult struct {
	Name       string
	Images     int
	Top1, Top5 float64
}

// ClassResult says how many of a class's images were recognised.
type ClassResult struct {
	Name            string
	Images, Correct int
}

// Accuracy returns the part of the images that was recognised, 0 if there are none.
func (c ClassResult) Accuracy() float64 {
	if c.Images == 0 {
		return 0
	}
	return float64(c.Correct) / float64(c.Images)
}

// TraitTable is a table of where the maps of each class lie, where that is known.
type TraitTable struct {
	Text        []string // paragraphs above it
	Trait, Head string   // what the columns of traits and heads are called
	Rows        []TraitRow
}

// TraitRow says where the map of one head of a class lies. Class is an index of Report.Classes.
// Scores of no images are left blank.
type TraitRow struct {
	Class                  int
	Trait, Head            string
	Points                 heat.Interval // share of images whose hottest patch is on the trait
	Chance                 float64       // of that
	Mass, Bird, Background heat.Interval // share of attention
}

// Sample is one explained photograph. Photo is the part of it that the model
// saw, in any size and stretch: maps are drawn over all of it. True and
// Predicted are indices of Report.Classes.
type Sample struct {
	Name            string
	Photo           image.Image
	True, Predicted int
	Rows            []Row
}

// Write writes the report to path, an .html file; an earlier one is replaced
// only once the new one is complete. Memory does not grow with the number of
// samples. It returns ctx's error if ctx ends first.
func (r *Report) Write(ctx context.Context, path string) error {
	if err := r.write(ctx, path); err != nil {
		return fmt.Errorf("figure: write report %w", err)
	}
	return nil
}

func (r *Report) write(ctx context.Context, path string) (err error) {
	// The tables above the samples link to them, so the samples are made first
	// and wait in a file of their own.
	spool, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".samples.*")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, spool.Close(), os.Remove(spool.Name())) }()
	links, err := r.writeSamples(ctx, spool)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if _, err := spool.Seek(0, io.SeekStart); err != nil {
		return err
	}
	return checkpoint.WriteFile(path, func(w io.Writer) error {
		top, err := r.top(links)
		if err != nil {
			return err
		}
		if err := page.ExecuteTemplate(w, "top", top); err != nil {
			return err
		}
		if _, err := io.Copy(w, spool); err != nil {
			return err
		}
		if err := page.ExecuteTemplate(w, "bottom", nil); err != nil {
			return err
		}
		return ctx.Err()
	})
}

//go:embed report.html
var reportHTML string

var page = template.Must(template.New("report").Funcs(template.FuncMap{
	"percent": func(share float64) string { return fmt.Sprintf("%.1f %%", 100*share) },
	"mean": func(i heat.Interval) string {
		if i.N == 0 {
			return "–"
		}
		return fmt.Sprintf("%.1f %%", 100*i.Mean)
	},
	"bounds": func(i heat.Interval) string { return fmt.Sprintf("%.0f to %.0f %%", 100*i.Low, 100*i.High) },
	"width":  func(share float64) string { return fmt.Sprintf("%.1f%%", 100*unit(share)) }, // CSS allows no space
}).Parse(reportHTML))

// links says which samples the tables can lead to.
type links struct {
	class   map[int]string    // by true class: the first sample's anchor
	mistake map[[2]int]string // by true and predicted class
}

// writeSamples writes the samples, each as soon as it comes.
func (r *Report) writeSamples(ctx context.Context, w io.Writer) (links, error) {
	l := links{map[int]string{}, map[[2]int]string{}}
	if r.Samples == nil {
		return l, ctx.Err()
	}
	number, class := 0, -1
	for s, err := range r.Samples {
		if err := errors.Join(ctx.Err(), err); err != nil {
			return l, err
		}
		v, err := r.view(s, number)
		if err != nil {
			return l, fmt.Errorf("sample %q: %w", s.Name, err)
		}
		v.First = s.True != class
		if err := page.ExecuteTemplate(w, "sample", v); err != nil {
			return l, err
		}
		if _, ok := l.class[s.True]; !ok {
			l.class[s.True] = v.Anchor
		}
		if pair := [2]int{s.True, s.Predicted}; l.mistake[pair] == "" {
			l.mistake[pair] = v.Anchor
		}
		class = s.True
		number++
	}
	return l, ctx.Err()
}

// The views are what the template shows; its text is escaped there, and the
// attributes and styles are made here of numbers and base64 alone.
type (
	topView struct {
		*Report
		Curves     template.HTMLAttr
		Classes    []classView
		Confusions []confusionView
		Rows       []traitView
		Samples    bool
		Legend     template.CSS
		Low, High  string
		Relative   bool
	}
	classView struct {
		ClassResult
		Number int
		Link   string
	}
	confusionView struct {
		True, Predicted string
		Count           int
		Link            string
	}
	traitView struct {
		TraitRow
		Name, Link string
	}
	sampleView struct {
		Name, Class, Predicted string
		Anchor                 string
		First, Correct         bool
		Photo                  template.HTMLAttr
		Size                   image.Point
		Rows                   []rowView
		Limit                  string // "" under the Relative scale
	}
	rowView struct {
		Title  string
		Panels []panelView
	}
	panelView struct {
		Panel
		Name   string
		Map    template.HTMLAttr
		Shares []string
	}
)

func (r *Report) top(l links) (topView, error) {
	v := topView{Report: r, Samples: len(l.class) > 0, Relative: r.Style.Scale == Relative}
	if len(r.Curves) > 0 {
		kind, err := pictureType(r.Curves)
		if err != nil {
			return v, err
		}
		v.Curves = dataURI("src", kind, r.Curves)
	}
	for i, c := range r.Classes {
		v.Classes = append(v.Classes, classView{c, i, l.class[i]})
	}
	for i, c := range r.Confusions {
		if err := r.known(c.True, c.Predicted); err != nil {
			return v, fmt.Errorf("confusion %d: %w", i, err)
		}
		v.Confusions = append(v.Confusions, confusionView{
			r.Classes[c.True].Name, r.Classes[c.Predicted].Name, c.Count, l.mistake[[2]int{c.True, c.Predicted}],
		})
	}
	if r.Traits != nil {
		for i, row := range r.Traits.Rows {
			if err := r.known(row.Class); err != nil {
				return v, fmt.Errorf("row %d of traits: %w", i, err)
			}
			v.Rows = append(v.Rows, traitView{row, r.Classes[row.Class].Name, l.class[row.Class]})
		}
	}
	v.Legend = r.Style.gradient()
	switch {
	case v.Relative:
		v.Low, v.High = "least of the map", "most of the map"
	case r.Style.Limit > 0:
		v.Low, v.High = "0 %", percent(float64(r.Style.Limit))+" or more, per patch"
	default:
		v.Low, v.High = "0 %", "the photograph's limit, per patch"
	}
	return v, nil
}

func (r *Report) view(s Sample, number int) (sampleView, error) {
	if err := r.known(s.True, s.Predicted); err != nil {
		return sampleView{}, err
	}
	photo := fit(s.Photo, r.Style.panel())
	var file bytes.Buffer
	if err := jpeg.Encode(&file, photo, &jpeg.Options{Quality: 85}); err != nil {
		return sampleView{}, err
	}
	v := sampleView{
		Name: s.Name, Class: r.Classes[s.True].Name, Predicted: r.Classes[s.Predicted].Name,
		Anchor: fmt.Sprintf("sample-%d", number), Correct: s.True == s.Predicted,
		Photo: dataURI("href", "image/jpeg", file.Bytes()), Size: photo.Rect.Size(),
	}
	var maps []heat.Map
	for _, row := range s.Rows {
		for _, p := range row.Panels {
			maps = append(maps, p.Heat)
		}
	}
	limit := r.Style.limit(maps...)
	if r.Style.Scale == Absolute {
		v.Limit = percent(float64(limit))
	}
	for _, row := range s.Rows {
		shown := rowView{Title: row.Title}
		for i, p := range row.Panels {
			file.Reset()
			if err := png.Encode(&file, r.Style.veil(p.Heat, limit)); err != nil {
				return v, err
			}
			shown.Panels = append(shown.Panels, panelView{p, p.name(i), dataURI("href", "image/png", file.Bytes()), p.Share.Parts()})
		}
		v.Rows = append(v.Rows, shown)
	}
	return v, nil
}

func (r *Report) known(classes ...int) error {
	for _, c := range classes {
		if c < 0 || c >= len(r.Classes) {
			return fmt.Errorf("class %d, want 0 to %d", c, len(r.Classes)-1)
		}
	}
	return nil
}

// veil draws a map alone, in colours that let the photograph through, for the
// browser to stretch over it: 4 points per patch and 128 colours, so that it
// takes two or three kilobytes where an overlay takes twenty.
func (s Style) veil(h heat.Map, limit float32) *image.Paletted {
	const points, colours = 4, 128
	palette := make(color.Palette, colours)
	for i := range palette {
		// The cover grows with the root of t, so squares make its steps even;
		// even steps of t would show as blotches where there is little attention.
		t := float64(i) / (colours - 1)
		palette[i] = s.shade(t * t)
	}
	m := image.NewPaletted(image.Rect(0, 0, max(1, h.W*points), max(1, h.H*points)), palette)
	if len(h.Values) == 0 {
		return m
	}
	for i, t := range s.levels(h.Resize(h.W*points, h.H*points), limit) {
		m.Pix[i] = uint8(math.Sqrt(t)*(colours-1) + 0.5)
	}
	return m
}

// gradient is the colour bar as a CSS background, over the same grey.
func (s Style) gradient() template.CSS {
	const stops = 24
	css := make([]string, stops+1)
	for i := range css {
		c := s.shade(float64(i) / stops)
		css[i] = fmt.Sprintf("#%02x%02x%02x", mix(128, c.R, c.A), mix(128, c.G, c.A), mix(128, c.B, c.A))
	}
	return template.CSS("linear-gradient(to right," + strings.Join(css, ",") + ")")
}

// dataURI returns the attribute name="data:...". The template would write the
// pluses of base64 as five characters each.
func dataURI(name, kind string, file []byte) template.HTMLAttr {
	return template.HTMLAttr(name + `="data:` + kind + ";base64," + base64.StdEncoding.EncodeToString(file) + `"`)
}

func pictureType(file []byte) (string, error) {
	switch start := file[:min(len(file), 1024)]; {
	case bytes.HasPrefix(start, []byte("\x89PNG")):
		return "image/png", nil
	case bytes.HasPrefix(start, []byte("\xff\xd8")):
		return "image/jpeg", nil
	case bytes.Contains(start, []byte("<svg")):
		return "image/svg+xml", nil
	default:
		return "", fmt.Errorf("curves: a file that starts with %q, want PNG, JPEG or SVG", file[:min(len(file), 8)])
	}
}
