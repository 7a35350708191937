package data

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math/bits"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A tiffTag is an entry of a directory: 16-bit numbers, or 32-bit ones.
type tiffTag struct {
	tag    uint16
	values []int
	long   bool
}

type byteOrder interface {
	binary.ByteOrder
	binary.AppendByteOrder
}

// A tiffWriter makes TIFF files of any structure.
type tiffWriter struct {
	order byteOrder
	big   bool
}

func (w tiffWriter) String() string { return fmt.Sprintf("%v, big %v", w.order, w.big) }

var tiffWriters = []tiffWriter{{binary.LittleEndian, false}, {binary.BigEndian, false}, {binary.LittleEndian, true}, {binary.BigEndian, true}}

// file is a TIFF file of these tags and blocks, whose places and lengths it adds: as tiles if there is a tag of
// a tile's width.
func (w tiffWriter) file(blocks [][]byte, tags ...tiffTag) []byte {
	u16 := func(b []byte, v int) []byte { return w.order.AppendUint16(b, uint16(v)) }
	u32 := func(b []byte, v int) []byte { return w.order.AppendUint32(b, uint32(v)) }
	word := u32
	b := []byte(map[bool]string{true: "II", false: "MM"}[w.order == binary.LittleEndian])
	if w.big {
		word = func(b []byte, v int) []byte { return w.order.AppendUint64(b, uint64(v)) }
		b = word(u16(u16(u16(b, 43), 8), 0), 0)
	} else {
		b = word(u16(b, 42), 0)
	}
	place := len(b) - len(word(nil, 0))
	var at, length []int
	for _, block := range blocks {
		at, length = append(at, len(b)), append(length, len(block))
		b = append(b, block...)
	}
	offsets, counts := uint16(273), uint16(279)
	for _, t := range tags {
		if t.tag == 322 {
			offsets, counts = 324, 325
		}
	}
	if !slices.ContainsFunc(tags, func(t tiffTag) bool { return t.tag == offsets }) && blocks != nil {
		tags = append(tags, tiffTag{offsets, at, true}, tiffTag{counts, length, true})
	}
	var dir []byte
	for _, t := range tags {
		var value []byte
		kind := 3
		for _, v := range t.values {
			if t.long {
				kind, value = 4, u32(value, v)
			} else {
				value = u16(value, v)
			}
		}
		inline := len(word(nil, 0))
		if len(value) > inline {
			b, value = append(b, value...), word(nil, len(b))
		}
		value = append(value, make([]byte, inline-len(value))...)
		dir = append(word(u16(u16(dir, int(t.tag)), kind), len(t.values)), value...)
	}
	copy(b[place:], word(nil, len(b)))
	if w.big {
		b = word(b, len(tags))
	} else {
		b = u16(b, len(tags))
	}
	return word(append(b, dir...), 0)
}

func is(tag uint16, values ...int) tiffTag { return tiffTag{tag: tag, values: values} }

// A tiffKind is a picture's samples, chunky, and what its pixels are.
type tiffKind struct {
	name        string
	photometric int
	samples     int
	more        []tiffTag
	colour      func(p []uint8) [3]uint8 // of 8-bit samples
}

var tiffKinds = []tiffKind{
	{"grey", 1, 1, nil, func(p []uint8) [3]uint8 { return [3]uint8{p[0], p[0], p[0]} }},
	{"white is zero", 0, 1, nil, func(p []uint8) [3]uint8 { return [3]uint8{^p[0], ^p[0], ^p[0]} }},
	{"grey and alpha", 1, 2, []tiffTag{is(338, 2)}, func(p []uint8) [3]uint8 { return [3]uint8{p[0], p[0], p[0]} }},
	{"rgb", 2, 3, nil, func(p []uint8) [3]uint8 { return [3]uint8(p) }},
	{"rgb and alpha", 2, 4, []tiffTag{is(338, 2)}, func(p []uint8) [3]uint8 { return [3]uint8(p) }},
	{"rgb and anything", 2, 4, []tiffTag{is(338, 0)}, func(p []uint8) [3]uint8 { return [3]uint8(p) }},
	{"rgb and two more", 2, 5, []tiffTag{is(338, 2, 0)}, func(p []uint8) [3]uint8 { return [3]uint8(p) }},
	{"rgb times alpha", 2, 4, []tiffTag{is(338, 1)}, func(p []uint8) [3]uint8 {
		return [3]uint8{unmultiply(p[0], p[3]), unmultiply(p[1], p[3]), unmultiply(p[2], p[3])}
	}},
	{"cmyk", 5, 4, nil, func(p []uint8) [3]uint8 {
		white := 255 - uint32(p[3])
		return [3]uint8{ink(p[0], white), ink(p[1], white), ink(p[2], white)}
	}},
	{"cmyk and alpha", 5, 5, []tiffTag{is(338, 2)}, func(p []uint8) [3]uint8 {
		white := 255 - uint32(p[3])
		return [3]uint8{ink(p[0], white), ink(p[1], white), ink(p[2], white)}
	}},
}

