package data

import (
	"compress/lzw"
	"encoding/binary"
	"image"
	"io"
)

// A gifFrame is the first picture of a GIF file (GIF89a specification, 18 to 23).
type gifFrame struct {
	size        image.Point // of the canvas
	at          image.Rectangle
	palette     []byte // its own or the file's
	transparent int    // index; -1: none
	interlaced  bool
	pixels      []byte // from the code size on
}

// readGIF reads up to the pixels of the first picture. As in Pillow, a canvas that is smaller than the picture
// grows.
func readGIF(data []byte) (*gifFrame, error) {
	f := gifFrame{transparent: -1}
	if len(data) < 13 {
		return nil, io.ErrUnexpectedEOF
	}
	f.size = image.Pt(int(binary.LittleEndian.Uint16(data[6:])), int(binary.LittleEndian.Uint16(data[8:])))
	flags := data[10]
	data = data[13:]
	colours := func() (err error) { // takes a palette from data
		if flags&0x80 == 0 {
			return nil
		}
		n := 3 << (1 + flags&7)
		if n > len(data) {
			return io.ErrUnexpectedEOF
		}
		f.palette, data = data[:n], data[n:]
		return nil
	}
	if err := colours(); err != nil {
		return nil, err
	}
	for len(data) > 0 {
		kind := data[0]
		data = data[1:]
		switch kind {
		case 0x21: // an extension: label and blocks
			if len(data) >= 7 && data[0] == 0xf9 && data[1] >= 4 { // graphic control
				f.transparent = -1
				if data[2]&1 != 0 {
					f.transparent = int(data[5])
				}
			}
			for data = data[min(1, len(data)):]; ; {
				if len(data) == 0 || int(data[0]) >= len(data) {
					return nil, io.ErrUnexpectedEOF
				}
				n := int(data[0])
				if data = data[1+n:]; n == 0 {
					break
				}
			}
		case 0x2c: // a picture
			if len(data) < 9 {
				return nil, io.ErrUnexpectedEOF
			}
			number := func(i int) int { return int(binary.LittleEndian.Uint16(data[i:])) }
			corner := image.Pt(number(0), number(2))
			f.at = image.Rectangle{corner, corner.Add(image.Pt(number(4), number(6)))}
			f.size.X, f.size.Y = max(f.size.X, f.at.Max.X), max(f.size.Y, f.at.Max.Y)
			flags = data[8]
			f.interlaced = flags&0x40 != 0
			data = data[9:]
			if err := colours(); err != nil {
				return nil, err
			}
			f.pixels = data
			return &f, nil
		case 0x3b:
			return nil, faultf(ErrDamaged, "damaged GIF: no picture")
		case 0: // padding that some writers leave
		default:
			return nil, faultf(ErrDamaged, "damaged GIF: block of unknown kind 0x%02x", kind)
		}
	}
	return nil, io.ErrUnexpectedEOF
}

func gifSize(s *source) (image.Point, error) {
	f, err := readGIF(s.data)
	if err != nil {
		return image.Point{}, err
	}
	return f.size, nil
}

// decodeGIF returns the first picture of a GIF file on the file's whole canvas. As in Pillow, a transparent
// pixel has the colour that the palette gives it, and so has the canvas around the picture; where nothing is
// transparent it has the palette's first colour.
func decodeGIF(s *source) (image.Image, error) {
	f, err := readGIF(s.data)
	if err != nil {
		return nil, err
	}
	if len(f.pixels) == 0 {
		return nil, io.ErrUnexpectedEOF
	}
	bits := int(f.pixels[0])
	if bits < 2 || bits > 8 {
		return nil, faultf(ErrDamaged, "damaged GIF: codes of %d bits, want 2 to 8", bits)
	}
	var table [256][3]uint8 // an index beyond the palette is black
	if f.palette == nil {   // the reader's own palette counts: as in Pillow, greys
		for i := range table {
			table[i] = [3]uint8{uint8(i), uint8(i), uint8(i)}
		}
	}
	for i := 0; i+3 <= len(f.palette); i += 3 {
		copy(table[i/3][:], f.palette[i:])
	}
	out := reuseRGB(s.pix, f.size.X, f.size.Y)
	if f.at != out.Bounds() {
		ground := table[max(0, f.transparent)]
		for i := 0; i < len(out.Pix); i += 3 {
			copy(out.Pix[i:i+3], ground[:])
		}
	}
	if f.at.Empty() {
		return nil, faultf(ErrDamaged, "damaged GIF: its first picture has no pixels")
	}
	r := lzw.NewReader(&gifBlocks{data: f.pixels[1:], s: s}, lzw.LSB, bits)
	defer r.Close()
	row := make([]uint8, f.at.Dx())
	passes := [][2]int{{0, 1}} // first row and step
	if f.interlaced {
		passes = [][2]int{{0, 8}, {4, 8}, {2, 4}, {1, 2}}
	}
	for _, p := range passes {
		for y := p[0]; y < f.at.Dy(); y += p[1] {
			if err := s.ctx.Err(); err != nil {
				return nil, err
			}
			if _, err := io.ReadFull(r, row); err != nil {
				return nil, err
			}
			dst := out.row(f.at.Min.Y + y)[3*f.at.Min.X:]
			for x, v := range row {
				copy(dst[3*x:3*x+3], table[v][:])
			}
		}
	}
	return out, nil
}

// gifBlocks reads the contents of a chain of blocks, each with its length before it, until an empty one.
type gifBlocks struct {
	data  []byte  // what follows
	s     *source // whose context ends the reading
	left  int     // of the block
	ended bool
}

func (b *gifBlocks) Read(p []byte) (int, error) {
	if err := b.s.ctx.Err(); err != nil {
		return 0, err
	}
	for !b.ended && b.left == 0 {
		if len(b.data) == 0 {
			return 0, io.ErrUnexpectedEOF
		}
		b.left, b.data = int(b.data[0]), b.data[1:]
		b.ended = b.left == 0
	}
	if b.ended {
		return 0, io.EOF
	}
	if len(b.data) == 0 {
		return 0, io.ErrUnexpectedEOF
	}
	n := copy(p, b.data[:min(b.left, len(b.data))])
	b.data, b.left = b.data[n:], b.left-n
	return n, nil
}

// ReadByte spares package lzw a buffer.
func (b *gifBlocks) ReadByte() (byte, error) {
	var one [1]byte
	_, err := b.Read(one[:])
	return one[0], err
}
