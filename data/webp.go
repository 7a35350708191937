package data

import (
	"bytes"
	"encoding/binary"
	"image"
	"io"

	"golang.org/x/image/webp"
)

// A webpPicture is the only picture of a WebP file, or the first of an animation (RFC 9649, 2).
type webpPicture struct {
	canvas image.Point // in pixels
	at     image.Rectangle
	chunk  []byte // VP8 or VP8L, from its name on
}

// readWebP finds the first picture and its size in its own header: the file's header may lie.
func readWebP(data []byte) (*webpPicture, error) {
	var p webpPicture
	var corner image.Point
	shown := false // one of an animation
	for at := 12; ; {
		if at+8 > len(data) {
			return nil, io.ErrUnexpectedEOF
		}
		kind, n := string(data[at:at+4]), int(binary.LittleEndian.Uint32(data[at+4:]))
		body := data[at+8 : at+8+min(n, len(data)-at-8)]
		number := func(i int) int { return int(body[i]) | int(body[i+1])<<8 | int(body[i+2])<<16 }
		switch {
		case kind == "VP8X" && len(body) >= 10:
			p.canvas = image.Pt(number(4)+1, number(7)+1)
		case kind == "ANMF" && len(body) >= 16:
			corner, shown = image.Pt(2*number(0), 2*number(3)), true
			data, at = body, 16
			continue
		case kind == "VP8 " || kind == "VP8L":
			size, err := vp8Size(kind, body)
			if err != nil {
				return nil, err
			}
			if p.canvas == (image.Point{}) {
				p.canvas = size
			}
			p.at = image.Rectangle{corner, corner.Add(size)}
			if !shown && p.canvas != size || !p.at.In(image.Rectangle{Max: p.canvas}) {
				return nil, faultf(ErrDamaged, "damaged WebP: a picture at %v on a canvas of %dx%d pixels", p.at, p.canvas.X, p.canvas.Y)
			}
			p.chunk = data[at : at+8+len(body)]
			return &p, nil
		}
		if n > len(body) {
			return nil, io.ErrUnexpectedEOF
		}
		at += 8 + n + n&1
	}
}

// vp8Size returns the size in the header of a VP8 or VP8L chunk (RFC 6386, 9.1; RFC 9649, 3.4).
func vp8Size(kind string, b []byte) (image.Point, error) {
	if len(b) < 5 || kind == "VP8 " && len(b) < 10 {
		return image.Point{}, io.ErrUnexpectedEOF
	}
	if kind == "VP8L" && b[0] == 0x2f {
		v := binary.LittleEndian.Uint32(b[1:])
		return image.Pt(int(v&0x3fff)+1, int(v>>14&0x3fff)+1), nil
	}
	if kind == "VP8 " && string(b[3:6]) == "\x9d\x01\x2a" {
		return image.Pt(int(binary.LittleEndian.Uint16(b[6:])&0x3fff), int(binary.LittleEndian.Uint16(b[8:])&0x3fff)), nil
	}
	return image.Point{}, faultf(ErrDamaged, "damaged WebP: no header in the %s chunk", kind)
}

func webpSize(s *source) (image.Point, error) {
	p, err := readWebP(s.data)
	if err != nil {
		return image.Point{}, err
	}
	return p.canvas, nil
}

// decodeWebP decodes the first picture of a WebP file; around that of an animation the canvas is black, as in
// Pillow. Nothing is decoded of an alpha channel that stands by itself. Package webp does not look at the
// context once it has read a lossy picture.
func decodeWebP(s *source) (image.Image, error) {
	p, err := readWebP(s.data)
	if err != nil {
		return nil, err
	}
	if n := binary.LittleEndian.Uint32(p.chunk[4:]); uint64(n) > uint64(len(p.chunk)-8) {
		return nil, io.ErrUnexpectedEOF
	}
	head, pad := []byte("RIFF\x00\x00\x00\x00WEBP"), make([]byte, len(p.chunk)&1)
	binary.LittleEndian.PutUint32(head[4:], uint32(4+len(p.chunk)+len(pad)))
	s.r.Reset(p.chunk)
	m, err := webp.Decode(io.MultiReader(bytes.NewReader(head), s, bytes.NewReader(pad)))
	if err != nil {
		return nil, err
	}
	picture := webpRGB(m, s.pix)
	if p.at.Size() == p.canvas {
		return picture, nil
	}
	out := NewRGB(p.canvas.X, p.canvas.Y)
	for y := range picture.H {
		copy(out.row(p.at.Min.Y + y)[3*p.at.Min.X:], picture.row(y))
	}
	return out, nil
}

func webpRGB(m image.Image, pix []uint8) *RGB {
	switch m := m.(type) {
	case *image.YCbCr:
		return fromYCbCr(m, videoRange, pix)
	case *image.NYCbCrA:
		return fromYCbCr(&m.YCbCr, videoRange, pix)
	}
	return toRGB(m, pix)
}
