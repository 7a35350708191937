package figure

import (
	"bytes"
	"cmp"
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
	"math"
	"slices"
	"strings"

	"github.com/promptcam/promptcam/vit/heat"
)

//go:embed report.html
var reportHTML string

var page = template.Must(template.New("report").Funcs(template.FuncMap{
	"count": thousands, "note": Row.note, "caption": Panel.caption, "peak": Panel.peak, "shared": Panel.shared,
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

// thousands writes n with commas.
func thousands(n int) string {
	if n < 1000 {
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("%s,%03d", thousands(n/1000), n%1000)
}

// The views are what report.html shows beside the Report. The template escapes their text. Attributes and
// styles are made here from numbers and base64 alone, and Examples by the same template.
type (
	pageView struct {
		*Report
		Total     ClassResult   // of all classes
		Interval  heat.Interval // of its accuracy
		Curves    template.HTMLAttr
		Legend    template.CSS
		Low, High string // ends of the colour scale
		Relative  bool

		Examples                    template.HTML // a few samples that are classified correctly
		Shown, Rest, Correct, Blind int           // samples; those below the tables; correct ones; correct even with every head blurred

		class   map[int]string    // by true class, the anchor of its first sample
		mistake map[[2]int]string // by true and predicted class
	}
	nameView   struct{ Text, Folder, Link string } // Link is the anchor of a sample, "" for none
	sampleView struct {
		Sample
		Page           *pageView
		Anchor         string
		First, Correct bool // First of its class
		Photo          template.HTMLAttr
		Size           image.Point
		limit          float32
	}
)

// view returns the page's view without samples.
func (r *Report) view() (*pageView, error) {
	v := &pageView{
		Report: r, Legend: r.Style.gradient(), Relative: r.Style.Scale == Relative,
		class: map[int]string{}, mistake: map[[2]int]string{},
	}
	if len(r.Curves) > 0 {
		kind, err := pictureType(r.Curves)
		if err != nil {
			return nil, err
		}
		v.Curves = dataURI("src", kind, r.Curves)
	}
	for _, c := range r.Classes {
		v.Total.Images += c.Images
		v.Total.Correct += c.Correct
	}
	v.Interval = heat.Wilson(v.Total.Accuracy(), v.Total.Images)
	for i, c := range r.Confusions {
		if err := r.known(c.True, c.Predicted); err != nil {
			return nil, fmt.Errorf("confusion %d: %w", i, err)
		}
	}
	if r.Traits != nil {
		for i, row := range r.Traits.Rows {
			if err := r.known(row.Class); err != nil {
				return nil, fmt.Errorf("row %d of traits: %w", i, err)
			}
		}
	}
	switch {
	case v.Relative:
		v.Low, v.High = "least of the map", "most of the map"
	case r.Style.Limit > 0:
		v.Low, v.High = "0 %", percent(float64(r.Style.Limit))+" or more, per patch"
	default:
		v.Low, v.High = "0 %", "highest share in this photograph"
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

// Name names a class, without a link.
func (v *pageView) Name(class int) nameView {
	folder := v.Classes[class].Name
	return nameView{Text: DisplayName(folder), Folder: folder}
}

// Class names a class, with a link to its first sample.
func (v *pageView) Class(class int) nameView { return v.Mistaken(class, class) }

// Mistaken names class, with a link to a sample of it that is predicted as another, if there is one.
func (v *pageView) Mistaken(class, predicted int) nameView {
	name := v.Name(class)
	if name.Link = v.class[class]; class != predicted {
		name.Link = cmp.Or(v.mistake[[2]int{class, predicted}], name.Link)
	}
	return name
}

// examples is how many samples stand above the tables: the first correct ones, of as many classes.
const examples = 3

// writeSamples writes each sample to spool as soon as it comes, and the examples to Examples.
func (v *pageView) writeSamples(ctx context.Context, spool io.Writer) error {
	if v.Samples == nil {
		return ctx.Err()
	}
	var above bytes.Buffer
	ofClass := map[int]int{} // examples
	class := -1              // of the last sample in the spool
	for s, err := range v.Samples {
		if err := errors.Join(ctx.Err(), err); err != nil {
			return err
		}
		sample, err := v.sample(s)
		if err != nil {
			return fmt.Errorf("sample %q: %w", s.Name, err)
		}
		w := spool
		if sample.Correct && v.Shown-v.Rest < examples && ofClass[s.True]*len(v.Classes) < examples {
			w, sample.First = &above, true
			ofClass[s.True]++
		} else {
			sample.First = s.True != class
			class = s.True
			v.Rest++
		}
		if err := page.ExecuteTemplate(w, "sample", sample); err != nil {
			return err
		}
		v.Shown++
		v.class[s.True] = cmp.Or(v.class[s.True], sample.Anchor)
		pair := [2]int{s.True, s.Predicted}
		v.mistake[pair] = cmp.Or(v.mistake[pair], sample.Anchor)
		if sample.Correct {
			v.Correct++
			if slices.ContainsFunc(s.Rows, func(r Row) bool { return r.StillWins }) {
				v.Blind++
			}
		}
	}
	v.Examples = template.HTML(above.String())
	return ctx.Err()
}

func (v *pageView) sample(s Sample) (*sampleView, error) {
	if err := v.known(s.True, s.Predicted); err != nil {
		return nil, err
	}
	photo := fit(s.Photo, v.Style.panel())
	var file bytes.Buffer
	if err := jpeg.Encode(&file, photo, &jpeg.Options{Quality: 85}); err != nil {
		return nil, err
	}
	return &sampleView{
		Sample: s, Page: v, Anchor: fmt.Sprintf("sample-%d", v.Shown), Correct: s.True == s.Predicted,
		Photo: dataURI("href", "image/jpeg", file.Bytes()), Size: photo.Rect.Size(), limit: v.Style.limit(maps(s.Rows)...),
	}, nil
}

// Limit is the top of the Absolute scale.
func (s *sampleView) Limit() string { return percent(float64(s.limit)) }

// Map is a map as a picture to lay over the photograph.
func (s *sampleView) Map(h heat.Map) (template.HTMLAttr, error) {
	var file bytes.Buffer
	err := png.Encode(&file, s.Page.Style.veil(h, s.limit))
	return dataURI("href", "image/png", file.Bytes()), err
}

// veil draws a map alone, in transparent colours, for the browser to stretch over the photograph. With 4
// points per patch and 128 colours it takes two or three kilobytes, an overlay twenty.
func (s Style) veil(h heat.Map, limit float32) *image.Paletted {
	const points, colours = 4, 128
	palette := make(color.Palette, colours)
	for i := range palette {
		// Opacity grows with the root of t, so squares make its steps even; even steps of t would show as
		// blotches where there is little attention.
		t := float64(i) / (colours - 1)
		palette[i] = s.shade(t * t)
	}
	m := image.NewPaletted(image.Rect(0, 0, max(1, h.W*points), max(1, h.H*points)), palette)
	if len(h.Values) == 0 {
		return m
	}
	large := h.Resize(h.W*points, h.H*points)
	level := s.level(large, limit)
	for i, v := range large.Values {
		m.Pix[i] = uint8(math.Sqrt(level(v))*(colours-1) + 0.5)
	}
	return m
}

// gradient is the colour bar as a CSS background.
func (s Style) gradient() template.CSS {
	const stops = 24
	css := make([]string, stops+1)
	for i := range css {
		c := s.overGrey(float64(i) / stops)
		css[i] = fmt.Sprintf("#%02x%02x%02x", c.R, c.G, c.B)
	}
	return template.CSS("linear-gradient(to right," + strings.Join(css, ",") + ")")
}

// dataURI returns the attribute name="data:...". The template would write each plus of base64 as five
// characters.
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
