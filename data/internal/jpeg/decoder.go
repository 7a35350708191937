// Package jpeg decodes JPEG files (ITU-T Recommendation T.81, "T.81" below): baseline, extended sequential and
// progressive Huffman coding, 8 bits a sample, any sampling factors, in one scan or many.
//
// The samples are libjpeg's, bit for bit: the inverse transform is its exact integer one. What the package does
// beside it is to stay in bounds. The blocks that a frame header promises must fit into the bits of the file; a
// progressive file keeps 16-bit coefficients, and those of a block only once one of them is not zero; scans must
// follow T.81's rules of successive approximation, so that none can be repeated; and blocks that a scan passes
// without spending a bit on each are counted. Time and memory are thus in proportion to the file and its picture.
//
// It returns the planes of samples as they are coded. Their interpolation and conversion to colours is the
// caller's.
//
// Read decoder.go (markers), frame.go (frame header and planes), scan.go (scans and restarts), then sequential.go
// and progressive.go (blocks), which stand on reader.go, huffman.go and idct.go.
package jpeg

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"image"
	"io"
	"slices"
)

// A FormatError says how a file breaks T.81. A file that ends too early gives io.ErrUnexpectedEOF instead.
type FormatError string

func (e FormatError) Error() string { return string(e) }

// An UnsupportedError names the part of T.81, or of its extensions, that a file uses and this package lacks.
type UnsupportedError string

func (e UnsupportedError) Error() string { return string(e) }

// The markers of T.81, table B.1.
const (
	sof0 = 0xc0 // baseline
	sof1 = 0xc1 // extended sequential
	sof2 = 0xc2 // progressive
	dht  = 0xc4
	rst0 = 0xd0
	rst7 = 0xd7
	soi  = 0xd8
	eoi  = 0xd9
	sos  = 0xda
	dqt  = 0xdb
	dri  = 0xdd
	app0 = 0xe0
	appE = 0xee
	tem  = 0x01
)

// unsupported names the markers that begin what this package does not decode.
var unsupported = map[byte]UnsupportedError{
	0xc3: "lossless coding",
	0xc5: "hierarchical coding",
	0xc6: "hierarchical coding",
	0xc7: "hierarchical coding",
	0xc8: "an extension of JPEG (marker 0xc8)",
	0xc9: "arithmetic coding",
	0xca: "arithmetic coding",
	0xcb: "lossless arithmetic coding",
	0xcd: "hierarchical coding",
	0xce: "hierarchical coding",
	0xcf: "hierarchical coding",
	0xde: "hierarchical coding",
	0xdf: "hierarchical coding",
	0xf7: "JPEG-LS",
}

// A Decoder decodes files, each into the memory of the one before. The zero value is ready.
type Decoder struct {
	pix []uint8
}

// Decode returns the first image of a file. It is valid until d decodes the next one. The caller limits the size,
// which the function Size tells. An error is a FormatError, an UnsupportedError, io.ErrUnexpectedEOF where rows of
// the picture are missing, or ctx's, which is polled every few thousand blocks.
//
// As in libjpeg, a restart marker may be missing or wrong and bytes may stand between segments; blocks that are
// lost by it are grey, and so is the end of a scan that lacks less than a row of blocks. A file may lack the
// end-of-image marker. Unlike libjpeg, a wrong Huffman code is an error, and a progressive file that ends, with its
// marker, before the last scan is not smoothed.
func (d *Decoder) Decode(ctx context.Context, data []byte) (*Image, error) {
	f := &file{ctx: ctx, data: data, adobe: -1, pix: d.pix}
	err := f.read(false)
	if err == nil && f.frame.progressive {
		err = f.transform()
	}
	d.pix = f.pix
	if err != nil {
		return nil, err
	}
	return f.image(), nil
}

// Size returns the width and height in pixels of a file's first image, from its frame header.
func Size(data []byte) (image.Point, error) {
	f := &file{ctx: context.Background(), data: data, adobe: -1}
	if err := f.read(true); err != nil {
		return image.Point{}, err
	}
	return image.Pt(f.frame.width, f.frame.height), nil
}

// A file is one being decoded.
type file struct {
	ctx  context.Context
	data []byte
	pos  int // in data

	quant    [4]*[64]uint16 // in zigzag order
	huff     [2][4]*huffman // for DC and AC coefficients
	interval int            // MCUs from one restart marker to the next; 0: there are none
	jfif     bool
	adobe    int // the colour transform of an Adobe segment; -1: there is none

	frame  *frame
	pix    []uint8 // memory of the planes
	sparse blocks  // of progressive frames
	budget int     // visits of blocks that cost the file nothing, see file.visit
}

