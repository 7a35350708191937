package data

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// bmpFile is a BMP file with a header of the given size; more follows the header's first 40 bytes.
func bmpFile(w, h, depth, coding, header int, more, palette, pixels []byte) []byte {
	b := []byte("BM\x00\x00\x00\x00\x00\x00\x00\x00")
	info := binary.LittleEndian.AppendUint32(nil, uint32(header))
	if header == 12 {
		info = binary.LittleEndian.AppendUint16(info, uint16(w))
		info = binary.LittleEndian.AppendUint16(info, uint16(h))
	} else {
		info = binary.LittleEndian.AppendUint32(info, uint32(w))
		info = binary.LittleEndian.AppendUint32(info, uint32(h))
	}
	info = append(info, 1, 0, byte(depth), 0)
	if header > 12 {
		info = binary.LittleEndian.AppendUint32(info, uint32(coding))
		info = append(info, make([]byte, 20)...)
	}
	info = append(info, more...)
	info = append(info, make([]byte, max(0, header-len(info)))...)
	info = append(info, palette...)
	b = binary.LittleEndian.AppendUint32(b, uint32(14+len(info)))
	return append(append(b, info...), pixels...)
}

// masks are the bits of red, green and blue.
func masks(r, g, b uint32) (out []byte) {
	for _, m := range []uint32{r, g, b} {
		out = binary.LittleEndian.AppendUint32(out, m)
	}
	return out
}

// Pixels of 16 and 32 bits by masks, against the definition.
func TestBMPMasks(t *testing.T) {
	const w, h = 7, 5
	for _, c := range []struct {
		depth, coding, header int
		r, g, b               uint32
		more                  []byte
	}{
		{16, 0, 40, 0x7c00, 0x3e0, 0x1f, nil},
		{16, 3, 40, 0xf800, 0x7e0, 0x1f, masks(0xf800, 0x7e0, 0x1f)},
		{16, 3, 108, 0xf00, 0xf0, 0xf, masks(0xf00, 0xf0, 0xf)},
		{32, 3, 124, 0xff, 0xff00, 0xff0000, masks(0xff, 0xff00, 0xff0000)},
		{32, 3, 40, 0x3ff00000, 0xffc00, 0x3ff, masks(0x3ff00000, 0xffc00, 0x3ff)},
		{32, 0, 40, 0xff0000, 0xff00, 0xff, nil},
		{32, 6, 56, 0xff000000, 0xff0000, 0xff00, masks(0xff000000, 0xff0000, 0xff00)},
	} {
		for _, sign := range []int{1, -1} {
			stride := (w*c.depth/8 + 3) &^ 3
			pixels := noise(stride, h, 3).Pix[:stride*h]
			want := NewRGB(w, h)
			for y := range h {
				for x := range w {
					p := pixels[y*stride+x*c.depth/8:]
					v := uint32(binary.LittleEndian.Uint16(p))
					if c.depth == 32 {
						v = binary.LittleEndian.Uint32(p)
					}
					line := y
					if sign > 0 {
						line = h - 1 - y
					}
					level := func(mask uint32) uint8 {
						low := mask & -mask
						return uint8(uint64((v&mask)/low) * 255 / uint64(mask/low))
					}
					put(want.row(line)[3*x:], level(c.r), level(c.g), level(c.b))
				}
			}
			name := fmt.Sprintf("%d bits, compression %d, header %d", c.depth, c.coding, c.header)
			got, err := DecodeImage(bmpFile(w, sign*h, c.depth, c.coding, c.header, c.more, nil, pixels), name)
			require.NoError(t, err)
			assert.Equal(t, want, got, name)
		}
	}
}

