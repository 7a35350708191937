package data

import (
	"fmt"
	"image"
	"image/color"
	"math"
	"slices"
)

// RGB is an 8-bit colour image without alpha: H rows of W interleaved
// R, G, B triples. It implements image.Image and draw.RGBA64Image.
type RGB struct {
	Pix  []uint8 // [H, W, 3]
	W, H int
}

// NewRGB returns a black image. It panics if a side is negative, or memory could never hold the image.
func NewRGB(w, h int) *RGB {
	if w < 0 || h < 0 {
		panic(fmt.Sprintf("data: NewRGB: size %dx%d is negative", w, h))
	}
	if w > 0 && h > math.MaxInt/3/w {
		panic(fmt.Sprintf("data: NewRGB: size %dx%d is too large", w, h))
	}
	return &RGB{Pix: make([]uint8, 3*w*h), W: w, H: h}
}

// ColorModel implements image.Image. Colours given to Set lose their alpha as in ToRGB.
func (m *RGB) ColorModel() color.Model { return color.RGBAModel }

// Bounds implements image.Image.
func (m *RGB) Bounds() image.Rectangle { return image.Rect(0, 0, m.W, m.H) }

// At implements image.Image; outside the image it is transparent black.
func (m *RGB) At(x, y int) color.Color {
	return color.RGBAModel.Convert(m.RGBA64At(x, y))
}

// RGBA64At implements image.RGBA64Image, through which image/draw reads pixels without an
// allocation for each; outside the image it is transparent black.
func (m *RGB) RGBA64At(x, y int) color.RGBA64 {
	if !(image.Point{x, y}).In(m.Bounds()) {
		return color.RGBA64{}
	}
	p := m.Pix[3*(y*m.W+x):]
	return color.RGBA64{0x101 * uint16(p[0]), 0x101 * uint16(p[1]), 0x101 * uint16(p[2]), 0xffff}
}

// Set implements draw.Image; outside the image it does nothing.
func (m *RGB) Set(x, y int, c color.Color) {
	if (image.Point{x, y}).In(m.Bounds()) {
		r, g, b := straight(c)
		p := m.Pix[3*(y*m.W+x):]
		p[0], p[1], p[2] = r, g, b
	}
}

// SetRGBA64 implements draw.RGBA64Image, through which image/draw writes pixels without an allocation for each. It
// is Set for one type of colour.
func (m *RGB) SetRGBA64(x, y int, c color.RGBA64) {
	if !(image.Point{x, y}).In(m.Bounds()) {
		return
	}
	r, g, b := uint32(c.R), uint32(c.G), uint32(c.B)
	if a := uint32(c.A); a != 0xffff && a != 0 { // as color.NRGBA64Model
		r, g, b = r*0xffff/a, g*0xffff/a, b*0xffff/a
	} else if a == 0 {
		r, g, b = 0, 0, 0
	}
	put(m.Pix[3*(y*m.W+x):], uint8(r>>8), uint8(g>>8), uint8(b>>8))
}

// reuseRGB returns an image of any content in the memory pix if that is enough.
func reuseRGB(pix []uint8, w, h int) *RGB {
	m := &RGB{Pix: pix}
	m.resize(w, h)
	return m
}

// resize makes m an image of w x h pixels, of any content, in the memory it has where that is enough.
func (m *RGB) resize(w, h int) {
	m.Pix, m.W, m.H = slices.Grow(m.Pix[:0], 3*w*h)[:3*w*h], w, h
}

// row returns row y.
func (m *RGB) row(y int) []uint8 { return m.Pix[3*y*m.W : 3*(y+1)*m.W] }

// straight returns a colour's own red, green and blue, whatever its alpha:
// what Pillow's convert("RGB") keeps.
func straight(c color.Color) (r, g, b uint8) {
	switch c := c.(type) {
	case color.NRGBA:
		return c.R, c.G, c.B
	case color.RGBA:
		return unmultiply(c.R, c.A), unmultiply(c.G, c.A), unmultiply(c.B, c.A)
	}
	n := color.NRGBA64Model.Convert(c).(color.NRGBA64)
	return uint8(n.R >> 8), uint8(n.G >> 8), uint8(n.B >> 8)
}

// unmultiply undoes the multiplication of v by alpha a. Nothing is known of a
// fully transparent pixel's colour: it stays as it is.
func unmultiply(v, a uint8) uint8 {
	if a == 255 || a == 0 {
		return v
	}
	return uint8(min(255, uint32(v)*255/uint32(a)))
}

