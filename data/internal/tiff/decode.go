package tiff

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
)

// Kind says what the samples of a picture are.
type Kind int

const (
	Grey    Kind = iota // one
	Palette             // one, an index into Picture.Palette
	RGB                 // three
	RGBA                // four, colours multiplied by alpha
	CMYK                // four inks
)

// A Picture is a decoded one.
type Picture struct {
	Kind    Kind
	Pix     []uint8 // [Height, Width, samples]
	Palette [256][3]uint8
}

// JPEG decodes a JPEG stream into RGB, which must be w pixels wide and from least to most pixels high.
type JPEG func(stream []byte, w, least, most int) ([]uint8, error)

// A layout is how a picture's samples are stored.
type layout struct {
	*File
	ctx         context.Context
	jpeg        JPEG
	compression uint64
	bits        int
	samples     int // of a pixel, in the file
	planar      bool
	invert      bool // white is 0
	difference  bool // horizontal predictor
	bw, bh      int  // size of a block: a strip or tile
	across      int  // blocks
	down        int
	keep        int // samples of a pixel that count
	kind        Kind
	offsets     uint16 // tags
	counts      uint16
	scale       [256]uint8 // what a sample of at most 8 bits becomes
	row         []uint8    // of a block
	deflate     io.ReadCloser
}

// Decode decodes the picture, if it is RGB in the memory of pix where that is enough. It ends with ctx.
func (f *File) Decode(ctx context.Context, pix []uint8, decodeJPEG JPEG) (*Picture, error) {
	l := &layout{File: f, ctx: ctx, jpeg: decodeJPEG}
	if err := l.read(); err != nil {
		return nil, err
	}
	if err := l.blocks(); err != nil {
		return nil, err
	}
	p := &Picture{Kind: l.kind}
	if l.kind == Palette {
		if err := l.palette(p); err != nil {
			return nil, err
		}
	}
	if n := f.Width * f.Height * l.keep; l.kind == RGB && cap(pix) >= n {
		p.Pix = pix[:n]
	} else {
		p.Pix = make([]uint8, n)
	}
	planes := 1
	if l.planar {
		planes = l.keep
	}
	for plane := range planes {
		for i := range l.across * l.down {
			if err := l.block(p.Pix, plane, i); err != nil {
				return nil, err
			}
		}
	}
	return p, nil
}

func (l *layout) first(tag uint16, otherwise uint64) uint64 {
	return l.dir.first(l.order, tag, otherwise)
}

// read takes what the directory says of samples.
func (l *layout) read() error {
	l.bits, l.samples = int(l.first(tagBits, 1)), int(min(l.first(tagSamples, uint64(max(1, l.dir.len(tagBits)))), 1<<16))
	for i := range min(l.dir.len(tagBits), maxSamples) {
		if l.dir.at(l.order, tagBits, i) != uint64(l.bits) {
			return Unsupported("channels of different depths")
		}
	}
	switch format := l.first(tagFormat, 1); {
	case l.samples < 1 || l.bits < 1:
		return fmt.Errorf("%d samples of %d bits", l.samples, l.bits)
	case format == 3:
		return Unsupported("floating-point samples")
	case format == 2:
		return Unsupported("signed samples")
	case l.bits > 16:
		return Unsupported(fmt.Sprintf("samples of %d bits", l.bits))
	case l.samples > maxSamples:
		return Unsupported(fmt.Sprintf("%d channels", l.samples))
	}
	l.compression = l.first(tagCompression, 1)
	l.planar = l.first(tagPlanar, 1) == 2 && l.samples > 1
	switch l.first(tagPredictor, 1) {
	case 1:
	case 2:
		l.difference = true
		if l.bits != 8 && l.bits != 16 && l.compression != compressionJPEG {
			return Unsupported(fmt.Sprintf("a predictor with samples of %d bits", l.bits))
		}
	default:
		return Unsupported("floating-point samples")
	}
	most := 1<<min(l.bits, 8) - 1
	for v := range l.scale {
		l.scale[v] = uint8(min(v, most) * 255 / most)
	}
	return l.colours()
}

