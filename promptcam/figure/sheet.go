package figure

import (
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"io"
	"math"
	"slices"
	"sync"

	"golang.org/x/image/font"
	"golang.org/x/image/font/gofont/gobold"
	"golang.org/x/image/font/gofont/goregular"
	"golang.org/x/image/font/opentype"
	"golang.org/x/image/math/fixed"

	"github.com/promptcam/promptcam/tensor/checkpoint"
	"github.com/promptcam/promptcam/vit/heat"
)

var (
	ink   = color.RGBA{0x22, 0x22, 0x22, 255}
	faded = color.RGBA{0x6b, 0x6b, 0x6b, 255}
	track = color.RGBA{0xe4, 0xe4, 0xe4, 255}
	// Vermillion of the Okabe-Ito palette, which colour-blind readers tell apart.
	framed = color.RGBA{0xd5, 0x5e, 0x00, 255}
)

const (
	margin = 16
	line   = 20   // from one line of text to the next
	barH   = 52   // height of a colour bar with its ticks and label
	widest = 1000 // to which a sheet grows for the sake of its text
)

// Sheet draws one figure: the photograph, beside it one row of overlays per class with captions, and below them
// the colour bars: one for each row of evidence, and one that the maps of attention share. All evidence has one
// scale. Where a head attends to more than patches, a grey bar below its overlay shows the share that falls on the
// image.
func Sheet(photo image.Image, title string, rows []Row, s Style) *image.RGBA {
	small := fit(photo, s.panel())
	attention, evidence := s.signed(false), s.signed(true)
	limit, logOdds := attention.limit(maps(rows, false)...), evidence.limit(maps(rows, true)...)
	most := 1
	for _, row := range rows {
		most = max(most, len(row.Panels))
	}

	size := small.Rect.Size()
	cell := image.Pt(max(size.X, 200)+margin, line+size.Y+2*line+margin) // captions need 200 pixels
	above := line                                                        // what stands above the pictures
	if slices.ContainsFunc(rows, func(r Row) bool { return r.note() != "" }) {
		above += line
		cell.Y += line
	}
	head := margin
	if title != "" {
		head += line + 8
	}
	t := newText(nil)
	width := 2*margin + cell.X*(1+most)
	height := head // above the rows, then with each of them
	tops := make([]int, len(rows))
	for i, row := range rows {
		for _, text := range []string{row.heading(), row.note()} {
			width = max(width, min(widest, 2*margin+cell.X+t.width(text, t.bold)))
		}
		tops[i] = height
		if height += cell.Y; row.signed() {
			height += barH + margin
		}
	}
	if len(rows) == 0 {
		height += cell.Y
	}
	height += margin
	if heats := maps(rows, false); len(heats) > 0 || len(rows) == 0 {
		height += barH
	}
	page := image.NewRGBA(image.Rect(0, 0, width, height))
	fill(page, page.Rect, color.White)

	t.page = page
	t.write(margin, margin+line-4, width-2*margin, title, t.large, ink)
	draw.Draw(page, small.Rect.Add(image.Pt(margin, head+above)), small, image.Point{}, draw.Src)
	t.write(margin, head+above-7, cell.X-margin, "photograph", t.bold, ink)
	bar := func(bar *image.RGBA, y int) {
		at := image.Pt(margin+cell.X, y)
		if width-at.X-margin < bar.Rect.Dx() {
			at.X = margin
		}
		draw.Draw(page, bar.Rect.Add(at), bar, image.Point{}, draw.Src)
	}
	barWidth := min(420, width-2*margin)

	for i, row := range rows {
		top := tops[i]
		t.write(margin+cell.X, top+line-7, width-2*margin-cell.X, row.heading(), t.bold, ink)
		noted := faded
		if row.StillWins {
			noted = ink
		}
		t.write(margin+cell.X, top+2*line-7, width-2*margin-cell.X, row.note(), t.small, noted)
		style, limit, below := attention, limit, small
		if row.signed() {
			style, limit, below = evidence, logOdds, greyed(small)
			wide := min(max(barWidth, 2*margin+t.width(row.sides(), t.small)), width-2*margin)
			bar(evidence.bar(wide, logOdds, row.sides()), top+cell.Y-margin/2)
		}
		for j, p := range row.Panels {
			at := image.Pt(margin+(j+1)*cell.X, top+above)
			box := small.Rect.Add(at)
			colour, caption := ink, p.caption(j)
			if p.Sufficient {
				colour = framed
				fill(page, box.Inset(-3), framed)
			}
			picture := fitInto(p.Photo, size)
			if picture == nil {
				picture = style.overlay(below, p.Heat, limit)
			}
			draw.Draw(page, picture.Rect.Add(at), picture, image.Point{}, draw.Src)
			face := t.bold
			if t.width(caption, face) > cell.X-margin {
				face = t.small
			}
			t.write(at.X, box.Max.Y+line+4, cell.X-margin, caption, face, colour)
			if p.shared() {
				bar := image.Rect(at.X, box.Max.Y+6, box.Max.X, box.Max.Y+9)
				fill(page, bar, track)
				bar.Max.X = bar.Min.X + int(math.Round(unit(p.Share.Patches)*float64(bar.Dx())))
				fill(page, bar, faded)
				t.write(at.X, box.Max.Y+2*line, cell.X-8, p.Share.String(), t.small, faded)
			} else {
				t.write(at.X, box.Max.Y+2*line, cell.X-8, p.detail(), t.small, faded)
			}
		}
	}
	if all := maps(rows, false); len(all) > 0 {
		bar(ColorBar(barWidth, limit, len(all[0].Values), attention), height-margin-barH)
	}
	return page
}

