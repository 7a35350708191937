package figure

import (
	"image"
	"image/color"
	"strings"
	"sync"

	"golang.org/x/image/font"
	"golang.org/x/image/font/gofont/gobold"
	"golang.org/x/image/font/gofont/goregular"
	"golang.org/x/image/font/opentype"
	"golang.org/x/image/math/fixed"
)

// text writes on one picture. Faces keep a cache and are not safe for concurrent use, so each
// picture has its own.
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

// write draws s from x on with its baseline at y, cut to width pixels.
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
