package data

import (
	"cmp"
	"image"

	"github.com/promptcam/promptcam/data/internal/jpeg"
)

func jpegSize(s *source) (image.Point, error) { return jpeg.Size(s.data) }

// decodeJPEG decodes a JPEG file.
func decodeJPEG(s *source) (image.Image, error) {
	m, err := cmp.Or(s.jpeg, new(jpeg.Decoder)).Decode(s.ctx, s.data)
	if err != nil {
		return nil, err
	}
	return fromJPEG(m, s.pix), nil
}

// fromJPEG converts m to the colours that Pillow gives it. The result takes the memory pix if it is large enough.
func fromJPEG(m *jpeg.Image, pix []uint8) *RGB {
	out := reuseRGB(pix, m.Width, m.Height)
	var planes [4]upsampler
	for i, p := range m.Planes {
		planes[i] = newUpsampler(plane{
			pix: p.Pix, stride: p.Stride, width: p.Width, height: p.Height,
			h: p.H, maxH: p.MaxH, v: p.V, maxV: p.MaxV, odd: jpegRange.odd,
		}, m.Width)
	}
	var rows [4][]uint8
	for y := range out.H {
		for i := range m.Planes {
			rows[i] = planes[i].row(y)[:out.W]
		}
		dst := out.row(y)
		switch m.Model {
		case jpeg.Gray:
			interleave(dst, rows[0], rows[0], rows[0])
		case jpeg.RGB, jpeg.CMYK:
			interleave(dst, rows[0], rows[1], rows[2])
		case jpeg.YCbCr, jpeg.YCCK:
			jpegRow(dst, rows[0], rows[1], rows[2])
		}
		// Pillow takes every CMYK file for an inverted one, as Adobe's are.
		switch m.Model {
		case jpeg.CMYK:
			for i, k := range rows[3] {
				d := dst[3*i : 3*i+3 : 3*i+3]
				put(d, ink(255-d[0], uint32(k)), ink(255-d[1], uint32(k)), ink(255-d[2], uint32(k)))
			}
		case jpeg.YCCK:
			for i, k := range rows[3] {
				d := dst[3*i : 3*i+3 : 3*i+3]
				put(d, ink(d[0], uint32(k)), ink(d[1], uint32(k)), ink(d[2], uint32(k)))
			}
		}
	}
	return out
}

// interleave writes three planes' rows to a row of RGB.
func interleave(dst, r, g, b []uint8) {
	g, b = g[:len(r)], b[:len(r)]
	for i, v := range r {
		d := dst[3*i : 3*i+3 : 3*i+3]
		d[0], d[1], d[2] = v, g[i], b[i]
	}
}
