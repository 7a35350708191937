package data

import (
	"encoding/binary"
	"image"
)

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

// fromYCbCr converts m, interpolating chroma planes of half width or half height between their samples, three
// parts of the nearer to one of the farther (libjpeg's "fancy upsampling", jdsample.c); other ratios repeat
// the nearest sample. On 150 photographs of CUB 97.9 % of the values are then libjpeg's, none more than 3
// levels off; repeating samples, as the image package does, 58 % and up to 67 levels. The result takes the
// memory pix if it is large enough.
func fromYCbCr(m *image.YCbCr, c ycc, pix []uint8) *RGB {
	x0, y0 := m.Rect.Min.X, m.Rect.Min.Y
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
	case image.YCbCrSubsampleRatio411, image.YCbCrSubsampleRatio410:
		wide = 0
	}
	// libjpeg does not interpolate planes of at most two columns either. A
	// sub-image may start between two chroma samples; no decoder's does.
	width, height := (out.W+1)/2, (out.H+1)/2
	if wide == 2 && (width <= 2 || x0&1 != 0) || high == 2 && y0&1 != 0 {
		wide = 0
	}
	var rows [2][]uint8  // of Cb and Cr
	room := 2*width + 10 // what widen needs
	scratch := make([]uint8, 3*room)
	rows[0], rows[1], scratch = scratch[:room:room], scratch[room:2*room:2*room], scratch[2*room:]
	for y := range out.H {
		ys := m.Y[m.YOffset(x0, y0+y):]
		near := m.COffset(x0, y0+y)
		// The other row that counts is the one this row of pixels is closer to.
		far := near
		if high == 2 && y&1 == 0 && y > 0 {
			far -= m.CStride
		} else if high == 2 && y&1 == 1 && y/2+1 < height {
			far += m.CStride
		}
		for i, plane := range [2][]uint8{m.Cb, m.Cr} {
			switch {
			case wide == 0:
				for x := range out.W {
					rows[i][x] = plane[m.COffset(x0+x, y0+y)]
				}
			case wide == 2 && high == 1:
				widen(rows[i], plane[near:][:width], plane[near:][:width], scratch, 4, 8)
			case wide == 2:
				widen(rows[i], plane[near:][:width], plane[far:][:width], scratch, 8, c.odd)
			case high == 2:
				b := plane[far:][:out.W]
				for x, v := range plane[near:][:out.W] {
					rows[i][x] = uint8((3*int32(v) + int32(b[x]) + 1 + int32(y&1)) >> 2)
				}
			default:
				rows[i] = plane[near:]
			}
		}
		c.row(out.row(y), ys, rows[0], rows[1])
	}
	return out
}

// widen writes two values for each sample of a row of chroma. With the sum s = 3 near + far of a sample and t
// of its neighbour on the value's side, it is (3 s + t + even or odd) / 16. The arithmetic is done on four
// 16-bit numbers in a word. dst and scratch have room for 2 len(near) + 10 bytes.
func widen(dst, near, far, scratch []uint8, even, odd uint64) {
	n := len(near)
	far = far[:n]
	// scratch has the sums from its second number on, between copies of the first and last.
	i := 0
	for ; i+4 <= n; i += 4 {
		a, b := binary.LittleEndian.Uint32(near[i:i+4]), binary.LittleEndian.Uint32(far[i:i+4])
		binary.LittleEndian.PutUint64(scratch[2*i+2:], 3*spread(a)+spread(b))
	}
	for ; i < n; i++ {
		binary.LittleEndian.PutUint16(scratch[2*i+2:], 3*uint16(near[i])+uint16(far[i]))
	}
	copy(scratch[:2], scratch[2:4])
	copy(scratch[2*n+2:2*n+4], scratch[2*n:])
	const (
		each = 1<<48 + 1<<32 + 1<<16 + 1
		low  = 0xff * each
	)
	even, odd = even*each, odd*each
	for i := 0; i < 2*n; i += 8 {
		sums := scratch[i : i+12]
		last, s, next := binary.LittleEndian.Uint64(sums), 3*binary.LittleEndian.Uint64(sums[2:]), binary.LittleEndian.Uint64(sums[4:])
		binary.LittleEndian.PutUint64(dst[i:i+8], (s+last+even)>>4&low|(s+next+odd)>>4&low<<8)
	}
}

// spread moves four bytes apart, into 16 bits each.
func spread(v uint32) uint64 {
	x := uint64(v)
	x = (x | x<<16) & 0x0000ffff0000ffff
	return (x | x<<8) & 0x00ff00ff00ff00ff
}
