package data

import (
	"bytes"
	"encoding/binary"
	"image"
	"math"
)

// orientationTag is TIFF's and Exif's "Orientation": the place of stored rows and columns in the picture, 1
// to 8 (TIFF 6.0, page 36; Exif 2.32, 4.6.4).
const orientationTag = 0x0112

// orientation returns the orientation in a file of the given format, and 1, upright, without a valid one.
func orientation(f *format, data []byte) int {
	if f.exif != nil {
		data = f.exif(data)
	}
	return tiffOrientation(data)
}

// jpegExif returns the TIFF structure inside the first APP1 "Exif" segment before the scan, or nil.
func jpegExif(data []byte) []byte {
	for p := 2; p+4 <= len(data); {
		marker := data[p+1]
		if data[p] != 0xff || marker == 0xff || marker == 0 { // bytes between segments, which decoders pass over
			p++
			continue
		}
		if marker == 0xda || marker == 0xd9 { // start of scan, end of image
			return nil
		}
		n := int(binary.BigEndian.Uint16(data[p+2:]))
		if n < 2 || p+2+n > len(data) {
			return nil
		}
		segment := data[p+4 : p+2+n]
		if exif, ok := bytes.CutPrefix(segment, []byte("Exif\x00\x00")); ok && marker == 0xe1 {
			return exif
		}
		p += 2 + n
	}
	return nil
}

// pngExif returns the contents of an eXIf chunk, or nil. A chunk is length, type, contents and checksum.
func pngExif(data []byte) []byte {
	for p := 8; p+8 <= len(data); {
		n := int(binary.BigEndian.Uint32(data[p:]))
		if n > len(data)-p-8 {
			return nil
		}
		if string(data[p+4:p+8]) == "eXIf" {
			return data[p+8 : p+8+n]
		}
		p += 8 + n + 4
	}
	return nil
}

// webpExif returns the contents of an EXIF chunk, or nil, without the "Exif\0\0" that some writers put before
// it. A chunk is type, length and contents, padded to an even length.
func webpExif(data []byte) []byte {
	for p := 12; p+8 <= len(data); {
		n := int(binary.LittleEndian.Uint32(data[p+4:]))
		if n > len(data)-p-8 {
			return nil
		}
		if string(data[p:p+4]) == "EXIF" {
			return bytes.TrimPrefix(data[p+8:p+8+n], []byte("Exif\x00\x00"))
		}
		p += 8 + n + n&1
	}
	return nil
}

// tiffOrientation returns the orientation in the first directory of a TIFF or BigTIFF structure, or 1.
func tiffOrientation(t []byte) int {
	order := map[string]binary.ByteOrder{"II": binary.LittleEndian, "MM": binary.BigEndian}[string(t[:min(2, len(t))])]
	if order == nil || len(t) < 8 {
		return 1
	}
	p, count, entry, value := uint64(order.Uint32(t[4:])), uint64(2), 12, 8
	if order.Uint16(t[2:]) == 43 && len(t) >= 16 { // BigTIFF
		p, count, entry, value = order.Uint64(t[8:]), 8, 20, 12
	}
	if n := uint64(len(t)); p > n || count > n-p {
		return 1
	}
	entries := order.Uint16(t[p:])
	if entry == 20 {
		entries = uint16(min(order.Uint64(t[p:]), math.MaxUint16))
	}
	for t = t[p+count:]; entries > 0 && len(t) >= entry; entries, t = entries-1, t[entry:] {
		if order.Uint16(t) == orientationTag {
			const short, long = 3, 4 // some writers, against the specification
			v := uint32(order.Uint16(t[value:]))
			switch order.Uint16(t[2:]) {
			case long:
				v = order.Uint32(t[value:])
			case short:
			default:
				return 1
			}
			if v >= 1 && v <= 8 {
				return int(v)
			}
			return 1
		}
	}
	return 1
}

// exifFollows reports whether a file says in its header that Exif data stands behind the pixels (RFC 9649,
// 2.7).
func exifFollows(f *format, data []byte) bool {
	return f.name == "WebP" && len(data) > 20 && string(data[12:16]) == "VP8X" && data[20]&(1<<3) != 0
}

// uprightSize returns the size of the picture that an image of a size stores with orientation o.
func uprightSize(size image.Point, o int) image.Point {
	if o >= 5 { // turned by a quarter
		return image.Pt(size.Y, size.X)
	}
	return size
}

// upright returns the picture that m stores with orientation o.
func upright(m *RGB, o int) *RGB {
	if o <= 1 || o > 8 {
		return m
	}
	at := func(x, y int) int { // where the picture's pixel (x, y) is stored
		if o >= 5 { // mirrored along the main diagonal
			x, y = y, x
		}
		if o == 2 || o == 3 || o == 7 || o == 8 { // and left to right
			x = m.W - 1 - x
		}
		if o == 3 || o == 4 || o == 6 || o == 7 { // and top to bottom
			y = m.H - 1 - y
		}
		return y*m.W + x
	}
	w, h := m.W, m.H
	if o >= 5 {
		w, h = h, w
	}
	out := NewRGB(w, h)
	// at is linear: steps to the right and down are the same everywhere. In strips of columns, the stored rows
	// that a turned row takes its pixels from stay in the processor's cache.
	const strip = 64
	right, down := 3*(at(1, 0)-at(0, 0)), 3*(at(0, 1)-at(0, 0))
	for x := 0; x < w; x += strip {
		for y := range h {
			from := 3*at(0, 0) + x*right + y*down
			for row := out.row(y)[3*x : 3*min(x+strip, w)]; len(row) > 0; row, from = row[3:], from+right {
				p := m.Pix[from : from+3 : from+3]
				row[0], row[1], row[2] = p[0], p[1], p[2]
			}
		}
	}
	return out
}
