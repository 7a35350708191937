package data

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"hash/crc32"
	"image"
	"io"
)

const pngMagic = "\x89PNG\r\n\x1a\n"

// A pngHeader is what precedes the pixels of a PNG file (PNG specification, third edition, 5.6 and 11.2).
type pngHeader struct {
	w, h, depth int
	colour      byte // 1: palette, 2: colour, 4: alpha
	interlaced  bool
	palette     [256][3]uint8 // an index beyond the file's palette is black
	colours     int           // of the palette
	pixels      int           // offset of the first IDAT chunk
}

// readPNGHeader reads the chunks before the pixels. Only the checksums of those that matter are verified; libpng
// forgives the others' too.
func readPNGHeader(data []byte) (h pngHeader, err error) {
	for p := len(pngMagic); ; {
		if p+8 > len(data) {
			return h, io.ErrUnexpectedEOF
		}
		kind := string(data[p+4 : p+8])
		if kind == "IDAT" {
			if h.w == 0 {
				return h, faultf(ErrDamaged, "damaged PNG: pixels before the header")
			}
			if h.colour == 3 && h.colours == 0 {
				return h, faultf(ErrDamaged, "damaged PNG: no palette before the pixels")
			}
			h.pixels = p
			return h, nil
		}
		n := int(binary.BigEndian.Uint32(data[p:]))
		if p == len(pngMagic) && kind == "CgBI" {
			return h, faultf(ErrUnsupported, "unsupported PNG (Apple's own kind for apps, CgBI): save it as JPEG or PNG")
		}
		if p == len(pngMagic) && (kind != "IHDR" || n != 13) {
			return h, faultf(ErrDamaged, "damaged PNG: does not begin with a header")
		}
		if n > len(data)-p-12 {
			return h, io.ErrUnexpectedEOF
		}
		body, sum := data[p+8:p+8+n], data[p+8+n:]
		if (kind == "IHDR" || kind == "PLTE") && crc32.ChecksumIEEE(data[p+4:p+8+n]) != binary.BigEndian.Uint32(sum) {
			return h, faultf(ErrDamaged, "damaged PNG: wrong checksum of the %s chunk", kind)
		}
		switch kind {
		case "IHDR":
			if err := h.parse(body); err != nil {
				return h, err
			}
		case "PLTE":
			h.colours = min(n/3, 256)
			for i := range h.colours {
				copy(h.palette[i][:], body[3*i:])
			}
		case "IEND":
			return h, faultf(ErrDamaged, "damaged PNG: no pixels")
		}
		p += 12 + n
	}
}

// parse reads the contents of an IHDR chunk.
func (h *pngHeader) parse(b []byte) error {
	w, height := binary.BigEndian.Uint32(b), binary.BigEndian.Uint32(b[4:])
	h.w, h.h, h.depth, h.colour, h.interlaced = int(w), int(height), int(b[8]), b[9], b[12] == 1
	depths := map[byte]string{0: "\x01\x02\x04\x08\x10", 2: "\x08\x10", 3: "\x01\x02\x04\x08", 4: "\x08\x10", 6: "\x08\x10"}[h.colour]
	if bytes.IndexByte([]byte(depths), b[8]) < 0 || b[10] != 0 || b[11] != 0 || b[12] > 1 || w == 0 || height == 0 || w > 1<<31 || height > 1<<31 {
		return faultf(ErrDamaged, "damaged PNG: header says %dx%d pixels of kind %d with %d bits", w, height, h.colour, h.depth)
	}
	return nil
}