// packed writes samples of so many bits, each row from a new byte on.
func packed(samples []int, perRow, depth int, order byteOrder) (out []byte) {
	for ; len(samples) > 0; samples = samples[perRow:] {
		var row []byte
		free := 0
		for _, v := range samples[:perRow] {
			if depth == 16 {
				row = order.AppendUint16(row, uint16(v))
				continue
			}
			for bit := depth - 1; bit >= 0; bit-- {
				if free == 0 {
					row, free = append(row, 0), 8
				}
				free--
				row[len(row)-1] |= byte(v>>bit&1) << free
			}
		}
		out = append(out, row...)
	}
	return out
}

// packBits codes b as it is, and its runs.
func packBits(b []byte) (out []byte) {
	for len(b) > 0 {
		n := 1
		for n < min(len(b), 128) && b[n] == b[0] {
			n++
		}
		if n > 1 {
			out = append(out, byte(1-n), b[0])
		} else {
			out = append(out, 0x80, 0, b[0]) // and a code without meaning
		}
		b = b[n:]
	}
	return out
}

// Every kind of samples, depth and compression, in strips and tiles, chunky and planar, in both byte orders, as
// TIFF and BigTIFF.
func TestTIFFKinds(t *testing.T) {
	const w, h = 21, 13
	n := 0
	for _, k := range tiffKinds {
		for _, depth := range []int{1, 2, 4, 8, 12, 16} {
			for layout := range 16 {
				n++
				writer := tiffWriters[n%4]
				tiled, planar, compression, reversed := layout&1 != 0, layout&2 != 0 && k.samples > 1, []int{1, 8, 32773, 32946}[layout>>2], n%3 == 0
				name := fmt.Sprintf("%s, %d bits, tiled %v, planar %v, compression %d, %v, bits reversed %v", k.name, depth, tiled, planar, compression, writer, reversed)
				values := noise(w*k.samples, h, uint64(n)).Pix
				samples := make([]int, w*h*k.samples)
				want := NewRGB(w, h)
				for i := range samples {
					samples[i] = (int(values[i])<<8 | int(values[i+1])) >> (16 - depth)
				}
				for i := range w * h {
					p := make([]uint8, k.samples)
					for c := range p {
						v := samples[i*k.samples+c]
						if depth < 8 {
							p[c] = uint8(v * 255 / (1<<depth - 1))
						} else {
							p[c] = uint8(v >> (depth - 8))
						}
					}
					colour := k.colour(p)
					put(want.Pix[3*i:], colour[0], colour[1], colour[2])
				}
				bw, bh := w, 5
				if tiled {
					bw, bh = 16, 8
				}
				var blocks [][]byte
				planes := [][2]int{{0, k.samples}}
				if planar {
					planes = nil
					for c := range k.samples {
						planes = append(planes, [2]int{c, c + 1})
					}
				}
				for _, plane := range planes {
					for y0 := 0; y0 < h; y0 += bh {
						for x0 := 0; x0 < w; x0 += bw {
							rows := bh
							if !tiled {
								rows = min(bh, h-y0)
							}
							var block []int
							for y := range rows {
								for x := range bw {
									for c := plane[0]; c < plane[1]; c++ {
										block = append(block, samples[(min(y0+y, h-1)*w+min(x0+x, w-1))*k.samples+c])
									}
								}
							}
							raw := packed(block, bw*(plane[1]-plane[0]), depth, writer.order)
							switch compression {
							case 8, 32946:
								raw = deflated(raw)
							case 32773:
								raw = packBits(raw)
							}
							if reversed {
								for i := range raw {
									raw[i] = bits.Reverse8(raw[i])
								}
							}
							blocks = append(blocks, raw)
						}
					}
				}
				depths := make([]int, k.samples)
				for i := range depths {
					depths[i] = depth
				}
				tags := append([]tiffTag{is(256, w), is(257, h), {258, depths, false}, is(259, compression), is(262, k.photometric), is(277, k.samples)}, k.more...)
				if tiled {
					tags = append(tags, is(322, bw), is(323, bh))
				} else {
					tags = append(tags, is(278, bh))
				}
				if planar {
					tags = append(tags, is(284, 2))
				}
				if reversed {
					tags = append(tags, is(266, 2))
				}
				got, err := DecodeImage(writer.file(blocks, tags...), name)
				require.NoError(t, err)
				require.Equal(t, want, got, name)
			}
		}
	}
}

