package figure

import (
	"cmp"
	"image"
	"image/color"
	"image/draw"
	"math"
	"slices"

	"github.com/promptcam/promptcam/data"
	"github.com/promptcam/promptcam/vit/heat"
)

// Scale says which value of a map gets the strongest colour.
type Scale int

const (
	// Absolute runs from 0 to one limit for all maps of a picture. A head that hardly attends to the image
	// stays faint beside one that does.
	Absolute Scale = iota
	// Relative stretches each map from its smallest to its largest value, as the authors' code does. It shows
	// the shape of weak maps but hides that they are weak. The colours of a signed map stay symmetric about 0.
	Relative
)

// Style says how maps are drawn. The zero value is a good default.
type Style struct {
	Map   Colormap // of attention; nil means Inferno
	Scale Scale

	// Signed draws maps of evidence, such as promptcam.Evidence.Map, by OrangeBlue: orange is for, blue against,
	// and the photograph is unchanged where there is neither. A Sheet and a Report draw evidence so in any case.
	Signed bool

	// Limit is the share of attention on one patch that gets the strongest colour under the Absolute scale. 0
	// means the largest value of the maps drawn together, but at least 4 times a uniform map's, 1/M on each
	// of M patches, so that a map without a focus does not seem to have one.
	Limit float32

	// LogOdds is the same for maps of evidence, in units of the score and for either sign. 0 means the largest
	// absolute value of the maps drawn together, but at least 0.5.
	LogOdds float32

	// Opacity of the strongest colour, up to 1; 0 means 0.8. Weaker colours are more transparent, and where
	// there is no attention the photograph is unchanged.
	Opacity float64

	Panel int // longest side of one picture in a Sheet or Report, pixels; 0 means 224
}

const (
	focus = 4   // times a uniform map's attention, the least that gets the strongest colour without Style.Limit
	weigh = 0.5 // log odds: one patch makes the class 1.6 times as likely; likewise without Style.LogOdds
)

// signed is s for maps of evidence, or for those of attention.
func (s Style) signed(evidence bool) Style {
	s.Signed = evidence
	return s
}

// limit returns the top of the absolute scale for maps drawn together.
func (s Style) limit(maps ...heat.Map) float32 {
	if s.Signed {
		top := s.LogOdds
		if !(top > 0) {
			top = weigh
			for _, h := range maps {
				low, high := h.Range()
				top = max(top, -low, high)
			}
		}
		return top
	}
	if s.Limit > 0 {
		return s.Limit
	}
	var top float32
	for _, h := range maps {
		if _, most := h.Range(); len(h.Values) > 0 {
			top = max(top, most, focus/float32(len(h.Values)))
		}
	}
	return top
}

func (s Style) panel() int { return cmp.Or(max(0, s.Panel), 224) }

// shade returns the colour of point t of the scale, with its opacity as alpha. Of a signed scale t is from -1 to 1.
func (s Style) shade(t float64) color.NRGBA {
	colours, opacity := s.Map, cmp.Or(max(0, s.Opacity), 0.8)
	if colours == nil {
		colours = Inferno
	}
	if s.Signed {
		colours = OrangeBlue
	} else {
		t = unit(t)
	}
	c := colours(t)
	// The root gives half the range 7/10 of the opacity. If it grew linearly, the photograph's own colours could
	// pass for weak attention. Evidence is drawn over grey, and next to none of it must not look like some.
	strength := math.Sqrt(unit(t))
	if s.Signed {
		strength = math.Pow(unit(math.Abs(t)), 0.75)
	}
	return color.NRGBA{c.R, c.G, c.B, uint8(math.Round(255 * unit(opacity) * strength))}
}

// shades returns shade for so many points. For many it is a table in steps of 1/65535, by which a colour is at
// most one level off.
func (s Style) shades(points int) func(t float64) color.NRGBA {
	const last = 1<<16 - 1
	if points <= 4*last {
		return s.shade
	}
	tables := [2][]color.NRGBA{make([]color.NRGBA, last+1), nil}
	for i := range tables[0] {
		tables[0][i] = s.shade(float64(i) / last)
	}
	if s.Signed {
		for i := range last + 1 {
			tables[1] = append(tables[1], s.shade(-float64(i)/last))
		}
	}
	return func(t float64) color.NRGBA {
		if t < 0 {
			return tables[1][int(-t*last+0.5)]
		}
		return tables[0][int(t*last+0.5)]
	}
}

// overGrey returns the colour of point t of the scale over a mid-grey photograph.
func (s Style) overGrey(t float64) color.RGBA {
	c := s.shade(t)
	return color.RGBA{mix(128, c.R, c.A), mix(128, c.G, c.A), mix(128, c.B, c.A), 255}
}

// level returns a function from values of h to the scale: 0 to 1 or, if it is signed, -1 to 1. limit is the top of
// the Absolute scale.
func (s Style) level(h heat.Map, limit float32) func(v float32) float64 {
	low, high := h.Range()
	return s.levels(low, high, limit)
}