// colours takes what the directory says of colours.
func (l *layout) colours() error {
	photometric := l.first(tagPhotometric, 0)
	switch photometric {
	case 0, 1:
		l.kind, l.keep, l.invert = Grey, 1, photometric == 0
	case 2:
		l.kind, l.keep = RGB, 3
		if l.samples > 3 && l.first(tagExtra, 0) == 1 {
			l.kind, l.keep = RGBA, 4
		}
	case 3:
		l.kind, l.keep = Palette, 1
		if l.bits > 8 {
			return Unsupported(fmt.Sprintf("a palette of %d bits", l.bits))
		}
		for v := range l.scale {
			l.scale[v] = uint8(v)
		}
	case 5:
		l.kind, l.keep = CMYK, 4
		if l.samples < 4 || l.first(tagInkSet, 1) != 1 || l.compression == compressionJPEG {
			return Unsupported("inks other than uncompressed CMYK")
		}
	case 6:
		l.kind, l.keep = RGB, 3
		if l.compression != compressionJPEG {
			return Unsupported("YCbCr colours without JPEG compression")
		}
	case 4:
		return Unsupported("a transparency mask in place of a picture")
	case 8, 9, 10:
		return Unsupported("CIE L*a*b* colours")
	default:
		return Unsupported(fmt.Sprintf("colours of kind %d", photometric))
	}
	if l.samples < l.keep && l.compression != compressionJPEG {
		return fmt.Errorf("%d channels where colours need %d", l.samples, l.keep)
	}
	if l.compression == compressionJPEG {
		if l.planar || l.invert || l.kind == Palette || l.bits != 8 || l.samples != 1 && l.samples != 3 {
			return Unsupported("JPEG compression of other than grey or three 8-bit channels")
		}
		l.kind, l.keep = RGB, 3
	}
	return nil
}

// palette reads the colours, three columns of 16-bit numbers.
func (l *layout) palette(p *Picture) error {
	n := l.dir.len(tagColourMap) / 3
	if n == 0 {
		return errors.New("a palette picture without a palette")
	}
	for i := range min(n, 256) {
		for c := range 3 {
			p.Palette[i][c] = uint8(l.dir.at(l.order, tagColourMap, c*n+i) >> 8)
		}
	}
	return nil
}

// blocks takes what the directory says of strips or tiles, and checks that all have a place.
func (l *layout) blocks() error {
	l.bw, l.offsets, l.counts = l.Width, tagStripOffsets, tagStripCounts
	l.bh = int(min(l.first(tagRowsPerStrip, 1<<32), uint64(l.Height)))
	if l.dir.len(tagTileWidth) > 0 {
		w, h := l.first(tagTileWidth, 0), l.first(tagTileHeight, 0)
		if w < 8 || h < 8 || w > 1<<20 || h > 1<<20 {
			return fmt.Errorf("tiles of %dx%d pixels", w, h)
		}
		l.bw, l.bh = int(w), int(h)
		if l.dir.len(tagTileOffsets) > 0 { // some writers say StripOffsets of tiles too
			l.offsets, l.counts = tagTileOffsets, tagTileCounts
		}
	}
	if l.bh < 1 {
		return errors.New("strips without a row")
	}
	l.across, l.down = (l.Width+l.bw-1)/l.bw, (l.Height+l.bh-1)/l.bh
	if l.compression <= 1 && len(l.data) < l.Width*l.Height*l.samples*l.bits/8 {
		return io.ErrUnexpectedEOF
	}
	need := l.across * l.down
	if need*l.bw*l.bh > 4*l.Width*l.Height+freePadding {
		return fmt.Errorf("tiles of %dx%d pixels for a picture of %dx%d", l.bw, l.bh, l.Width, l.Height)
	}
	if l.planar {
		need *= l.samples
	}
	if n, counts := l.dir.len(l.offsets), l.dir.len(l.counts); n < need || counts < need && (counts > 0 || need > 1) {
		return fmt.Errorf("%d strips or tiles and %d lengths, need %d", n, counts, need)
	}
	return nil
}

