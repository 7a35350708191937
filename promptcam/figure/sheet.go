package figure

import (
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"math"
	"strconv"
	"strings"
	"sync"

	"github.com/promptcam/promptcam/promptcam"
	"github.com/promptcam/promptcam/vit/heat"
	"golang.org/x/image/font"
	"golang.org/x/image/font/gofont/gobold"
	"golang.org/x/image/font/gofont/goregular"
	"golang.org/x/image/font/opentype"
	"golang.org/x/image/math/fixed"
)

// Row is the maps of one class for one photograph, the most important head
// first. A photograph that was classified wrongly has two: the true class's and
// the predicted one's.
type Row struct {
	Title  string // such as "true: Scott Oriole, 12.3 %"
	Panels []Panel
}

// Panel is one head's map and what stands below it.
type Panel struct {
	Heat       heat.Map
	Head       int // the head's number, from 0 as in the model
	Share      promptcam.Share
	Sufficient bool   // among the sufficient traits: drawn in a frame
	Name       string // what to call it instead of "head N"
}

// Explained returns the row of the maps of a class's n most important heads, as Rank orders
// them; all of them if there are no more than n. Heads among the sufficient traits are
// marked.
func Explained(title string, e *promptcam.Explanation, class, n int, blur promptcam.Blur) Row {
	r := e.Rank(class, blur)
	row := Row{Title: title}
	for i, h := range r.Heads[:min(n, len(r.Heads))] {
		row.Panels = append(row.Panels, Panel{
			Heat: e.Heat(class, h.Head), Head: h.Head, Share: e.Share(class, h.Head), Sufficient: i < r.Sufficient,
		})
	}
	return row
}

// name returns the panel's place in the ranking and its name.
func (p Panel) name(i int) string {
	name := p.Name
	if name == "" {
		name = "head " + strconv.Itoa(p.Head)
	}
	return fmt.Sprintf("%d. %s", i+1, name)
}

var (
	ink   = color.RGBA{0x22, 0x22, 0x22, 255}
	faded = color.RGBA{0x6b, 0x6b, 0x6b, 255}
	track = color.RGBA{0xe4, 0xe4, 0xe4, 255}
	// Vermillion of the Okabe-Ito palette, which colour-blind readers tell apart.
	framed = color.RGBA{0xd5, 0x5e, 0x00, 255}
)

const (
	margin = 16
	line   = 20 // from one line of text to the next
	barH   = 52 // height of a colour bar with its ticks and label
)

// Sheet draws one figure: the photograph, to its right one row of overlays per
// class with captions, and below them the colour bar that all of them share.
// Below each overlay a grey line shows how much of the head's attention falls
// on the image at all.
func Sheet(photo image.Image, title string, rows []Row, s Style) *image.RGBA {
	small := fit(photo, s.panel())
	var maps []heat.Map
	most := 0
	for _, row := range rows {
		most = max(most, len(row.Panels))
		for _, p := range row.Panels {
			maps = append(maps, p.Heat)
		}
	}
	limit := s.limit(maps...)

	size := small.Rect.Size()
	cell := image.Pt(max(size.X, 180)+margin, line+size.Y+2*line+margin) // captions need 180 pixels
	head := margin
	if title != "" {
		head += line + 8
	}
	width := 2*margin + cell.X*(1+max(1, most))
	height := head + cell.Y*max(1, len(rows)) + barH + margin
	page := image.NewRGBA(image.Rect(0, 0, width, height))
	draw.Draw(page, page.Rect, image.White, image.Point{}, draw.Src)

	t := newText(page)
	t.write(margin, margin+line-4, width-2*margin, title, t.large, ink)
	draw.Draw(page, small.Rect.Add(image.Pt(margin, head+line)), small, image.Point{}, draw.Src)
	t.write(margin, head+line-7, cell.X-margin, "photograph", t.bold, ink)

	for i, row := range rows {
		top := head + i*cell.Y
		t.write(margin+cell.X, top+line-7, width-2*margin-cell.X, row.Title, t.bold, ink)
		for j, p := range row.Panels {
			at := image.Pt(margin+(j+1)*cell.X, top+line)
			box := small.Rect.Add(at)
			draw.Draw(page, box, s.overlay(small, p.Heat, limit), image.Point{}, draw.Src)
			colour := ink
			caption := p.name(j)
			if p.Sufficient {
				colour = framed
				caption += "  ● sufficient trait"
				frame(page, box.Inset(-3), 3, framed)
			}
			meter(page, image.Rect(at.X, box.Max.Y+6, box.Max.X, box.Max.Y+9), p.Share.Patches)
			t.write(at.X, box.Max.Y+line+4, cell.X-margin, caption, t.bold, colour)
			t.write(at.X, box.Max.Y+2*line, cell.X-8, p.Share.String(), t.small, faded)
		}
	}
	if len(maps) > 0 {
		bar := ColorBar(min(420, width-2*margin), limit, len(maps[0].Values), s)
		at := image.Pt(margin+cell.X, height-margin-barH)
		if width-at.X-margin < bar.Rect.Dx() {
			at.X = margin
		}
		draw.Draw(page, bar.Rect.Add(at), bar, image.Point{}, draw.Src)
	}
	return page
}