// read reads the file up to its end-of-image marker or the last coefficient that a file can hold; up to the frame
// header if that is enough.
func (f *file) read(onlyFrame bool) error {
	if len(f.data) < 2 {
		return io.ErrUnexpectedEOF
	}
	if f.data[0] != 0xff || f.data[1] != soi {
		return FormatError("no start-of-image marker")
	}
	f.pos = 2
	for {
		if err := f.ctx.Err(); err != nil {
			return err
		}
		marker, ok := f.marker()
		switch {
		case !ok && f.frame != nil && f.frame.complete():
			return nil
		case !ok:
			return io.ErrUnexpectedEOF
		case marker == eoi:
			return f.end()
		case marker == soi:
			return FormatError("two start-of-image markers")
		case rst0 <= marker && marker <= rst7 || marker == tem: // T.81, B.1.1.3: no segment follows
			continue
		case unsupported[marker] != "":
			return unsupported[marker]
		case marker < sof0:
			return FormatError(fmt.Sprintf("unknown marker 0x%02x", marker))
		}
		segment, err := f.segment()
		if err != nil {
			return err
		}
		switch marker {
		case sof0, sof1, sof2:
			if err = f.startFrame(segment, marker == sof2); err == nil && onlyFrame {
				return nil
			}
			if err == nil {
				err = f.justify()
			}
		case dht:
			err = f.huffmanTables(segment)
		case dqt:
			err = f.quantTables(segment)
		case dri:
			if len(segment) != 2 {
				return FormatError("bad length of a restart interval")
			}
			f.interval = int(binary.BigEndian.Uint16(segment))
		case app0: // T.871, 10.1
			f.jfif = f.jfif || len(segment) >= 14 && string(segment[:5]) == "JFIF\x00"
		case appE: // Adobe technical note 5116, section 18
			if len(segment) >= 12 && string(segment[:5]) == "Adobe" {
				f.adobe = int(segment[11])
			}
		case sos:
			if err = f.scan(segment); err == nil && f.frame.complete() {
				return nil
			}
		}
		if err != nil {
			return err
		}
	}
}

// marker moves behind the next marker, over any bytes before it, and returns it. FF 00 is data; any number of FF
// may stand before a marker (T.81, B.1.1.2).
func (f *file) marker() (byte, bool) {
	for f.pos < len(f.data) {
		n := bytes.IndexByte(f.data[f.pos:], 0xff)
		if n < 0 {
			break
		}
		for f.pos += n + 1; f.pos < len(f.data) && f.data[f.pos] == 0xff; f.pos++ {
		}
		if f.pos < len(f.data) && f.data[f.pos] != 0 {
			f.pos++
			return f.data[f.pos-1], true
		}
	}
	f.pos = len(f.data)
	return 0, false
}

// segment moves behind the segment that begins here and returns its contents.
func (f *file) segment() ([]byte, error) {
	rest := f.data[f.pos:]
	if len(rest) < 2 {
		return nil, io.ErrUnexpectedEOF
	}
	n := int(binary.BigEndian.Uint16(rest))
	if n < 2 {
		return nil, FormatError("bad length of a segment")
	}
	if n > len(rest) {
		return nil, io.ErrUnexpectedEOF
	}
	f.pos += n
	return rest[2:n], nil
}

// end judges a file that ends with its end-of-image marker. Precision that a progressive file never sends is its
// writer's choice; a component that no scan has is not.
func (f *file) end() error {
	if f.frame == nil {
		return FormatError("no picture before the end-of-image marker")
	}
	for i := range f.frame.components {
		if f.frame.components[i].precision[0] == uncoded {
			return io.ErrUnexpectedEOF
		}
	}
	return nil
}

// quantTables reads a DQT segment (T.81, B.2.4.1).
func (f *file) quantTables(p []byte) error {
	for len(p) > 0 {
		wide, id := int(p[0]>>4), p[0]&15
		if wide > 1 || id > 3 {
			return FormatError("bad quantisation table")
		}
		n := 64 << wide
		if len(p) < 1+n {
			return FormatError("quantisation table is too short")
		}
		t := new([64]uint16)
		for k := range t {
			if wide == 1 {
				t[k] = binary.BigEndian.Uint16(p[1+2*k:])
			} else {
				t[k] = uint16(p[1+k])
			}
		}
		f.quant[id], p = t, p[1+n:]
	}
	return nil
}

// huffmanTables reads a DHT segment (T.81, B.2.4.2).
func (f *file) huffmanTables(p []byte) error {
	for len(p) > 0 {
		class, id := p[0]>>4, p[0]&15
		if class > 1 || id > 3 || len(p) < 17 {
			return FormatError("bad Huffman table")
		}
		counts := [16]uint8(p[1:17])
		n := 0
		for _, c := range counts {
			n += int(c)
		}
		if n > 256 || len(p) < 17+n {
			return FormatError("bad Huffman table")
		}
		symbols := p[17 : 17+n]
		if class == 0 && n > 0 && slices.Max(symbols) > 15 { // T.81, F.1.2.1: the size of a difference
			return FormatError("bad Huffman table")
		}
		t := &f.huff[class][id]
		if *t == nil {
			*t = new(huffman)
		}
		if err := (*t).build(counts, symbols); err != nil {
			return err
		}
		p = p[17+n:]
	}
	return nil
}
