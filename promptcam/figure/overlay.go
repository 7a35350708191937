package figure

import (
	"cmp"
	"image"
	"image/color"
	"image/draw"
	"math"

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
	// the shape of weak maps but hides that they are weak.
	Relative
)

// Style says how maps are drawn. The zero value is a good default.
type Style struct {
	Map   Colormap // nil means Inferno
	Scale Scale

	// Limit is the share of attention on one patch that gets the strongest colour under the Absolute scale. 0
	// means the largest value of the maps drawn together, but at least 4 times a uniform map's, 1/M on each
	// of M patches, so that a map without a focus does not seem to have one.
	Limit float32

	// Opacity of the strongest colour, up to 1; 0 means 0.8. Weaker colours are more transparent, and where
	// there is no attention the photograph is unchanged.
	Opacity float64

	Panel int // longest side of one picture in a Sheet or Report, pixels; 0 means 224
}

const focus = 4 // times a uniform map's attention, the least that gets the strongest colour without Style.Limit

// limit returns the top of the absolute scale for maps drawn together.
func (s Style) limit(maps ...heat.Map) float32 {
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

// shade returns the colour of point t of the scale, with its opacity as alpha.
func (s Style) shade(t float64) color.NRGBA {
	colours, opacity := s.Map, cmp.Or(max(0, s.Opacity), 0.8)
	if colours == nil {
		colours = Inferno
	}
	t = unit(t)
	c := colours(t)
	// The root gives half the range 7/10 of the opacity. If it grew linearly, the photograph's own colours
	// could pass for weak attention.
	return color.NRGBA{c.R, c.G, c.B, uint8(math.Round(255 * unit(opacity) * math.Sqrt(t)))}
}

// overGrey returns the colour of point t of the scale over a mid-grey photograph.
func (s Style) overGrey(t float64) color.RGBA {
	c := s.shade(t)
	return color.RGBA{mix(128, c.R, c.A), mix(128, c.G, c.A), mix(128, c.B, c.A), 255}
}

// level returns a function from values of h to the scale, 0 to 1. limit is the top of the Absolute scale.
func (s Style) level(h heat.Map, limit float32) func(v float32) float64 {
	low, high := float32(0), limit
	if s.Scale == Relative {
		low, high = h.Range()
	}
	if high <= low {
		return func(float32) float64 { return 0 } // a flat map has nothing to stretch
	}
	return func(v float32) float64 { return unit((float64(v) - float64(low)) / (float64(high) - float64(low))) }
}

// Overlay draws a map over all of its photograph and returns a picture of the photograph's size with its
// origin at (0, 0). Where there is no attention, the photograph is unchanged.
func Overlay(photo image.Image, h heat.Map, s Style) *image.RGBA {
	return s.overlay(photo, h, s.limit(h))
}

func (s Style) overlay(photo image.Image, h heat.Map, limit float32) *image.RGBA {
	size := photo.Bounds().Size()
	picture := image.NewRGBA(image.Rectangle{Max: size})
	draw.Draw(picture, picture.Rect, photo, photo.Bounds().Min, draw.Src)
	if size.X == 0 || size.Y == 0 || len(h.Values) == 0 {
		return picture
	}
	// Values are resized, not colours: halfway between dark and bright is the colour of half the attention,
	// not a blend.
	large := h.Resize(size.X, size.Y)
	level := s.level(large, limit)
	for i, v := range large.Values {
		c := s.shade(level(v))
		at := picture.Pix[i*4:][:4]
		at[0] = mix(at[0], c.R, c.A)
		at[1] = mix(at[1], c.G, c.A)
		at[2] = mix(at[2], c.B, c.A)
	}
	return picture
}

// mix blends alpha/255 of b over a.
func mix(a, b, alpha uint8) uint8 {
	return uint8((int(a)*(255-int(alpha)) + int(b)*int(alpha) + 127) / 255)
}

// fit returns photo, without alpha, scaled so that its longest side is side pixels.
func fit(photo image.Image, side int) *image.RGBA {
	size := photo.Bounds().Size()
	longest := max(size.X, size.Y, 1)
	scaled := image.NewRGBA(image.Rect(0, 0, max(1, size.X*side/longest), max(1, size.Y*side/longest)))
	if !photo.Bounds().Empty() {
		small := data.Resize(data.ToRGB(photo), scaled.Rect.Dx(), scaled.Rect.Dy(), data.Bicubic)
		draw.Draw(scaled, scaled.Rect, small, image.Point{}, draw.Src)
	}
	return scaled
}