// channels returns the number of samples in a pixel.
func (h *pngHeader) channels() int { return [...]int{0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[h.colour] }

func pngSize(s *source) (image.Point, error) {
	h, err := readPNGHeader(s.data)
	return image.Pt(h.w, h.h), err
}

// pngPasses are the offsets and steps, in x and y, of the seven pictures of an interlaced PNG (8.1).
var pngPasses = [7][4]int{{0, 0, 8, 8}, {4, 0, 8, 8}, {0, 4, 4, 8}, {2, 0, 4, 4}, {0, 2, 2, 4}, {1, 0, 2, 2}, {0, 1, 1, 2}}

// decodePNG decodes a PNG file row by row. Like libpng it forgives wrong checksums of the pixels, pixels beyond
// the last row and a missing end.
func decodePNG(s *source) (image.Image, error) {
	h, err := readPNGHeader(s.data)
	if err != nil {
		return nil, err
	}
	r, err := zlib.NewReader(&idat{s: s, at: h.pixels})
	if err != nil {
		return nil, err
	}
	out := reuseRGB(s.pix, h.w, h.h)
	if !h.interlaced {
		return out, h.rows(r, s, h.w, h.h, func(y int) []uint8 { return out.row(y) }, func(int) {})
	}
	pass := make([]uint8, 3*h.w)
	for _, p := range pngPasses {
		x0, y0, dx, dy := p[0], p[1], p[2], p[3]
		w, rows := (h.w-x0+dx-1)/dx, (h.h-y0+dy-1)/dy
		if w == 0 || rows == 0 {
			continue
		}
		err := h.rows(r, s, w, rows, func(int) []uint8 { return pass[:3*w] }, func(y int) {
			row := out.row(y0 + y*dy)
			for x := range w {
				copy(row[3*(x0+x*dx):][:3], pass[3*x:])
			}
		})
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}

// rows reads n rows of w pixels into the memory that of returns for each, and calls done after each.
func (h *pngHeader) rows(r io.Reader, s *source, w, n int, of func(y int) []uint8, done func(y int)) error {
	step := max(1, h.channels()*h.depth/8) // to the byte that a filter takes for the pixel to the left
	length := (w*h.channels()*h.depth + 7) / 8
	now, before := make([]uint8, 1+length), make([]uint8, 1+length)
	for y := range n {
		if err := s.ctx.Err(); err != nil {
			return err
		}
		if _, err := io.ReadFull(r, now); err != nil {
			if err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return err
		}
		if !unfilter(now[0], now[1:], before[1:], step) {
			return faultf(ErrDamaged, "damaged PNG: filter %d is unknown", now[0])
		}
		h.convert(of(y), now[1:])
		done(y)
		now, before = before, now
	}
	return nil
}

// unfilter undoes a row's filter (9.2) and reports whether it is known. step is the distance of the pixel to
// the left.
func unfilter(filter byte, row, above []uint8, step int) bool {
	above = above[:len(row)]
	switch filter {
	case 0:
	case 1:
		for i := step; i < len(row); i++ {
			row[i] += row[i-step]
		}
	case 2:
		for i, v := range above {
			row[i] += v
		}
	case 3:
		for i := range min(step, len(row)) {
			row[i] += above[i] / 2
		}
		for i := step; i < len(row); i++ {
			row[i] += uint8((int(row[i-step]) + int(above[i])) / 2)
		}
	case 4:
		for i := range min(step, len(row)) {
			row[i] += above[i]
		}
		for first := step; first < min(2*step, len(row)); first++ {
			// One byte of each pixel: the bytes to the left stay in registers.
			left, corner := int32(row[first-step]), int32(above[first-step])
			for i := first; i < len(row); i += step {
				up := int32(above[i])
				a, b := up-corner, left-corner // the distances of left and up from left + up - corner
				c := max(a+b, -a-b)
				a, b = max(a, -a), max(b, -b)
				guess := corner
				if a <= b && a <= c {
					guess = left
				} else if b <= c {
					guess = up
				}
				left, corner = (guess+int32(row[i]))&0xff, up
				row[i] = uint8(left)
			}
		}
	default:
		return false
	}
	return true
}

// convert writes a row's samples as RGB, without alpha. Of 16 bits the high ones count; fewer than 8 are spread
// over the range.
func (h *pngHeader) convert(dst, row []uint8) {
	n, wide := len(dst)/3, h.depth/8
	switch {
	case h.colour&2 != 0 && h.colour&1 == 0 && h.depth == 8 && h.colour&4 == 0:
		copy(dst, row)
	case h.colour&2 != 0 && h.colour&1 == 0:
		pixel := h.channels() * wide
		for i := range n {
			p := row[i*pixel : i*pixel+pixel]
			put(dst[3*i:], p[0], p[wide], p[2*wide])
		}
	case h.colour != 3 && wide > 0:
		pixel := h.channels() * wide
		for i := range n {
			v := row[i*pixel]
			put(dst[3*i:], v, v, v)
		}
	default:
		table := &h.palette
		if h.colour != 3 {
			table = &greys[h.depth]
		}
		lookUp(dst, row, h.depth, table)
	}
}

// greys[d][v] is the grey of a value of d bits.
var greys = func() (table [5][256][3]uint8) {
	for _, depth := range []int{1, 2, 4} {
		most := 1<<depth - 1
		for v := range most + 1 {
			g := uint8(v * 255 / most)
			table[depth][v] = [3]uint8{g, g, g}
		}
	}
	return table
}()

// An idat reads the contents of the IDAT chunks, one after the other.
type idat struct {
	s    *source
	at   int // of the next chunk
	left []byte
}

func (r *idat) Read(p []byte) (int, error) {
	if err := r.s.ctx.Err(); err != nil {
		return 0, err
	}
	for data := r.s.data; len(r.left) == 0; {
		if r.at+8 > len(data) {
			return 0, io.ErrUnexpectedEOF
		}
		n, kind := int(binary.BigEndian.Uint32(data[r.at:])), string(data[r.at+4:r.at+8])
		if kind == "IEND" {
			return 0, io.ErrUnexpectedEOF
		}
		from := r.at + 8
		if kind == "IDAT" {
			r.left = data[from:min(from+n, len(data))]
		}
		r.at = from + n + 4
	}
	n := copy(p, r.left)
	r.left = r.left[n:]
	return n, nil
}