// A bilevel picture, # black, as libtiff compresses it.
var faxPicture = strings.Fields(`........................
.######...............#.
.#....#...###........##.
.#....#..#...#......###.
.#....#..#...#.....####.
.######...###.....#####.
.................######.
########################`)

// The picture in strips of libtiff, by compression and T4Options, where white runs, or 0, are black.
var faxData = map[string]string{
	"4 0": "26a05e5704b91dcd0bfa0461d7ff5e36971158b0010010",
	"3 0": "0013502e0026ab8303a0013543b1e815d0009aa1d8f8f0e508004d50ec7c7873b40026aba83c40026a0c72001500",
	"3 1": "0019a8170014ae0940066a8763d02ba0017d0230eb0019aa1d8f8f0e7680058da5800cd418e4002160",
	"3 4": "00013502e001355c181d00013543b1e815d000013543b1f1e1ca1000013543b1f1e1ced00001355d41e20001350639000150",
	"2 0": "3502e0355c181d003543b1e815d03543b1f1e1ca103543b1f1e1ced0355d41e23506390050",
	"5 0": "803fe04817fbf57ac77caf576f18538502c760c0c0113808",
}

// Black is black whichever of 0 and 1 it is, in every compression, in a strip and a tile, with the bits of a
// byte in either order.
func TestTIFFBilevel(t *testing.T) {
	want, negative := NewRGB(24, 8), NewRGB(24, 8)
	var plain []byte
	for y, line := range faxPicture {
		for x, c := range line {
			if x%8 == 0 {
				plain = append(plain, 0)
			}
			v := uint8(0)
			if c != '#' {
				v = 255
				plain[len(plain)-1] |= 0x80 >> (x % 8)
			}
			put(want.row(y)[3*x:], v, v, v)
			put(negative.row(y)[3*x:], ^v, ^v, ^v)
		}
	}
	files := map[string][]byte{"1 0": plain, "8 0": deflated(plain), "32773 0": packBits(plain)}
	for name, s := range faxData {
		raw, err := hex.DecodeString(s)
		require.NoError(t, err)
		files[name] = raw
	}
	for name, raw := range files {
		var compression, options int
		fmt.Sscan(name, &compression, &options)
		for layout := range 32 {
			writer, reversed, tiled, photometric := tiffWriters[layout%4], layout&4 != 0, layout&8 != 0, layout>>4
			block := bytes.Clone(raw)
			tags := []tiffTag{is(256, 24), is(257, 8), is(259, compression), is(262, photometric), is(292, options)}
			if reversed {
				tags = append(tags, is(266, 2))
				for i := range block {
					block[i] = bits.Reverse8(block[i])
				}
			}
			if tiled {
				tags = append(tags, is(322, 24), is(323, 8))
			}
			got, err := DecodeImage(writer.file([][]byte{block}, tags...), name)
			require.NoError(t, err)
			require.Equal(t, [2]*RGB{negative, want}[photometric], got, "compression %s, photometric %d, %v, bits reversed %v, tiled %v", name, photometric, writer, reversed, tiled)
		}
	}
}