// maps returns the maps of all rows of evidence, or of attention.
func maps(rows []Row, evidence bool) []heat.Map {
	var all []heat.Map
	for _, row := range rows {
		for _, p := range row.Panels {
			if row.signed() == evidence && p.Photo == nil {
				all = append(all, p.Heat)
			}
		}
	}
	return all
}

func fill(m *image.RGBA, r image.Rectangle, c color.Color) {
	draw.Draw(m, r, image.NewUniform(c), image.Point{}, draw.Src)
}

// WritePNG writes a picture to path, under a temporary name first: after an error, path holds what it held
// before. To write to an io.Writer, use png.Encode.
func WritePNG(path string, m image.Image) error {
	if err := checkpoint.WriteFile(path, func(w io.Writer) error { return png.Encode(w, m) }); err != nil {
		return fmt.Errorf("figure: write picture %w", err)
	}
	return nil
}

// text writes on one picture. Each picture has its own, since faces cache glyphs and are not safe for
// concurrent use.
type text struct {
	page               *image.RGBA
	small, bold, large font.Face
}

// newText uses Go's own fonts, which cover Latin, Greek and Cyrillic. Other letters are escaped.
func newText(page *image.RGBA) *text {
	face := func(f *opentype.Font, size float64) font.Face {
		face, err := opentype.NewFace(f, &opentype.FaceOptions{Size: size, DPI: 72, Hinting: font.HintingFull})
		if err != nil {
			panic("figure: a compiled-in font has no face: " + err.Error())
		}
		return face
	}
	return &text{page, face(regular(), 11), face(bold(), 12), face(bold(), 16)}
}

var regular, bold = compiledIn(goregular.TTF), compiledIn(gobold.TTF)

// compiledIn returns a function that parses a font once.
func compiledIn(ttf []byte) func() *opentype.Font {
	return sync.OnceValue(func() *opentype.Font {
		f, err := opentype.Parse(ttf)
		if err != nil {
			panic("figure: a compiled-in font does not parse: " + err.Error())
		}
		return f
	})
}

// covers reports whether the fonts have a glyph for r.
func covers(r rune) bool {
	i, err := regular().GlyphIndex(nil, r)
	return err == nil && i != 0
}

// width returns how wide s is drawn, in pixels.
func (t *text) width(s string, face font.Face) int {
	s, _ = spelled(s, covers)
	return font.MeasureString(face, s).Ceil()
}

// write draws s with its left end at x and its baseline at y, cut to width pixels.
func (t *text) write(x, y, width int, s string, face font.Face, c color.Color) {
	s, _ = spelled(s, covers)
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
