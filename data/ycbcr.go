package data

import "image"

// A ycc is a conversion from Y, Cb, Cr to R, G, B.
type ycc struct {
	row func(dst, ys, cbs, crs []uint8) // converts a row of full-size planes
	odd uint64                          // rounds 16ths of interpolated chroma in odd columns; even ones add 8
}

var (
	jpegRange  = ycc{jpegRow, 7}
	videoRange = ycc{videoRow, 8}
)

// The tables of jpegRow. Three numbers share a word, each base too large so
// that it is never negative: red from bit 54 on, blue from bit 40 on and green
// from bit 16 on, with its fraction below, for green alone is a sum.
var jpegCb, jpegCr = func() (cb, cr [256]uint64) {
	for i := range int64(256) {
		c := i - 128
		cb[i] = uint64((116130*c+1<<15)>>16+base)<<40 - uint64(22554*c)
		cr[i] = uint64((91881*c+1<<15)>>16+base)<<54 + uint64(base<<16+1<<15-46802*c)
	}
	return cb, cr
}()

// jpegRow is JFIF's conversion, R = Y + 1.402 (Cr - 128), G = Y - 0.34414 (Cb - 128) - 0.71414 (Cr - 128), B
// = Y + 1.772 (Cb - 128), in the 16-bit fixed point of libjpeg's jdcolor.c.
func jpegRow(dst, ys, cbs, crs []uint8) {
	n := len(dst) / 3
	ys, cbs, crs = ys[:n], cbs[:n], crs[:n]
	for i, y := range ys {
		rgb := jpegCb[cbs[i]] + jpegCr[crs[i]] + uint64(y)*(1<<54+1<<40+1<<16)
		d := dst[3*i : 3*i+3 : 3*i+3]
		d[0], d[1], d[2] = limit[rgb>>54], limit[rgb>>16%1024], limit[rgb>>40%1024]
	}
}

// videoRow is the conversion of ITU-R BT.601 with black at 16 and white at 235, which WebP uses: R = 1.164 (Y
// - 16) + 1.596 (Cr - 128) and so on, with libwebp's constants (src/dsp/yuv.h). Package webp hands such
// samples out in an image.YCbCr, whose own conversion takes them for full range.
func videoRow(dst, ys, cbs, crs []uint8) {
	n := len(dst) / 3
	ys, cbs, crs = ys[:n], cbs[:n], crs[:n]
	for i, y := range ys {
		l, cb, cr := 19077*int32(y), int32(cbs[i]), int32(crs[i])
		d := dst[3*i : 3*i+3 : 3*i+3]
		d[0] = clip((l + 26149*cr - 14234<<8) >> 14)
		d[1] = clip((l - 6419*cb - 13320*cr + 8708<<8) >> 14)
		d[2] = clip((l + 33050*cb - 17685<<8) >> 14)
	}
}

// clip limits v to 0..255.
func clip(v int32) uint8 { return uint8(min(max(v, 0), 255)) }

// fromYCbCr converts m, with its chroma planes interpolated as an upsampler does it. The result takes the memory
// pix if it is large enough.
func fromYCbCr(m *image.YCbCr, c ycc, pix []uint8) *RGB {
	out := reuseRGB(pix, m.Rect.Dx(), m.Rect.Dy())
	if out.W == 0 || out.H == 0 {
		return out
	}
	wide, high := 1, 1 // pixels per chroma sample
	switch m.SubsampleRatio {
	case image.YCbCrSubsampleRatio422:
		wide = 2
	case image.YCbCrSubsampleRatio420:
		wide, high = 2, 2
	case image.YCbCrSubsampleRatio440:
		high = 2
	case image.YCbCrSubsampleRatio411:
		wide = 4
	case image.YCbCrSubsampleRatio410:
		wide, high = 4, 2
	}
	x0, y0 := m.Rect.Min.X, m.Rect.Min.Y
	dx, dy := x0-x0/wide*wide, y0-y0/high*high // where in a chroma sample the image begins
	first := m.COffset(x0, y0)
	chroma := plane{
		stride: m.CStride, width: (dx + out.W + wide - 1) / wide, height: (dy + out.H + high - 1) / high,
		h: 1, maxH: wide, v: 1, maxV: high, dx: dx, dy: dy, odd: c.odd,
	}
	cb, cr := chroma, chroma
	cb.pix, cr.pix = m.Cb[first:], m.Cr[first:]
	b, r := newUpsampler(cb, out.W), newUpsampler(cr, out.W)
	for y := range out.H {
		c.row(out.row(y), m.Y[m.YOffset(x0, y0+y):], b.row(y), r.row(y))
	}
	return out
}