// A JPEG in a TIFF file has its tables in the directory; a marker that is put before it says what its colours
// are.
func TestTIFFJPEG(t *testing.T) {
	m := picture(32, 24)
	whole := jpegOf(t, m)
	want, err := DecodeImage(whole, "a.jpg")
	require.NoError(t, err)
	scan := bytes.Index(whole, []byte{0xff, 0xc0})
	tables := append(bytes.Clone(whole[:scan]), 0xff, 0xd9)
	rest := append([]byte{0xff, 0xd8}, whole[scan:]...)
	number := func(b []byte) (v []int) {
		for _, c := range b {
			v = append(v, int(c))
		}
		return v
	}
	for name, file := range map[string][]byte{
		"whole":  tiffWriters[0].file([][]byte{whole}, is(256, 32), is(257, 24), tiffTag{258, []int{8, 8, 8}, false}, is(259, 7), is(262, 6), is(277, 3)),
		"tables": bytesTag(tiffWriters[0].file([][]byte{rest}, is(256, 32), is(257, 24), tiffTag{258, []int{8, 8, 8}, false}, is(259, 7), is(262, 6), is(277, 3), tiffTag{347, number(tables), false}), 347),
	} {
		got, err := DecodeImage(file, name)
		require.NoError(t, err)
		assert.Equal(t, want, got, name)
	}
	_, err = DecodeImage(tiffWriters[0].file([][]byte{whole}, is(256, 40), is(257, 24), tiffTag{258, []int{8, 8, 8}, false}, is(259, 7), is(262, 6), is(277, 3)), "a.tif")
	assert.EqualError(t, err, "data: a.tif: damaged TIFF: a JPEG stream of 32x24 pixels, want 40x24")
}

// bytesTag turns the numbers of a tag in a little-endian file into bytes.
func bytesTag(file []byte, tag uint16) []byte {
	dir := binary.LittleEndian.Uint32(file[4:])
	for e := file[dir+2:]; ; e = e[12:] {
		if binary.LittleEndian.Uint16(e) == tag {
			binary.LittleEndian.PutUint16(e[2:], 7)
			at, n := binary.LittleEndian.Uint32(e[8:]), binary.LittleEndian.Uint32(e[4:])
			for i := range n {
				file[at+i] = file[at+2*i]
			}
			return file
		}
	}
}

