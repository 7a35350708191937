package data

import (
	"encoding/binary"
	"image"
	"io"
	"math/bits"
)

// A bmpHeader is what precedes the pixels of a BMP file (Microsoft's BITMAPINFOHEADER and its kin).
type bmpHeader struct {
	w, h    int
	topDown bool
	depth   int // bits of a pixel
	coding  uint32
	masks   [3]uint32 // of red, green, blue in pixels of 16 and 32 bits
	palette [256][3]uint8
	pixels  int // offset
}

const (
	bmpPlain  = 0
	bmpRLE8   = 1
	bmpRLE4   = 2
	bmpMasks  = 3
	bmpMasksA = 6
)

func readBMPHeader(data []byte) (*bmpHeader, error) {
	const fileHeader = 14
	if len(data) < fileHeader+12 {
		return nil, io.ErrUnexpectedEOF
	}
	h := bmpHeader{pixels: int(binary.LittleEndian.Uint32(data[10:]))}
	b := data[fileHeader:]
	size := int(binary.LittleEndian.Uint32(b))
	if size != 12 && (size < 16 || size > 1<<10) {
		return nil, faultf(ErrDamaged, "damaged BMP: header of %d bytes", size)
	}
	if len(b) < size {
		return nil, io.ErrUnexpectedEOF
	}
	word := func(i int) uint32 { return binary.LittleEndian.Uint32(b[i:]) }
	entry := 4 // bytes of a palette's colour
	colours := 0
	if size == 12 { // OS/2 1.x
		h.w, h.h, h.depth, entry = int(word(4)&0xffff), int(word(4)>>16), int(word(8)>>16), 3
	} else {
		h.w, h.h, h.depth = int(int32(word(4))), int(int32(word(8))), int(word(12)>>16)
		if size >= 20 {
			h.coding = word(16)
		}
		if size >= 36 {
			colours = int(word(32))
		}
	}
	if h.topDown = h.h < 0; h.topDown {
		h.h = -h.h
	}
	if h.w < 0 || h.h < 0 {
		return nil, faultf(ErrDamaged, "damaged BMP: %dx%d pixels", h.w, h.h)
	}
	after := size // offset of what follows the header
	switch {
	case h.coding == 4 || h.coding == 5:
		return nil, faultf(ErrUnsupported, "unsupported BMP (it holds a %s): save it as JPEG or PNG", [2]string{"JPEG", "PNG"}[h.coding-4])
	case h.coding == bmpPlain && h.depth == 16:
		h.masks = [3]uint32{0x7c00, 0x3e0, 0x1f}
	case h.coding == bmpPlain && h.depth == 32:
		h.masks = [3]uint32{0xff0000, 0xff00, 0xff}
	case (h.coding == bmpMasks || h.coding == bmpMasksA) && size >= 40 && (h.depth == 16 || h.depth == 32):
		if size == 40 {
			after += 12
		}
		if len(b) < 52 {
			return nil, io.ErrUnexpectedEOF
		}
		h.masks = [3]uint32{word(40), word(44), word(48)}
	case h.coding == bmpPlain && (h.depth == 1 || h.depth == 2 || h.depth == 4 || h.depth == 8 || h.depth == 24):
	case h.coding == bmpRLE8 && h.depth == 8 && !h.topDown, h.coding == bmpRLE4 && h.depth == 4 && !h.topDown:
	default:
		return nil, faultf(ErrUnsupported, "unsupported BMP (%d bits a pixel with compression %d): save it as JPEG or PNG", h.depth, h.coding)
	}
	if h.depth <= 8 {
		if colours == 0 || colours > 1<<h.depth {
			colours = 1 << h.depth
		}
		for i := range colours {
			p := after + i*entry
			if p+3 > len(b) || fileHeader+p >= h.pixels {
				break // as short as it is
			}
			h.palette[i] = [3]uint8{b[p+2], b[p+1], b[p]}
		}
	}
	if h.pixels < fileHeader+size {
		return nil, faultf(ErrDamaged, "damaged BMP: pixels at byte %d, in the header", h.pixels)
	}
	return &h, nil
}

func bmpSize(s *source) (image.Point, error) {
	h, err := readBMPHeader(s.data)
	if err != nil {
		return image.Point{}, err
	}
	return image.Pt(h.w, h.h), nil
}

