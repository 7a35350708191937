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

	"github.com/promptcam/promptcam/promptcam"
	"github.com/promptcam/promptcam/vit/heat"
)

//go:embed report.html
var reportHTML string

var page = template.Must(template.New("report").Funcs(template.FuncMap{
	"count": thousands, "note": Row.note,
	"percent": func(share float64) string { return fmt.Sprintf("%.1f %%", 100*share) },
	"mean": func(i heat.Interval) string {
		if i.N == 0 {
			return "–"
		}
		return fmt.Sprintf("%.1f %%", 100*i.Mean)
	},
	"bounds":  func(i heat.Interval) string { return fmt.Sprintf("%.0f to %.0f %%", 100*i.Low, 100*i.High) },
	"between": func(i heat.Interval) string { return fmt.Sprintf("%.1f to %.1f %%", 100*i.Low, 100*i.High) },
	"wilson":  func(share float64, images int) heat.Interval { return heat.Wilson(share, images) },
	"brief":   func(name string) string { return brief(name, 2*longest) },
	"pale":    func() float64 { return pale },
	"width":   func(share float64) string { return fmt.Sprintf("%.1f%%", 100*unit(share)) }, // CSS allows no space
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
		Low, High string       // ends of the colour scale
		Sides     template.CSS // the scale of evidence
		Relative  bool
		Pairs     []*pairView // the confusions
		Alike     []alikeView // the classes that are most alike, each pair once

		Examples                  template.HTML // a few samples that are classified correctly
		Shown, Rest, Wrong, Blind int           // samples; those below the tables; wrong ones; correct ones that no map explains
		Shared, Marked            bool          // a head attends to more than patches; one is the best of its class
		Told                      bool          // a sample has a map of evidence

		class  map[int]string    // by true class, the anchor of its first sample
		sample map[string]string // by name, the anchor of the sample
		first  map[[2]int]photo  // by true and predicted class, the first sample
		pair   map[[2]int]*pairView
		trait  map[int]*TraitRow // by class
		photo  map[string]photo  // by name, those that stand on the page
		others int               // those that are no sample's
	}
	// alikeView is two classes, the first of which has the second as its nearest look-alike.
	alikeView struct {
		A, B     nameView
		Distance float64
	}
	nameView struct{ Text, Folder, Link string } // Link is an anchor, "" for none

	// pairView is two classes that are taken for each other. ID is its anchor.
	pairView struct {
		ID   string
		Ways []wayView
	}
	wayView struct {
		promptcam.Confusion
		page *pageView
	}
	// photo is a sample's, to draw again at another place.
	photo struct {
		Anchor string
		Size   image.Point
	}
	sampleView struct {
		Sample
		Page           *pageView
		Anchor         string
		First, Correct bool          // First of its class
		Drawn          template.HTML // the photograph
		Size           image.Point
		limit, logOdds float32
	}
	panelView struct {
		Panel
		Row     Row
		Sample  *sampleView
		Caption string
		Class   string // in the page's CSS
	}
)

// Right is how many samples are classified correctly.
func (v *pageView) Right() int { return v.Shown - v.Wrong }

// view returns the page's view without samples.
func (r *Report) view() (*pageView, error) {
	v := &pageView{
		Report: r, Legend: r.Style.signed(false).gradient(), Sides: r.Style.signed(true).gradient(), Relative: r.Style.Scale == Relative,
		class: map[int]string{}, sample: map[string]string{}, first: map[[2]int]photo{}, pair: map[[2]int]*pairView{}, trait: map[int]*TraitRow{},
		photo: map[string]photo{},
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
		key := [2]int{min(c.True, c.Predicted), max(c.True, c.Predicted)}
		if v.pair[key] == nil {
			v.pair[key] = &pairView{ID: fmt.Sprintf("pair-%d-%d", key[0], key[1])}
			v.Pairs = append(v.Pairs, v.pair[key])
		}
		v.pair[key].Ways = append(v.pair[key].Ways, wayView{c, v})
	}
	for i, m := range r.Mistakes {
		if err := r.known(m.True, m.Predicted); err != nil {
			return nil, fmt.Errorf("mistake %d: %w", i, err)
		}
	}
	if r.Traits != nil {
		for i := range r.Traits.Rows {
			row := &r.Traits.Rows[i]
			if err := r.known(row.Class); err != nil {
				return nil, fmt.Errorf("row %d of traits: %w", i, err)
			}
			v.trait[row.Class] = row
		}
	}
	if err := v.alike(); err != nil {
		return nil, err
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

// alike finds the most alike classes.
func (v *pageView) alike() error {
	if n := len(v.LookAlikes); n > 0 && n != len(v.Classes) {
		return fmt.Errorf("look-alikes of %d classes, want %d", n, len(v.Classes))
	}
	seen := map[[2]int]bool{}
	for c, of := range v.LookAlikes {
		for i, a := range of {
			if err := v.known(a.Class); err != nil {
				return fmt.Errorf("look-alikes of class %d: %w", c, err)
			}
			pair := [2]int{min(c, a.Class), max(c, a.Class)}
			if i == 0 && !seen[pair] {
				seen[pair] = true
				v.Alike = append(v.Alike, alikeView{v.Name(c), v.Name(a.Class), a.Distance})
			}
		}
	}
	slices.SortStableFunc(v.Alike, func(a, b alikeView) int { return cmp.Compare(a.Distance, b.Distance) })
	v.Alike = v.Alike[:min(named, len(v.Alike))]
	return nil
}

// named is how many pairs of look-alikes the page names at its top.
const named = 5

func (r *Report) known(classes ...int) error {
	for _, c := range classes {
		if c < 0 || c >= len(r.Classes) {
			return fmt.Errorf("class %d, want 0 to %d", c, len(r.Classes)-1)
		}
	}
	return nil
}

// Name names a class, with a link to its row of the table of classes.
func (v *pageView) Name(class int) nameView {
	folder := v.Classes[class].Name
	return nameView{DisplayName(folder), brief(folder, 2*longest), fmt.Sprintf("class-%d", class)}
}

// Class names a class, with a link to its first sample, if there is one.
func (v *pageView) Class(class int) nameView {
	name := v.Name(class)
	name.Link = v.class[class]
	return name
}

// Mistake is the anchor of a mistake's sample, if it is one.
func (v *pageView) Mistake(m Mistake) string { return v.sample[m.Name] }

// Incorrect counts the test images that are classified wrongly.
func (v *pageView) Incorrect() int { return v.Total.Images - v.Total.Correct }

// TrueName and PredictedName name the classes.
func (w wayView) TrueName() nameView      { return w.page.Name(w.True) }
func (w wayView) PredictedName() nameView { return w.page.Name(w.Predicted) }

// Photo is the first sample of the confusion; its Anchor is empty if there is none.
func (w wayView) Photo() photo { return w.page.first[[2]int{w.True, w.Predicted}] }

// examples is how many samples stand above the tables: the first correct ones that need their maps, of as many
// classes.
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
		sample, err := v.sampleOf(s)
		if err != nil {
			return fmt.Errorf("sample %q: %w", s.Name, err)
		}
		w := spool
		if sample.Correct && !sample.Blind() && v.Shown-v.Rest < examples && ofClass[s.True]*len(v.Classes) < examples {
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
		v.sample[s.Name] = cmp.Or(v.sample[s.Name], sample.Anchor)
		if pair := [2]int{s.True, s.Predicted}; v.first[pair].Anchor == "" {
			v.first[pair] = photo{sample.Anchor, sample.Size}
		}
		for _, row := range s.Rows {
			v.Told = v.Told || row.signed()
			v.Shared = v.Shared || slices.ContainsFunc(row.Panels, Panel.shared)
			v.Marked = v.Marked || slices.ContainsFunc(row.Panels, func(p Panel) bool { return p.Best })
		}
		switch {
		case !sample.Correct:
			v.Wrong++
		case sample.Blind():
			v.Blind++
		}
	}
	v.Examples = template.HTML(above.String())
	return ctx.Err()
}

func (v *pageView) sampleOf(s Sample) (*sampleView, error) {
	if err := v.known(s.True, s.Predicted); err != nil {
		return nil, err
	}
	anchor := fmt.Sprintf("sample-%d", v.Shown)
	drawn, size, err := v.draw(s.Photo, anchor+"-photo", v.photo[s.Name].Anchor)
	if err != nil {
		return nil, err
	}
	v.place(s.Name, photo{anchor + "-photo", size})
	return &sampleView{
		Sample: s, Page: v, Anchor: anchor, Correct: s.True == s.Predicted, Drawn: drawn, Size: size,
		limit: v.Style.signed(false).limit(maps(s.Rows, false)...), logOdds: v.Style.signed(true).limit(maps(s.Rows, true)...),
	}, nil
}

// Evidence and Attention are the rows of either kind.
func (s *sampleView) Evidence() []Row { return s.rows(true) }

func (s *sampleView) Attention() []Row { return s.rows(false) }

func (s *sampleView) rows(evidence bool) (some []Row) {
	for _, r := range s.Rows {
		if r.signed() == evidence {
			some = append(some, r)
		}
	}
	return some
}

// Panels are those of a row: Lead those that are of no one head, Heads the others.
func (s *sampleView) Panels(r Row) []panelView { return s.panels(r, r.Panels) }

func (s *sampleView) Lead(r Row) []panelView { return s.panels(r, r.lead()) }

func (s *sampleView) Heads(r Row) []panelView { return s.panels(r, r.heads()) }

func (s *sampleView) panels(r Row, of []Panel) (all []panelView) {
	for i, p := range of {
		all = append(all, panelView{p, r, s, p.caption(i), p.class()})
	}
	return all
}

func (p panelView) Peak() string    { return p.Row.peak(p.Panel) }
func (p panelView) Subject() string { return p.Row.subject() }
func (p panelView) Shared() bool    { return p.shared() }

// Signed reports whether the map is of evidence, below which the photograph is pale.
func (p panelView) Signed() bool { return p.Row.signed() }

// draw returns a photograph as an SVG element of that id, with its size. It refers to the one that stands on the page
// under the name known, unless that is empty.
func (v *pageView) draw(m image.Image, id, known string) (template.HTML, image.Point, error) {
	size := fitted(m.Bounds().Size(), v.Style.panel())
	if known != "" {
		return template.HTML(fmt.Sprintf(`<use id="%s" href="#%s"/>`, id, known)), size, nil
	}
	var file bytes.Buffer
	if err := jpeg.Encode(&file, fit(m, v.Style.panel()), &jpeg.Options{Quality: 85}); err != nil {
		return "", size, err
	}
	return template.HTML(fmt.Sprintf(`<image id="%s" width="%d" height="%d" %s/>`, id, size.X, size.Y, dataURI("href", "image/jpeg", file.Bytes()))), size, nil
}

// place remembers where the photograph of a name stands, if it has one.
func (v *pageView) place(name string, at photo) {
	if v.photo[name].Anchor == "" && name != "" {
		v.photo[name] = at
	}
}

// Other draws the panel's own photograph.
func (p panelView) Other() (template.HTML, error) {
	v := p.Sample.Page
	v.others++
	id := fmt.Sprintf("other-%d", v.others)
	drawn, size, err := v.draw(p.Photo, id, v.photo[p.Detail].Anchor)
	v.place(p.Detail, photo{id, size})
	return drawn, err
}

// OtherSize is the size of its drawing.
func (p panelView) OtherSize() image.Point {
	return fitted(p.Photo.Bounds().Size(), p.Sample.Page.Style.panel())
}

// Blind reports whether the prediction stays with every map blurred.
func (s *sampleView) Blind() bool {
	return slices.ContainsFunc(s.Rows, func(r Row) bool { return r.StillWins })
}

// Pair is the anchor of the confusion that the sample is one of, "" if that is not listed.
func (s *sampleView) Pair() string {
	if p := s.Page.pair[[2]int{min(s.True, s.Predicted), max(s.True, s.Predicted)}]; p != nil && !s.Correct {
		return p.ID
	}
	return ""
}

// Trait says what tells the true class from its look-alikes, "" if unknown.
func (s *sampleView) Trait() string {
	row := s.Page.trait[s.True]
	if row == nil || s.Page.Traits.Top == "" || row.Trait == "" {
		return ""
	}
	return "differs from its look-alikes in: " + row.Trait
}

// Limit and LogOdds are the tops of the Absolute scales.
func (s *sampleView) Limit() string   { return percent(float64(s.limit)) }
func (s *sampleView) LogOdds() string { return strings.TrimPrefix(plus(float64(s.logOdds)), "+") }

// Map is the map as a picture to lay over the photograph.
func (p panelView) Map() (template.HTMLAttr, error) {
	limit, style := p.Sample.limit, p.Sample.Page.Style.signed(p.Row.signed())
	if style.Signed {
		limit = p.Sample.logOdds
	}
	var file bytes.Buffer
	err := png.Encode(&file, style.veil(p.Heat, limit))
	return dataURI("href", "image/png", file.Bytes()), err
}

// veil draws a map alone, in transparent colours, for the browser to stretch over the photograph. With 4
// points per patch and 128 colours it takes two or three kilobytes, an overlay twenty.
func (s Style) veil(h heat.Map, limit float32) *image.Paletted {
	const points, colours = 4, 128
	zero, last := 0, float64(colours-1) // colour of 0, and how many lie on one side of it
	if s.Signed {
		zero, last = colours/2, colours/2-1
	}
	palette := make(color.Palette, colours)
	for i := range palette {
		// Opacity of attention grows with the root of t, so squares make its steps even; even steps of t would
		// show as blotches where there is little attention. Steps of evidence are even anyway.
		t := float64(i-zero) / last
		if !s.Signed {
			t *= t
		}
		palette[i] = s.shade(t)
	}
	m := image.NewPaletted(image.Rect(0, 0, max(1, h.W*points), max(1, h.H*points)), palette)
	if len(h.Values) == 0 {
		return m
	}
	large := h.Resize(h.W*points, h.H*points)
	level := s.level(large, limit)
	for i, v := range large.Values {
		t := level(v)
		if !s.Signed {
			t = math.Sqrt(t)
		}
		m.Pix[i] = uint8(zero + int(math.Round(t*last)))
	}
	return m
}

// gradient is the colour bar as a CSS background.
func (s Style) gradient() template.CSS {
	const stops = 24
	css := make([]string, stops+1)
	for i := range css {
		t := float64(i) / stops
		if s.Signed {
			t = 2*t - 1
		}
		c := s.overGrey(t)
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
