package figure

import (
	"bytes"
	"fmt"
	"html/template"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"math"
	"slices"
	"strings"

	"github.com/promptcam/promptcam/vit/heat"
)

// The views of one sample and of one of its panels are what the card shows of them.
type (
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

// sampleOf is the view of a sample.
func (v *pageView) sampleOf(s Sample) (*sampleView, error) {
	if err := v.known(s.True, s.Predicted); err != nil {
		return nil, err
	}
	anchor := fmt.Sprintf("sample-%d", v.Shown)
	drawn, size, err := v.draw(s.Photo, anchor+"-photo", v.other[s.Name])
	if err != nil {
		return nil, err
	}
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

// draw returns a photograph as an SVG element of that id, with its size. Unless the anchor known is empty, it refers
// to the one that stands there.
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

// Other draws the panel's own photograph.
func (p panelView) Other() (template.HTML, error) {
	v := p.Sample.Page
	v.others++
	id, known := fmt.Sprintf("other-%d", v.others), v.other[p.Detail]
	if sample := v.sample[p.Detail]; sample != "" && p.Detail != "" {
		known = sample + "-photo"
	}
	if known == "" && p.Detail != "" {
		v.other[p.Detail] = id
	}
	drawn, _, err := v.draw(p.Photo, id, known)
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
