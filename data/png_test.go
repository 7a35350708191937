package data

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"image"
	"image/png"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// chunk is a PNG chunk.
func chunk(kind string, body []byte) []byte {
	b := binary.BigEndian.AppendUint32(nil, uint32(len(body)))
	b = append(append(b, kind...), body...)
	return binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b[4:]))
}

func deflated(b []byte) []byte {
	var out bytes.Buffer
	w := zlib.NewWriter(&out)
	w.Write(b)
	w.Close()
	return out.Bytes()
}

func pngHeaderChunk(w, h int, depth, colour, interlace byte) []byte {
	b := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, uint32(w)), uint32(h))
	return chunk("IHDR", append(b, depth, colour, 0, 0, interlace))
}

// pngOf is a PNG file of these parts.
func pngOf(parts ...[]byte) []byte { return append([]byte(pngMagic), bytes.Join(parts, nil)...) }

// scanlines are rows of random bytes with random filters, as an image of this kind has them.
func scanlines(rng *rand.Rand, w, h, bits int, interlaced bool) []byte {
	sizes := [][2]int{{w, h}}
	if interlaced {
		sizes = nil
		for _, p := range pngPasses {
			sizes = append(sizes, [2]int{(w - p[0] + p[2] - 1) / p[2], (h - p[1] + p[3] - 1) / p[3]})
		}
	}
	var out []byte
	for _, s := range sizes {
		for range s[1] {
			if s[0] == 0 {
				continue
			}
			out = append(out, byte(rng.IntN(5)))
			for range (s[0]*bits + 7) / 8 {
				out = append(out, byte(rng.IntN(256)))
			}
		}
	}
	return out
}

// Every kind of PNG gives the pixels of package png, which is slower and less forgiving.
func TestPNGKinds(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	var palette []byte
	for i := range 256 {
		palette = append(palette, byte(i*7), byte(255-i), byte(i*i))
	}
	for colour, c := range map[byte]struct {
		channels int
		depths   []int
	}{0: {1, []int{1, 2, 4, 8, 16}}, 2: {3, []int{8, 16}}, 3: {1, []int{1, 2, 4, 8}}, 4: {2, []int{8, 16}}, 6: {4, []int{8, 16}}} {
		for _, depth := range c.depths {
			for _, size := range []image.Point{{1, 1}, {3, 2}, {8, 8}, {13, 21}, {33, 5}} {
				for interlace := range byte(2) {
					name := fmt.Sprintf("colour %d, %d bits, %v, interlace %d", colour, depth, size, interlace)
					parts := [][]byte{pngHeaderChunk(size.X, size.Y, byte(depth), colour, interlace)}
					if colour == 3 {
						parts = append(parts, chunk("PLTE", palette[:3<<depth]), chunk("tRNS", []byte{0, 128}))
					}
					raw := deflated(scanlines(rng, size.X, size.Y, depth*c.channels, interlace == 1))
					half := len(raw) / 2
					parts = append(parts, chunk("IDAT", raw[:half]), chunk("IDAT", nil), chunk("IDAT", raw[half:]), chunk("IEND", nil))
					file := pngOf(parts...)
					m, err := png.Decode(bytes.NewReader(file))
					require.NoError(t, err, name)
					got, err := DecodeImage(file, name)
					require.NoError(t, err)
					require.Equal(t, ToRGB(m), got, name)
				}
			}
		}
	}
}

// A picture of palette colours without a palette is no black picture.
func TestPNGWithoutPalette(t *testing.T) {
	header, pixels := pngHeaderChunk(9, 7, 8, 3, 0), chunk("IDAT", deflated(make([]byte, 7*10)))
	for _, file := range [][]byte{pngOf(header, pixels), pngOf(header, chunk("PLTE", nil), pixels), pngOf(header, pixels, chunk("PLTE", make([]byte, 9)))} {
		_, err := DecodeImage(file, "a.png")
		assert.EqualError(t, err, "data: a.png: damaged PNG: no palette before the pixels")
		assert.ErrorIs(t, err, ErrDamaged)
	}
}

// What libpng forgives gives the whole picture.
func TestPNGForgiven(t *testing.T) {
	m := picture(24, 15)
	var lines []byte
	for y := range m.H {
		lines = append(append(lines, 0), m.row(y)...)
	}
	header, end := pngHeaderChunk(m.W, m.H, 8, 2, 0), chunk("IEND", nil)
	wrong := func(c []byte) []byte {
		c = bytes.Clone(c)
		c[len(c)-1] ^= 1
		return c
	}
	z := deflated(lines)
	badSum := bytes.Clone(z)
	badSum[len(badSum)-1] ^= 1
	pixels := chunk("IDAT", z)
	for name, file := range map[string][]byte{
		"whole":                           pngOf(header, pixels, end),
		"too much pixel data":             pngOf(header, chunk("IDAT", deflated(append(bytes.Clone(lines), make([]byte, 5000)...))), end),
		"checksum of the pixels":          pngOf(header, wrong(pixels), end),
		"checksum of another chunk":       pngOf(header, wrong(chunk("pHYs", make([]byte, 9))), pixels, end),
		"checksum of the end":             pngOf(header, pixels, wrong(end)),
		"Adler checksum":                  pngOf(header, chunk("IDAT", badSum), end),
		"without Adler checksum":          pngOf(header, chunk("IDAT", z[:len(z)-4]), end),
		"without end":                     pngOf(header, pixels),
		"without the last checksum":       pngOf(header, pixels[:len(pixels)-4]),
		"junk behind":                     pngOf(header, pixels, end, []byte("junk")),
		"a chunk between those of pixels": pngOf(header, chunk("IDAT", z[:9]), chunk("tEXt", []byte("a")), chunk("IDAT", z[9:]), end),
		"unknown chunk":                   pngOf(header, chunk("abCd", make([]byte, 100)), pixels, end),
	} {
		got, err := DecodeImage(file, name)
		require.NoError(t, err)
		assert.Equal(t, m, got, name)
	}
	for name, c := range map[string]struct {
		want string
		kind error
		file []byte
	}{
		"half":     {"truncated PNG: unexpected EOF", ErrDamaged, pngOf(header, chunk("IDAT", deflated(lines[:len(lines)/2])), end)},
		"header":   {"damaged PNG: wrong checksum of the IHDR chunk", ErrDamaged, pngOf(wrong(header), pixels, end)},
		"filter":   {"damaged PNG: filter 9 is unknown", ErrDamaged, pngOf(header, chunk("IDAT", deflated(bytes.Repeat([]byte{9}, len(lines)))), end)},
		"depth":    {"damaged PNG: header says 24x15 pixels of kind 2 with 4 bits", ErrDamaged, pngOf(pngHeaderChunk(24, 15, 4, 2, 0), pixels, end)},
		"no pixel": {"damaged PNG: no pixels", ErrDamaged, pngOf(header, end)},
		"cut":      {"truncated PNG: unexpected EOF", ErrDamaged, pngOf(header, pixels)[:60]},
		"iPhone":   {"unsupported PNG (Apple's own kind for apps, CgBI): save it as JPEG or PNG", ErrUnsupported, pngOf(chunk("CgBI", make([]byte, 4)), header, pixels, end)},
	} {
		_, err := DecodeImage(c.file, "a.png")
		assert.EqualError(t, err, "data: a.png: "+c.want, name)
		assert.ErrorIs(t, err, c.kind, name)
	}
}
