package tiff

import (
	"bufio"
	"bytes"
	"compress/zlib"
	"fmt"
	"io"
	"math/bits"

	"golang.org/x/image/tiff/lzw"
)

const compressionJPEG = 7

var compressions = map[uint64]string{
	6: "old-style JPEG compression", 34661: "JBIG compression",
	34712: "JPEG 2000 compression", 34887: "LERC compression", 34925: "LZMA compression", 50000: "Zstandard compression",
	50001: "WebP compression", 50002: "JPEG XL compression", 52546: "JPEG XL compression",
}

// uncompress returns the samples of a block.
func (l *layout) uncompress(raw []byte) (io.Reader, error) {
	if l.first(tagFillOrder, 1) == 2 { // as libtiff, whatever the compression
		raw = bytes.Clone(raw)
		for i, b := range raw {
			raw[i] = bits.Reverse8(b)
		}
	}
	r := &interruptible{l, bytes.NewReader(raw)}
	switch l.compression {
	case 0, 1:
		return r, nil
	case faxRuns, faxGroup3, faxGroup4:
		options := l.first(tagT4Options, 0)
		if l.compression == faxGroup4 {
			options = l.first(tagT6Options, 0)
		}
		if options&2 != 0 {
			return nil, Unsupported("fax compression's uncompressed mode")
		}
		if l.bits != 1 || l.samples != 1 {
			return nil, fmt.Errorf("fax compression of %d samples of %d bits", l.samples, l.bits)
		}
		// White is 0 in the file, whatever the photometric interpretation makes of it.
		return &fax{data: raw, width: l.bw, compression: l.compression, mixed: l.compression == faxGroup3 && options&1 != 0}, nil
	case 5:
		if len(raw) > 1 && raw[0] == 0 && raw[1]&1 != 0 {
			return nil, Unsupported("old-style LZW compression")
		}
		return lzw.NewReader(r, lzw.MSB, 8), nil
	case 8, 32946:
		if l.deflate == nil {
			d, err := zlib.NewReader(r)
			l.deflate = d
			return d, err
		}
		return l.deflate, l.deflate.(zlib.Resetter).Reset(r, nil) // each new one takes 40 KB
	case 32773:
		return &packBits{r: bufio.NewReader(r)}, nil
	}
	if name := compressions[l.compression]; name != "" {
		return nil, Unsupported(name)
	}
	return nil, Unsupported(fmt.Sprintf("compression %d", l.compression))
}

// An interruptible reader ends with its context.
type interruptible struct {
	l *layout
	r *bytes.Reader
}

func (i *interruptible) Read(p []byte) (int, error) {
	if err := i.l.ctx.Err(); err != nil {
		return 0, err
	}
	return i.r.Read(p)
}

// ReadByte spares decompressors a buffer of their own. To be fast it seldom looks at the context.
func (i *interruptible) ReadByte() (byte, error) {
	if i.r.Len()%4096 == 0 && i.l.ctx.Err() != nil {
		return 0, i.l.ctx.Err()
	}
	return i.r.ReadByte()
}

// packBits undoes run-length coding (TIFF 6.0, section 9): n and n+1 bytes as they are, or -n and a byte that
// is repeated n+1 times.
type packBits struct {
	r      *bufio.Reader
	n      int
	repeat bool
	value  byte
}

func (p *packBits) Read(b []byte) (int, error) {
	for p.n == 0 {
		code, err := p.r.ReadByte()
		if err != nil {
			return 0, err
		}
		switch n := int(int8(code)); {
		case n >= 0:
			p.n, p.repeat = n+1, false
		case n > -128:
			p.n, p.repeat = 1-n, true
			if p.value, err = p.r.ReadByte(); err != nil {
				return 0, err
			}
		}
	}
	b = b[:min(len(b), p.n)]
	if !p.repeat {
		n, err := p.r.Read(b)
		p.n -= n
		return n, err
	}
	for i := range b {
		b[i] = p.value
	}
	p.n -= len(b)
	return len(b), nil
}
