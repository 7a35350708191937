package figure

import (
	"image"
	"image/color"
	"strings"

	"golang.org/x/image/font"
	"golang.org/x/image/font/gofont/gobold"
	"golang.org/x/image/font/gofont/goregular"
	"golang.org/x/image/font/opentype"
	"golang.org/x/image/math/fixed"
)

// text writes on one picture. Each picture has its own, since faces cache glyphs and are not safe for
// concurrent use.
type text struct {
	page               *image.RGBA
	small, bold, large font.Face
}

// newText uses Go's own fonts, which cover Latin, Greek and Cyrillic.
func newText(page *image.RGBA) *text {
	face := func(ttf []byte, size float64) font.Face {
		f, err := opentype.Parse(ttf)
		if err != nil {
			panic("figure: a compiled-in font does not parse: " + err.Error())
		}
		face, err := opentype.NewFace(f, &opentype.FaceOptions{Size: size, DPI: 72, Hinting: font.HintingFull})
		if err != nil {
			panic("figure: a compiled-in font has no face: " + err.Error())
		}
		return face
	}
	return &text{page, face(goregular.TTF, 11), face(gobold.TTF, 12), face(gobold.TTF, 16)}
}

// write draws s with its left end at x and its baseline at y, cut to width pixels.
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