// ColorBar draws the colours of an absolute scale up to limit, as they look over
// a mid-grey photograph, with ticks in percent of a head's attention per patch
// and a note of what even attention over that many patches would be. Under the
// Relative scale the ends are each map's own, and the bar says so. It is width
// pixels wide and 52 high.
func ColorBar(width int, limit float32, patches int, s Style) *image.RGBA {
	const side, top, bottom = 10, 2, 16 // side: room for half a tick's label
	bar := image.NewRGBA(image.Rect(0, 0, max(width, 2*side+2), barH))
	draw.Draw(bar, bar.Rect, image.White, image.Point{}, draw.Src)
	span := bar.Rect.Dx() - 2*side - 1
	for x := range span + 1 {
		c := s.shade(float64(x) / float64(span))
		for y := top; y < bottom; y++ {
			bar.SetRGBA(side+x, y, color.RGBA{mix(128, c.R, c.A), mix(128, c.G, c.A), mix(128, c.B, c.A), 255})
		}
	}
	t := newText(bar)
	tick := func(x int, label string) {
		draw.Draw(bar, image.Rect(side+x, bottom, side+x+1, bottom+4), image.NewUniform(ink), image.Point{}, draw.Src)
		w := font.MeasureString(t.small, label).Round()
		t.write(min(max(0, side+x-w/2), bar.Rect.Dx()-w), bottom+15, bar.Rect.Dx(), label, t.small, ink)
	}
	note := "each map's own range: compare shapes, not strengths"
	if s.Scale == Relative {
		tick(0, "least")
		tick(span, "most")
	} else {
		for _, v := range ticks(float64(limit)) {
			tick(int(math.Round(v/float64(limit)*float64(span))), percent(v))
		}
		note = evenly(patches)
	}
	t.write(side, barH-5, bar.Rect.Dx()-side, note, t.small, faded)
	return bar
}

// evenly explains the unit of the absolute scale.
func evenly(patches int) string {
	note := "share of a head's attention on one patch"
	if patches > 0 {
		note += fmt.Sprintf("; spread evenly over %d: %s", patches, percent(1/float64(patches)))
	}
	return note
}

// percent writes a share with two significant digits.
func percent(share float64) string {
	return strconv.FormatFloat(100*share, 'g', 2, 64) + " %"
}

// ticks returns three to six round values from 0 to at most limit.
func ticks(limit float64) []float64 {
	if !(limit > 0) || math.IsInf(limit, 0) {
		return []float64{0}
	}
	unit := math.Pow(10, math.Floor(math.Log10(limit)))
	step := unit
	switch n := limit / unit; {
	case n < 2:
		step = unit / 2
	case n >= 5:
		step = 2 * unit
	}
	var at []float64
	for i := 0; float64(i)*step <= limit*(1+1e-6); i++ {
		at = append(at, float64(i)*step)
	}
	return at
}

// frame draws a line of the given width just inside r.
func frame(m *image.RGBA, r image.Rectangle, width int, c color.Color) {
	fill := image.NewUniform(c)
	inner := r.Inset(width)
	draw.Draw(m, image.Rect(r.Min.X, r.Min.Y, r.Max.X, inner.Min.Y), fill, image.Point{}, draw.Src)
	draw.Draw(m, image.Rect(r.Min.X, inner.Max.Y, r.Max.X, r.Max.Y), fill, image.Point{}, draw.Src)
	draw.Draw(m, image.Rect(r.Min.X, inner.Min.Y, inner.Min.X, inner.Max.Y), fill, image.Point{}, draw.Src)
	draw.Draw(m, image.Rect(inner.Max.X, inner.Min.Y, r.Max.X, inner.Max.Y), fill, image.Point{}, draw.Src)
}

// meter fills the left share of r.
func meter(m *image.RGBA, r image.Rectangle, share float64) {
	draw.Draw(m, r, image.NewUniform(track), image.Point{}, draw.Src)
	r.Max.X = r.Min.X + int(math.Round(unit(share)*float64(r.Dx())))
	draw.Draw(m, r, image.NewUniform(faded), image.Point{}, draw.Src)
}

// text writes on one picture. Faces keep a cache and are not for concurrent
// use, so each picture has its own.
type text struct {
	page               *image.RGBA
	small, bold, large font.Face
}

// Go's own fonts cover Latin, Greek and Cyrillic.
var regular, bold = sync.OnceValue(func() *opentype.Font { return parse(goregular.TTF) }),
	sync.OnceValue(func() *opentype.Font { return parse(gobold.TTF) })

func parse(ttf []byte) *opentype.Font {
	f, err := opentype.Parse(ttf)
	if err != nil {
		panic("figure: a font that is compiled in does not parse: " + err.Error())
	}
	return f
}

func newText(page *image.RGBA) *text {
	face := func(f *opentype.Font, size float64) font.Face {
		face, err := opentype.NewFace(f, &opentype.FaceOptions{Size: size, DPI: 72, Hinting: font.HintingFull})
		if err != nil {
			panic("figure: a font that is compiled in has no face: " + err.Error())
		}
		return face
	}
	return &text{page, face(regular(), 11), face(bold(), 12), face(bold(), 16)}
}

// write puts s at (x, y), y the line on which it stands, cut to width pixels.
func (t *text) write(x, y, width int, s string, face font.Face, c color.Color) {
	s = strings.ToValidUTF8(s, "\uFFFD")
	if font.MeasureString(face, s).Ceil() > width {
		runes := []rune(s)
		for len(runes) > 0 && font.MeasureString(face, string(runes)+"…").Ceil() > width {
			runes = runes[:len(runes)-1]
		}
		s = string(runes) + "…"
	}
	d := font.Drawer{Dst: t.page, Src: image.NewUniform(c), Face: face, Dot: fixed.P(x, y)}
	d.DrawString(s)
}