// Palettes of every depth and header; the last row may lack its padding, and the palette entries.
func TestBMPPalettes(t *testing.T) {
	for _, depth := range []int{1, 2, 4, 8} {
		for _, header := range []int{12, 40, 64, 124} {
			const w, h = 11, 3
			entry := 4
			if header == 12 {
				entry = 3
			}
			var palette []byte
			for i := range 1 << depth {
				palette = append(palette, []byte{byte(3 * i), byte(255 - i), byte(i * i), 0}[:entry]...)
			}
			stride := (w*depth + 31) / 32 * 4
			pixels := noise(stride, h, 9).Pix[:stride*h]
			want := NewRGB(w, h)
			for y := range h {
				for x := range w {
					i := pixels[y*stride+x*depth/8] >> (8 - depth - x*depth%8) & (1<<depth - 1)
					c := palette[int(i)*entry:]
					put(want.row(h - 1 - y)[3*x:], c[2], c[1], c[0])
				}
			}
			got, err := DecodeImage(bmpFile(w, h, depth, 0, header, nil, palette, pixels[:len(pixels)-stride+(w*depth+7)/8]), "a.bmp")
			require.NoError(t, err)
			assert.Equal(t, want, got, "%d bits, header %d", depth, header)
		}
	}
}

// Run-length coding: runs, indices as they are, ends of lines, jumps.
func TestBMPRuns(t *testing.T) {
	var palette []byte
	for i := range 16 {
		palette = append(palette, byte(i), 0, byte(10*i), 0)
	}
	rows := func(lines ...string) *RGB { // of hexadecimal digits, top line first
		m := NewRGB(len(lines[0]), len(lines))
		for y, l := range lines {
			for x := range l {
				var v int
				fmt.Sscanf(l[x:x+1], "%x", &v)
				put(m.row(y)[3*x:], uint8(10*v), 0, uint8(v))
			}
		}
		return m
	}
	for _, c := range []struct {
		name   string
		depth  int
		pixels string
		want   *RGB
	}{
		{"8 bits", 8, "\x03\x05\x00\x03\x01\x02\x03\x00\x00\x00\x06\x07\x00\x00\x00\x01", rows("777777", "555123")},
		{"4 bits", 4, "\x05\x12\x01\x30\x00\x00\x00\x05\x12\x34\x50\x00\x01\x60\x00\x01", rows("123456", "121213")},
		{"jump", 8, "\x01\x02\x00\x02\x02\x01\x01\x09\x00\x01", rows("000900", "200000")},
		{"without end", 8, "\x06\x01\x00\x00\x06\x02", rows("222222", "111111")},
		{"past the edge", 8, "\x09\x01\x00\x00\x06\x02\x00\x01", rows("222222", "111111")},
	} {
		coding := map[int]int{8: bmpRLE8, 4: bmpRLE4}[c.depth]
		got, err := DecodeImage(bmpFile(6, 2, c.depth, coding, 40, nil, palette, []byte(c.pixels)), c.name)
		require.NoError(t, err)
		assert.Equal(t, c.want, got, c.name)
	}
	_, err := DecodeImage(bmpFile(6, 2, 8, bmpRLE8, 40, nil, palette, []byte("\x06\x01\x00\x00\x02\x02")), "a.bmp")
	assert.EqualError(t, err, "data: a.bmp: truncated BMP: unexpected EOF")
}

func TestBMPRefused(t *testing.T) {
	for want, file := range map[string][]byte{
		"unsupported BMP (it holds a JPEG): save it as JPEG or PNG":                    bmpFile(6, 2, 0, 4, 40, nil, nil, make([]byte, 99)),
		"unsupported BMP (24 bits a pixel with compression 1): save it as JPEG or PNG": bmpFile(6, 2, 24, 1, 40, nil, nil, make([]byte, 99)),
		"truncated BMP: unexpected EOF":                                                bmpFile(6, 2, 24, 0, 40, nil, nil, make([]byte, 37)),
		"damaged BMP: header of 9999 bytes":                                            bmpFile(6, 2, 24, 0, 9999, nil, nil, nil),
		"damaged BMP: pixels at byte 9, in the header":                                 bytes.Replace(bmpFile(6, 2, 24, 0, 40, nil, nil, make([]byte, 99)), []byte{54, 0, 0, 0}, []byte{9, 0, 0, 0}, 1),
	} {
		_, err := DecodeImage(file, "a.bmp")
		assert.EqualError(t, err, "data: a.bmp: "+want)
	}
}