// levels is level for values of which low and high are the least and the largest.
func (s Style) levels(low, high, limit float32) func(v float32) float64 {
	switch {
	case s.Signed && s.Scale == Relative:
		return about(max(-low, high))
	case s.Signed:
		return about(limit)
	case s.Scale == Relative:
		return between(low, high)
	}
	return between(0, limit)
}

// about returns a function from values to their places from -most, -1, over 0 to most, 1.
func about(most float32) func(v float32) float64 {
	up := between(0, most)
	return func(v float32) float64 {
		if v < 0 {
			return -up(-v)
		}
		return up(v)
	}
}

// between returns a function from values to their places from low, 0, to high, 1.
func between(low, high float32) func(v float32) float64 {
	if high <= low {
		return func(float32) float64 { return 0 } // a flat map has nothing to stretch
	}
	return func(v float32) float64 { return unit((float64(v) - float64(low)) / (float64(high) - float64(low))) }
}

// Overlay draws a map over all of its photograph and returns a picture of the photograph's size with its
// origin at (0, 0). Where there is no attention or, with Style.Signed, no evidence, the photograph is unchanged.
func Overlay(photo image.Image, h heat.Map, s Style) *image.RGBA {
	return s.overlay(photo, h, s.limit(h))
}

func (s Style) overlay(photo image.Image, h heat.Map, limit float32) *image.RGBA {
	picture := copyOf(photo)
	size := picture.Rect.Size()
	if size.X == 0 || size.Y == 0 || len(h.Values) == 0 {
		return picture
	}
	// Values are resized, not colours: halfway between dark and bright is the colour of half the attention,
	// not a blend.
	low, high := float32(math.Inf(1)), float32(math.Inf(-1))
	if s.Scale == Relative {
		for _, row := range h.Rows(size.X, size.Y) {
			low, high = min(low, slices.Min(row)), max(high, slices.Max(row))
		}
	}
	level := s.levels(low, high, limit)
	shade := s.shades(size.X * size.Y)
	for y, row := range h.Rows(size.X, size.Y) {
		pixels := picture.Pix[y*picture.Stride:]
		for x, v := range row {
			t := level(v)
			if t == 0 {
				continue // without opacity
			}
			c := shade(t)
			at := pixels[4*x : 4*x+4 : 4*x+4]
			at[0] = mix(at[0], c.R, c.A)
			at[1] = mix(at[1], c.G, c.A)
			at[2] = mix(at[2], c.B, c.A)
		}
	}
	return picture
}

// copyOf returns the pixels of photo with its origin at (0, 0).
func copyOf(photo image.Image) *image.RGBA {
	picture := image.NewRGBA(image.Rectangle{Max: photo.Bounds().Size()})
	m, ok := photo.(*data.RGB)
	if !ok {
		draw.Draw(picture, picture.Rect, photo, photo.Bounds().Min, draw.Src)
		return picture
	}
	for i := range m.W * m.H {
		p, q := picture.Pix[4*i:4*i+4:4*i+4], m.Pix[3*i:3*i+3:3*i+3]
		p[0], p[1], p[2], p[3] = q[0], q[1], q[2], 255
	}
	return picture
}

// mix blends alpha/255 of b over a.
func mix(a, b, alpha uint8) uint8 {
	return uint8((int(a)*(255-int(alpha)) + int(b)*int(alpha) + 127) / 255)
}

// pale is how much of its colour a photograph keeps below evidence in a Sheet or a Report, so that what is orange or
// blue there is evidence. Its own colours are in the photograph beside it.
const pale = 0.15

// greyed returns a paler picture.
func greyed(m *image.RGBA) *image.RGBA {
	out := image.NewRGBA(m.Rect)
	for i := 0; i < len(m.Pix); i += 4 {
		p := m.Pix[i : i+4 : i+4]
		grey := 0.2126*float64(p[0]) + 0.7152*float64(p[1]) + 0.0722*float64(p[2]) // CSS's saturate does the same
		for c := range 3 {
			out.Pix[i+c] = uint8(math.Round(grey + pale*(float64(p[c])-grey)))
		}
		out.Pix[i+3] = p[3]
	}
	return out
}

// fit returns photo, without alpha, scaled so that its longest side is side pixels.
func fit(photo image.Image, side int) *image.RGBA {
	size := fitted(photo.Bounds().Size(), side)
	if photo.Bounds().Empty() {
		return image.NewRGBA(image.Rectangle{Max: size})
	}
	return copyOf(data.Resize(data.ToRGB(photo), size.X, size.Y, data.Bicubic))
}

// fitted is the size of fit's result.
func fitted(size image.Point, side int) image.Point {
	longest := max(size.X, size.Y, 1)
	return image.Pt(max(1, size.X*side/longest), max(1, size.Y*side/longest))
}

// fitInto returns photo scaled to fit into a box of that size; nil for nil.
func fitInto(photo image.Image, box image.Point) *image.RGBA {
	if photo == nil {
		return nil
	}
	size := photo.Bounds().Size()
	return fit(photo, min(max(size.X, size.Y)*box.X/max(size.X, 1), max(size.X, size.Y)*box.Y/max(size.Y, 1)))
}