// decodeBMP decodes a BMP file; alpha is dropped.
func decodeBMP(s *source) (image.Image, error) {
	h, err := readBMPHeader(s.data)
	if err != nil {
		return nil, err
	}
	if h.pixels > len(s.data) {
		return nil, io.ErrUnexpectedEOF
	}
	pixels := s.data[h.pixels:]
	if h.coding == bmpRLE8 || h.coding == bmpRLE4 {
		return h.runs(s, pixels)
	}
	stride := (h.w*h.depth + 31) / 32 * 4
	if len(pixels) < (h.h-1)*stride+(h.w*h.depth+7)/8 { // the last row may lack its padding
		return nil, io.ErrUnexpectedEOF
	}
	out := reuseRGB(s.pix, h.w, h.h)
	var channels [3]func(uint32) uint8
	for c, mask := range h.masks {
		channels[c] = bmpChannel(mask)
	}
	for y := range h.h {
		if err := s.ctx.Err(); err != nil {
			return nil, err
		}
		row := pixels[y*stride:]
		h.row(out.row(h.line(y)), row, &channels)
	}
	return out, nil
}

// line returns the place in the picture of row y of the file.
func (h *bmpHeader) line(y int) int {
	if h.topDown {
		return y
	}
	return h.h - 1 - y
}

func (h *bmpHeader) row(dst, row []uint8, channels *[3]func(uint32) uint8) {
	n := len(dst) / 3
	switch {
	case h.depth == 24:
		for i := range n {
			p := row[3*i : 3*i+3]
			put(dst[3*i:], p[2], p[1], p[0])
		}
	case h.depth == 32 && h.masks == [3]uint32{0xff0000, 0xff00, 0xff}:
		for i := range n {
			p := row[4*i : 4*i+4]
			put(dst[3*i:], p[2], p[1], p[0])
		}
	case h.depth > 8:
		for i := range n {
			v := uint32(binary.LittleEndian.Uint16(row[i*h.depth/8:]))
			if h.depth == 32 {
				v = binary.LittleEndian.Uint32(row[4*i:])
			}
			put(dst[3*i:], channels[0](v), channels[1](v), channels[2](v))
		}
	default:
		lookUp(dst, row, h.depth, &h.palette)
	}
}

// bmpChannel returns the function that takes a channel out of a pixel and spreads it over 0 to 255, rounded
// down as in Pillow.
func bmpChannel(mask uint32) func(uint32) uint8 {
	shift := bits.TrailingZeros32(mask)
	most := uint64(mask) >> shift
	if most == 0 {
		return func(uint32) uint8 { return 0 }
	}
	return func(v uint32) uint8 { return uint8(uint64(v&mask) >> shift * 255 / most) }
}

// runs decodes run-length coding: a count and a value, which is one index or, with 4 bits, two in turn; or 0
// and a code, for the end of a line (0), of the picture (1), a jump (2) or so many indices as they are. What
// is left out has index 0.
func (h *bmpHeader) runs(s *source, data []byte) (image.Image, error) {
	out := reuseRGB(s.pix, h.w, h.h)
	for i := 0; i < len(out.Pix); i += 3 {
		copy(out.Pix[i:i+3], h.palette[0][:])
	}
	x, y := 0, 0
	set := func(v byte) {
		if x < h.w && y < h.h {
			copy(out.row(h.line(y))[3*x:][:3], h.palette[v][:])
		}
		x++
	}
	spread := func(n int, at func(i int) byte) { // n indices from bytes
		for i := range n {
			if h.depth == 8 {
				set(at(i))
			} else {
				set(at(i/2) >> (4 - i%2*4) & 15)
			}
		}
	}
	for y < h.h {
		if len(data) < 2 {
			if y == h.h-1 && x >= h.w { // only the end is missing
				break
			}
			return nil, io.ErrUnexpectedEOF
		}
		n, v := int(data[0]), data[1]
		data = data[2:]
		switch {
		case n > 0:
			spread(n, func(int) byte { return v })
		case v == 0:
			x, y = 0, y+1
			if err := s.ctx.Err(); err != nil {
				return nil, err
			}
		case v == 1:
			return out, nil
		case v == 2:
			if len(data) < 2 {
				return nil, io.ErrUnexpectedEOF
			}
			x, y, data = x+int(data[0]), y+int(data[1]), data[2:]
		default:
			bytes := (int(v)*h.depth + 7) / 8
			if len(data) < bytes {
				return nil, io.ErrUnexpectedEOF
			}
			spread(int(v), func(i int) byte { return data[i] })
			data = data[min(bytes+bytes&1, len(data)):]
		}
	}
	return out, nil
}
