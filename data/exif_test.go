package data

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/image/tiff"
)

// exifBlock is a TIFF structure that records an orientation, after another tag.
func exifBlock(order binary.AppendByteOrder, o uint16) []byte {
	b := []byte("II")
	if order == binary.AppendByteOrder(binary.BigEndian) {
		b = []byte("MM")
	}
	b = order.AppendUint16(b, 42)
	b = order.AppendUint32(b, 8) // the directory follows
	b = order.AppendUint16(b, 2)
	for _, e := range [][2]uint16{{0x0103, 6}, {orientationTag, o}} {
		b = order.AppendUint16(b, e[0])
		b = order.AppendUint16(b, 3) // a short
		b = order.AppendUint32(b, 1)
		b = order.AppendUint16(b, e[1])
		b = order.AppendUint16(b, 0)
	}
	return order.AppendUint32(b, 0)
}

// withExif puts an APP1 segment into a JPEG file.
func withExif(jpg, block []byte) []byte {
	segment := append([]byte("Exif\x00\x00"), block...)
	out := append([]byte{}, jpg[:2]...)
	out = append(out, 0xff, 0xe1)
	out = binary.BigEndian.AppendUint16(out, uint16(len(segment)+2))
	out = append(out, segment...)
	return append(out, jpg[2:]...)
}

// Where each orientation puts the stored pixel (x, y) of a w x h image: Exif
// says which side of the picture the stored row 0 and column 0 are.
var placed = [9]func(x, y, w, h int) (int, int){
	1: func(x, y, w, h int) (int, int) { return x, y },                 // top, left
	2: func(x, y, w, h int) (int, int) { return w - 1 - x, y },         // top, right
	3: func(x, y, w, h int) (int, int) { return w - 1 - x, h - 1 - y }, // bottom, right
	4: func(x, y, w, h int) (int, int) { return x, h - 1 - y },         // bottom, left
	5: func(x, y, w, h int) (int, int) { return y, x },                 // left, top
	6: func(x, y, w, h int) (int, int) { return h - 1 - y, x },         // right, top
	7: func(x, y, w, h int) (int, int) { return h - 1 - y, w - 1 - x }, // right, bottom
	8: func(x, y, w, h int) (int, int) { return y, w - 1 - x },         // left, bottom
}

// Some writers give a long where the specification wants a short.
func TestOrientationAsLong(t *testing.T) {
	for _, order := range []binary.AppendByteOrder{binary.LittleEndian, binary.BigEndian} {
		for o := uint32(0); o < 11; o++ {
			b := exifBlock(order, 0)
			entry := b[10+12:] // the second
			value := order.AppendUint32(nil, o)
			copy(entry[2:], order.AppendUint16(nil, 4))
			copy(entry[8:], value)
			want := 1
			if o >= 1 && o <= 8 {
				want = int(o)
			}
			assert.Equal(t, want, tiffOrientation(b))
		}
	}
}

func TestOrientation(t *testing.T) {
	jpg := jpegOf(t, picture(140, 84)) // more than a strip
	stored, err := DecodeImage(jpg, "a.jpg")
	require.NoError(t, err)
	for o := 1; o <= 8; o++ {
		for _, order := range []binary.AppendByteOrder{binary.BigEndian, binary.LittleEndian} {
			t.Run(fmt.Sprint(o, order), func(t *testing.T) {
				m, err := DecodeImage(withExif(jpg, exifBlock(order, uint16(o))), "a.jpg")
				require.NoError(t, err)
				if o < 5 {
					require.Equal(t, stored.Bounds(), m.Bounds())
				} else {
					require.Equal(t, [2]int{stored.H, stored.W}, [2]int{m.W, m.H})
				}
				for y := range stored.H {
					for x := range stored.W {
						px, py := placed[o](x, y, stored.W, stored.H)
						require.Equal(t, stored.At(x, y), m.At(px, py), "stored (%d, %d)", x, y)
					}
				}
			})
		}
	}
}

// Decoders pass over bytes between segments, and the orientation behind them counts.
func TestOrientationBehindBytes(t *testing.T) {
	jpg := withExif(jpegOf(t, picture(40, 24)), exifBlock(binary.BigEndian, 6))
	for _, between := range []string{"\x00\x00", "junk\xff\x00", "\xff\xff"} {
		m, err := DecodeImage(append([]byte("\xff\xd8"+between), jpg[2:]...), "a.jpg")
		require.NoError(t, err)
		assert.Equal(t, [2]int{24, 40}, [2]int{m.W, m.H}, "%q", between)
	}
}

func TestOrientationOfTIFF(t *testing.T) {
	var b bytes.Buffer
	require.NoError(t, tiff.Encode(&b, picture(5, 4), nil))
	assert.Equal(t, 1, tiffOrientation(b.Bytes()))
	assert.Equal(t, 7, tiffOrientation(exifBlock(binary.LittleEndian, 7)))
}

// Broken Exif data never spoils a good image: it counts as upright.
func TestOrientationOfNonsense(t *testing.T) {
	jpg := jpegOf(t, picture(40, 24))
	block := exifBlock(binary.BigEndian, 6)
	for name, b := range map[string][]byte{
		"none": nil, "cut": block[:len(block)-20], "0": exifBlock(binary.BigEndian, 0), "9": exifBlock(binary.BigEndian, 9),
		"order": append([]byte("XX"), block[2:]...), "far": {'M', 'M', 0, 42, 255, 255, 255, 255},
		"count": {'M', 'M', 0, 42, 0, 0, 0, 8, 255, 255},
	} {
		m, err := DecodeImage(withExif(jpg, b), "a.jpg")
		require.NoError(t, err, name)
		assert.Equal(t, 40, m.W, name)
	}
}