// block decodes strip or tile i of a plane into pix.
func (l *layout) block(pix []uint8, plane, i int) error {
	if err := l.ctx.Err(); err != nil {
		return err
	}
	at := plane*l.across*l.down + i
	raw := l.data[min(l.dir.at(l.order, l.offsets, at), uint64(len(l.data))):]
	if l.dir.len(l.counts) > at {
		if n := l.dir.at(l.order, l.counts, at); n > 0 { // some writers say 0, or more than there is
			raw = raw[:min(n, uint64(len(raw)))]
		}
	}
	if l.across*l.down > 1 { // no compression needs so much: strips that overlap must not be read again and again
		raw = raw[:min(len(raw), 4096+2*l.bw*l.bh*l.samples*l.bits)]
	}
	x0, y0 := i%l.across*l.bw, i/l.across*l.bh
	cols, rows := min(l.bw, l.Width-x0), min(l.bh, l.Height-y0)
	if l.compression == compressionJPEG {
		block, err := l.jpeg(l.stream(raw), l.bw, rows, l.bh)
		if err != nil {
			return err
		}
		for y := range rows {
			copy(pix[3*((y0+y)*l.Width+x0):][:3*cols], block[3*y*l.bw:])
		}
		return nil
	}
	samples := l.samples
	if l.planar {
		samples = 1
	}
	r, err := l.uncompress(raw)
	if err != nil {
		return err
	}
	n := (l.bw*samples*l.bits + 7) / 8
	l.row = slices.Grow(l.row[:0], n)[:n]
	row := l.row
	for y := range rows {
		if y%64 == 63 && l.ctx.Err() != nil {
			return l.ctx.Err()
		}
		if _, err := io.ReadFull(r, row); err != nil {
			if err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return err
		}
		if l.difference {
			l.sum(row, samples)
		}
		dst := pix[((y0+y)*l.Width+x0)*l.keep:][:cols*l.keep]
		if l.planar {
			l.unpack(dst[plane:], row, 1, 1)
		} else {
			l.unpack(dst, row, samples, l.keep)
		}
	}
	return nil
}

// sum undoes the differences of a row's pixels from those to the left.
func (l *layout) sum(row []uint8, samples int) {
	if l.bits == 8 {
		for i := samples; i < len(row); i++ {
			row[i] += row[i-samples]
		}
		return
	}
	for i := 2 * samples; i+2 <= len(row); i += 2 {
		l.order.PutUint16(row[i:], l.order.Uint16(row[i:])+l.order.Uint16(row[i-2*samples:]))
	}
}

// unpack writes the first n of a row's samples of each pixel to dst, whose pixels are l.keep apart.
func (l *layout) unpack(dst, row []uint8, samples, n int) {
	high := 0 // place of the byte that counts
	if l.bits == 16 && l.order.Uint16([]byte{1, 0}) == 1 {
		high = 1
	}
	flip := uint8(0)
	if l.invert {
		flip = 255
	}
	wide := l.bits / 8
	for x := 0; x*l.keep < len(dst); x++ {
		for c := range n {
			var v uint8
			switch i := x*samples + c; {
			case l.bits == 8:
				v = row[i]
			case l.bits == 16:
				v = row[i*wide+high]
			case l.bits < 8:
				v = l.scale[bitsAt(row, i*l.bits, l.bits)]
			default:
				v = uint8(bitsAt(row, i*l.bits, 8))
			}
			dst[x*l.keep+c] = v ^ flip
		}
	}
}

// bitsAt returns n bits, at most 8, from bit at on, the highest first.
func bitsAt(b []uint8, at, n int) uint8 {
	v := uint16(b[at/8]) << 8
	if at/8+1 < len(b) {
		v |= uint16(b[at/8+1])
	}
	return uint8(v << (at % 8) >> (16 - n))
}

// stream returns a whole JPEG stream of a block: the file's tables come first, and a marker says whether
// colours are YCbCr, which else is guessed.
func (l *layout) stream(raw []byte) []byte {
	transform := byte(0)
	if l.first(tagPhotometric, 1) == 6 {
		transform = 1
	}
	out := []byte("\xff\xd8\xff\xee\x00\x0eAdobe\x00\x64\x00\x00\x00\x00")
	out = append(out, transform)
	if t := l.dir[tagJPEGTables].bytes; len(t) > 4 {
		out = append(out, t[2:len(t)-2]...)
	}
	return append(out, bytes.TrimPrefix(raw, []byte("\xff\xd8"))...)
}
