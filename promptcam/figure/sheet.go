package figure

import (
	"image"
	"image/color"
	"image/draw"
	"math"

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
	line   = 20 // from one line of text to the next
	barH   = 52 // height of a colour bar with its ticks and label
)

// Sheet draws one figure: the photograph, beside it one row of overlays per class with
// captions, and below them the colour bar that all of them share. Where a head attends to more
// than patches, a grey line below its overlay shows the share that falls on the image.
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
		heading := row.Title
		if note := row.note(); note != "" {
			heading += " (" + note + ")"
		}
		t.write(margin+cell.X, top+line-7, width-2*margin-cell.X, heading, t.bold, ink)
		for j, p := range row.Panels {
			at := image.Pt(margin+(j+1)*cell.X, top+line)
			box := small.Rect.Add(at)
			draw.Draw(page, box, s.overlay(small, p.Heat, limit), image.Point{}, draw.Src)
			colour := ink
			caption := p.caption(j)
			if p.Sufficient {
				colour = framed
				caption += "  ● sufficient trait"
				frame(page, box.Inset(-3), 3, framed)
			}
			t.write(at.X, box.Max.Y+line+4, cell.X-margin, caption, t.bold, colour)
			if p.shared() {
				meter(page, image.Rect(at.X, box.Max.Y+6, box.Max.X, box.Max.Y+9), p.Share.Patches)
				t.write(at.X, box.Max.Y+2*line, cell.X-8, p.Share.String(), t.small, faded)
			}
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