// What is not read is named, and so is a RAW file, of which the first directory is a thumbnail.
func TestTIFFRefused(t *testing.T) {
	pixels := [][]byte{make([]byte, 9*9*32)}
	base := []tiffTag{is(256, 9), is(257, 9)}
	for _, c := range []struct {
		want string
		kind error
		tags []tiffTag
	}{
		{"unsupported TIFF (floating-point samples): save it as JPEG or PNG", ErrUnsupported, []tiffTag{is(258, 32), is(339, 3)}},
		{"unsupported TIFF (signed samples): save it as JPEG or PNG", ErrUnsupported, []tiffTag{is(258, 16), is(339, 2)}},
		{"unsupported TIFF (samples of 32 bits): save it as JPEG or PNG", ErrUnsupported, []tiffTag{is(258, 32)}},
		{"unsupported TIFF (CIE L*a*b* colours): save it as JPEG or PNG", ErrUnsupported, []tiffTag{is(258, 8, 8, 8), is(262, 8)}},
		{"unsupported TIFF (YCbCr colours without JPEG compression): save it as JPEG or PNG", ErrUnsupported, []tiffTag{is(258, 8, 8, 8), is(262, 6)}},
		{"unsupported TIFF (channels of different depths): save it as JPEG or PNG", ErrUnsupported, []tiffTag{is(258, 5, 6, 5), is(262, 2)}},
		{"unsupported TIFF (9 channels): save it as JPEG or PNG", ErrUnsupported, []tiffTag{is(258, 8), is(277, 9)}},
		{"unsupported TIFF (old-style JPEG compression): save it as JPEG or PNG", ErrUnsupported, []tiffTag{is(258, 8), is(259, 6)}},
		{"unsupported TIFF (Zstandard compression): save it as JPEG or PNG", ErrUnsupported, []tiffTag{is(258, 8), is(259, 50000)}},
		{"unsupported TIFF (compression 999): save it as JPEG or PNG", ErrUnsupported, []tiffTag{is(258, 8), is(259, 999)}},
		{"damaged TIFF: 1 channels where colours need 3", ErrDamaged, []tiffTag{is(258, 8), is(262, 2)}},
		{"damaged TIFF: tiles of 4x4 pixels", ErrDamaged, []tiffTag{is(258, 8), is(322, 4), is(323, 4)}},
		{"damaged TIFF: 1 strips or tiles and 1 lengths, need 3", ErrDamaged, []tiffTag{is(258, 8), is(278, 4)}},
		{"it is a camera RAW photograph, which cannot be read: develop it to JPEG or TIFF", ErrUnsupported, []tiffTag{is(258, 8), is(254, 1), tiffTag{330, []int{1}, true}}},
		{"it is a camera RAW photograph, which cannot be read: develop it to JPEG or TIFF", ErrUnsupported, []tiffTag{is(258, 8), is(50706, 1)}},
		{"it is a camera RAW photograph, which cannot be read: develop it to JPEG or TIFF", ErrUnsupported, []tiffTag{is(258, 16), is(262, 32803)}},
	} {
		for _, w := range tiffWriters[:2] {
			_, err := DecodeImage(w.file(pixels, append(base, c.tags...)...), "a.tif")
			assert.EqualError(t, err, "data: a.tif: "+c.want)
			assert.ErrorIs(t, err, c.kind)
		}
	}
	// The sensor's values stand in a second directory.
	second := tiffWriters[0].file(nil, is(256, 900), is(257, 900), is(262, 32803))
	for _, link := range []bool{false, true} {
		first := tiffWriters[0].file(pixels, is(256, 9), is(257, 9), is(258, 8), tiffTag{330, []int{1, 2}, true})
		at := len(first) + int(binary.LittleEndian.Uint32(second[4:]))
		if link {
			binary.LittleEndian.PutUint32(first[len(first)-4:], uint32(at))
		} else { // in the list of sub-directories
			list := bytes.Index(first, []byte{1, 0, 0, 0, 2, 0, 0, 0})
			binary.LittleEndian.PutUint32(first[list+4:], uint32(at))
		}
		_, err := DecodeImage(append(first, second...), "a.nef")
		assert.ErrorContains(t, err, "a.nef: it is a camera RAW photograph")
	}
	_, err := DecodeImage([]byte("II*\x00\x10\x00\x00\x00CR\x02\x00\x00\x00\x00\x00\x00\x00\x00\x00"), "a.cr2")
	assert.ErrorContains(t, err, "a.cr2: it is a camera RAW photograph")
}

// Lengths of strips may be missing, zero or too large.
func TestTIFFForgiven(t *testing.T) {
	m := picture(9, 6)
	base := []tiffTag{is(256, 9), is(257, 6), is(258, 8, 8, 8), is(262, 2)}
	for name, more := range map[string][]tiffTag{
		"missing":   {{273, []int{16}, true}},
		"zero":      {{273, []int{16}, true}, {279, []int{0}, true}},
		"too large": {{273, []int{16}, true}, {279, []int{1 << 30}, true}},
	} {
		for _, w := range tiffWriters[2:] { // whose header takes 16 bytes
			file := w.file([][]byte{m.Pix}, append(base, more...)...)
			got, err := DecodeImage(file, name)
			require.NoError(t, err, name)
			require.Equal(t, m, got, name)
		}
	}
}

// A BigTIFF file is turned upright too.
func TestTIFFOrientation(t *testing.T) {
	m := picture(9, 6)
	for _, w := range tiffWriters {
		for o := 1; o <= 8; o++ {
			got, err := DecodeImage(w.file([][]byte{m.Pix}, is(256, 9), is(257, 6), is(258, 8, 8, 8), is(262, 2), is(274, o)), "a.tif")
			require.NoError(t, err)
			assert.Equal(t, upright(m, o), got)
		}
	}
}
