package jpeg

import (
	"encoding/binary"
	"fmt"
	"slices"
)

// A Model says what colours an image's planes have.
type Model int

const (
	Gray  Model = iota // one plane
	YCbCr              // T.871 (JFIF): full range
	RGB
	CMYK // as stored; Adobe's writers store 255 minus the ink, and readers take all files so
	YCCK // CMYK whose first three planes, as stored, are in YCbCr, as Adobe's writers store it
)

// An Image is a decoded image.
type Image struct {
	Width, Height int // pixels
	Model         Model
	Planes        []Plane
}

// A Plane holds one component's samples, Width x Height of them, rows Stride apart. Pixel (x, y) of the image lies in
// sample (x*H/MaxH, y*V/MaxV), where MaxH and MaxV are the largest of the image's planes.
type Plane struct {
	Pix                   []uint8
	Stride, Width, Height int
	H, V, MaxH, MaxV      int // sampling factors, 1 to 4
}

// A frame is a picture as its header has it (T.81, B.2.2).
type frame struct {
	width, height int // pixels
	progressive   bool
	components    []component
	maxH, maxV    int // the largest sampling factors
	mcuX, mcuY    int // MCUs of a scan of several components
	blocks        int // of all components
}

// A component is one of a frame's.
type component struct {
	id, table     uint8
	h, v          int         // sampling factors
	width, height int         // samples
	blocksX       int         // blocks that hold samples, in a row
	blocksY       int         // and rows of them
	across, down  int         // blocks with those that fill the last MCUs
	quant         *[64]uint16 // the table when the component's first scan began; nil before
	pix           []uint8     // samples of all blocks, of sequential frames when the first scan began

	// Of progressive frames: for each block the DC coefficient and the place of the others in file.sparse; 0: they
	// are all zero.
	dc []int16
	ac []uint32

	// How many low bits of each coefficient are to come; uncoded before the coefficient's first scan.
	precision [64]int8
}

const uncoded = 127

// startFrame reads a frame header.
func (f *file) startFrame(p []byte, progressive bool) error {
	if f.frame != nil {
		return FormatError("two frame headers")
	}
	if len(p) < 6 || len(p) != 6+3*int(p[5]) {
		return FormatError("bad length of the frame header")
	}
	fr := &frame{
		height:      int(binary.BigEndian.Uint16(p[1:])),
		width:       int(binary.BigEndian.Uint16(p[3:])),
		progressive: progressive,
		components:  make([]component, p[5]),
		maxH:        1, maxV: 1,
	}
	switch {
	case p[0] != 8:
		return UnsupportedError(fmt.Sprintf("%d bits a sample", p[0]))
	case fr.height == 0:
		return UnsupportedError("height not in the frame header (DNL)") // T.81, B.2.5
	case fr.width == 0:
		return FormatError("width 0")
	case p[5] != 1 && p[5] != 3 && p[5] != 4:
		return UnsupportedError(fmt.Sprintf("%d components", p[5]))
	}
	for i := range fr.components {
		c, s := &fr.components[i], p[6+3*i:]
		c.id, c.h, c.v, c.table = s[0], int(s[1]>>4), int(s[1]&15), s[2]
		if c.h < 1 || c.h > 4 || c.v < 1 || c.v > 4 {
			return FormatError(fmt.Sprintf("sampling factors %dx%d, want 1 to 4", c.h, c.v))
		}
		if c.table > 3 {
			return FormatError("bad number of a quantisation table")
		}
		if slices.ContainsFunc(fr.components[:i], func(o component) bool { return o.id == c.id }) {
			return FormatError("two components of one name")
		}
		if len(fr.components) == 1 {
			c.h, c.v = 1, 1 // T.81, A.2.2: a scan of one component is not interleaved
		}
		fr.maxH, fr.maxV = max(fr.maxH, c.h), max(fr.maxV, c.v)
		for k := range c.precision {
			c.precision[k] = uncoded
		}
	}
	fr.mcuX, fr.mcuY = ceil(fr.width, 8*fr.maxH), ceil(fr.height, 8*fr.maxV)
	for i := range fr.components {
		c := &fr.components[i]
		c.width, c.height = ceil(fr.width*c.h, fr.maxH), ceil(fr.height*c.v, fr.maxV) // T.81, A.1.1
		c.blocksX, c.blocksY = ceil(c.width, 8), ceil(c.height, 8)
		c.across, c.down = fr.mcuX*c.h, fr.mcuY*c.v
		fr.blocks += c.across * c.down
	}
	f.frame = fr
	f.budget = 64*fr.blocks + 1<<22
	return nil
}

// justify refuses a frame whose blocks do not fit into the rest of the file. Each needs a bit for its DC
// coefficient and, where a scan has the others too, one for its end; only less than a row of MCUs may be lacking.
func (f *file) justify() error {
	least := 0 // bits
	for i := range f.frame.components {
		c := &f.frame.components[i]
		least += c.blocksX * max(0, c.blocksY-c.v)
	}
	if !f.frame.progressive {
		least *= 2
	}
	if have := len(f.data) - f.pos; least > 8*have {
		w, h := f.frame.width, f.frame.height
		return FormatError(fmt.Sprintf("header promises %dx%d pixels, more than %d bytes can hold", w, h, have))
	}
	return nil
}

// ceil is a/b, rounded up.
func ceil(a, b int) int { return (a + b - 1) / b }

// visit takes n from the blocks that scans may pass without a bit of the file for each. Only passes that refine
// coefficients need to look at such blocks, a few times in the files of any encoder; 64 times each are allowed.
func (f *file) visit(n int) error {
	f.budget -= n
	if f.budget < 0 {
		return FormatError("too many scans that hold next to nothing")
	}
	return nil
}

// complete reports whether all coefficients are there, to the last bit.
func (fr *frame) complete() bool {
	for i := range fr.components {
		if fr.components[i].precision != [64]int8{} {
			return false
		}
	}
	return true
}

// allocate gives all components planes.
func (f *file) allocate() {
	if n := 64 * f.frame.blocks; len(f.pix) < n {
		f.pix = make([]uint8, n)
	}
	pix := f.pix
	for i := range f.frame.components {
		c := &f.frame.components[i]
		size := 64 * c.across * c.down
		c.pix, pix = pix[:size:size], pix[size:]
	}
}

// stride is the distance of a plane's rows.
func (c *component) stride() int { return 8 * c.across }

// samples is the plane from the first sample of block (x, y) on.
func (c *component) samples(x, y int) []uint8 { return c.pix[8*(y*c.stride()+x):] }

// image returns what was decoded.
func (f *file) image() *Image {
	fr := f.frame
	m := &Image{Width: fr.width, Height: fr.height, Model: f.model()}
	for i := range fr.components {
		c := &fr.components[i]
		m.Planes = append(m.Planes, Plane{
			Pix: c.pix, Stride: c.stride(), Width: c.width, Height: c.height, H: c.h, V: c.v, MaxH: fr.maxH, MaxV: fr.maxV,
		})
	}
	return m
}

// model tells the colours as libjpeg does (default_decompress_parms in jdapimin.c), since T.81 has no word on them.
func (f *file) model() Model {
	c := f.frame.components
	switch {
	case len(c) == 1:
		return Gray
	case len(c) == 4 && f.adobe <= 0:
		return CMYK
	case len(c) == 4:
		return YCCK
	case f.jfif:
		return YCbCr
	case f.adobe == 0, f.adobe < 0 && c[0].id == 'R' && c[1].id == 'G' && c[2].id == 'B':
		return RGB
	}
	return YCbCr
}