// ToRGB converts any image to 8-bit RGB as Pillow's convert("RGB") does: alpha is dropped, not blended;
// palettes are looked up; 16-bit samples keep their high byte (Pillow clips 16-bit grey to 255 instead, which
// makes most such pictures white); YCbCr is JPEG's full range with halved chroma planes interpolated as
// libjpeg does it. An *RGB is returned as it is, not copied.
func ToRGB(m image.Image) *RGB { return toRGB(m, nil) }

// toRGB is ToRGB into the memory pix if that is enough.
func toRGB(m image.Image, pix []uint8) *RGB {
	switch m := m.(type) {
	case *RGB:
		return m
	case *image.YCbCr:
		return fromYCbCr(m, jpegRange, pix)
	case *image.NYCbCrA:
		return fromYCbCr(&m.YCbCr, jpegRange, pix)
	}
	b := m.Bounds()
	out := reuseRGB(pix, b.Dx(), b.Dy())
	for y := range out.H {
		convertRow(out.row(y), m, b.Min.X, b.Min.Y+y)
	}
	return out
}

// convertRow writes the pixels of m from (x, y) on to the row dst.
func convertRow(dst []uint8, m image.Image, x, y int) {
	n := len(dst) / 3
	if n == 0 {
		return
	}
	switch m := m.(type) {
	case *image.Gray:
		for i, v := range m.Pix[m.PixOffset(x, y):][:n] {
			put(dst[3*i:], v, v, v)
		}
	case *image.Gray16:
		src := m.Pix[m.PixOffset(x, y):][:2*n]
		for i := range n {
			v := src[2*i]
			put(dst[3*i:], v, v, v)
		}
	case *image.NRGBA64:
		src := m.Pix[m.PixOffset(x, y):][:8*n]
		for i := range n {
			p := src[8*i : 8*i+8 : 8*i+8]
			put(dst[3*i:], p[0], p[2], p[4])
		}
	case *image.NRGBA:
		src := m.Pix[m.PixOffset(x, y):][:4*n]
		for i := range n {
			p := src[4*i : 4*i+4 : 4*i+4]
			put(dst[3*i:], p[0], p[1], p[2])
		}
	case *image.RGBA:
		src := m.Pix[m.PixOffset(x, y):][:4*n]
		for i := range n {
			p := src[4*i : 4*i+4 : 4*i+4]
			put(dst[3*i:], unmultiply(p[0], p[3]), unmultiply(p[1], p[3]), unmultiply(p[2], p[3]))
		}
	case *image.CMYK:
		src := m.Pix[m.PixOffset(x, y):][:4*n]
		for i := range n {
			p := src[4*i : 4*i+4 : 4*i+4]
			white := 255 - uint32(p[3])
			put(dst[3*i:], ink(p[0], white), ink(p[1], white), ink(p[2], white))
		}
	case *image.Paletted:
		var table [256][3]uint8 // an index beyond the palette is black
		for i, c := range m.Palette[:min(256, len(m.Palette))] {
			table[i][0], table[i][1], table[i][2] = straight(c)
		}
		for i, v := range m.Pix[m.PixOffset(x, y):][:n] {
			c := &table[v]
			put(dst[3*i:], c[0], c[1], c[2])
		}
	default:
		for i := range n {
			r, g, b := straight(m.At(x+i, y))
			put(dst[3*i:], r, g, b)
		}
	}
}

func put(dst []uint8, r, g, b uint8) {
	_ = dst[2]
	dst[0], dst[1], dst[2] = r, g, b
}

// lookUp writes the colours that a table has for indices of depth bits, at most 8, which are packed into bytes.
func lookUp(dst, row []uint8, depth int, table *[256][3]uint8) {
	mask, perByte := uint8(1<<depth-1), 8/depth
	for i := range len(dst) / 3 {
		v := row[i/perByte] >> (8 - depth - i%perByte*depth) & mask
		copy(dst[3*i:3*i+3], table[v][:])
	}
}

// ink is the light left of white by an ink c: white (255 - c) / 255, rounded as in Pillow's CMYK conversion.
func ink(c uint8, white uint32) uint8 {
	t := uint32(c)*white + 128
	return uint8(white - (t+t>>8)>>8)
}
