package data

import (
	"bytes"
	"encoding/binary"
	"image"
	"image/color"
	"image/gif"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// gifOf is a GIF file of one frame, or of several.
func gifOf(t testing.TB, canvas image.Point, frames ...*image.Paletted) []byte {
	var b bytes.Buffer
	require.NoError(t, gif.EncodeAll(&b, &gif.GIF{
		Image: frames, Delay: make([]int, len(frames)),
		Config: image.Config{ColorModel: frames[0].Palette, Width: canvas.X, Height: canvas.Y},
	}))
	return b.Bytes()
}

// numberedFrame is a frame whose indices count up.
func numberedFrame(r image.Rectangle, p color.Palette) *image.Paletted {
	m := image.NewPaletted(r, p)
	for i := range m.Pix {
		m.Pix[i] = uint8(i % len(p))
	}
	return m
}

// A transparent pixel has the colour that the palette gives it, as in Pillow.
func TestGIFTransparent(t *testing.T) {
	palette := color.Palette{color.RGBA{255, 255, 255, 255}, color.RGBA{200, 10, 20, 255}, color.RGBA{1, 2, 3, 255}, color.RGBA{4, 5, 6, 255}}
	frame := numberedFrame(image.Rect(2, 1, 9, 6), palette)
	opaque := gifOf(t, image.Pt(12, 8), frame)
	control := bytes.Index(opaque, []byte{0x21, 0xf9, 4})
	if control < 0 { // the encoder writes one only where it must
		at := bytes.Index(opaque, []byte{0x2c, 2, 0, 1, 0})
		opaque = append(append(bytes.Clone(opaque[:at]), 0x21, 0xf9, 4, 0, 0, 0, 0, 0), opaque[at:]...)
		control = at
	}
	for index := range 4 {
		file := bytes.Clone(opaque)
		file[control+3] |= 1
		file[control+6] = byte(index)
		m, err := DecodeImage(file, "a.gif")
		require.NoError(t, err)
		for y := range 8 {
			for x := range 12 {
				want := palette[index] // of the canvas
				if p := image.Pt(x, y); p.In(frame.Rect) {
					want = frame.At(x, y)
				}
				require.Equal(t, want, m.At(x, y), "index %d at %d, %d", index, x, y)
			}
		}
	}
}

// A canvas that is too small, or none, grows to the first picture.
func TestGIFCanvas(t *testing.T) {
	palette := color.Palette{color.RGBA{9, 8, 7, 255}, color.RGBA{255, 0, 0, 255}}
	frame := numberedFrame(image.Rect(0, 0, 30, 20), palette)
	file := gifOf(t, image.Pt(30, 20), frame)
	for _, canvas := range []image.Point{{0, 0}, {10, 10}, {30, 5}, {30, 20}, {40, 25}} {
		binary.LittleEndian.PutUint16(file[6:], uint16(canvas.X))
		binary.LittleEndian.PutUint16(file[8:], uint16(canvas.Y))
		m, err := DecodeImage(file, "a.gif")
		require.NoError(t, err)
		require.Equal(t, image.Pt(max(30, canvas.X), max(20, canvas.Y)), m.Bounds().Size())
		for y := range m.H {
			for x := range m.W {
				want := palette[0]
				if (image.Pt(x, y)).In(frame.Rect) {
					want = frame.At(x, y)
				}
				require.Equal(t, want, m.At(x, y))
			}
		}
	}
}

// Rows of an interlaced GIF come in four passes.
func TestGIFInterlaced(t *testing.T) {
	palette := color.Palette{}
	for i := range 32 {
		palette = append(palette, color.RGBA{uint8(8 * i), uint8(255 - i), 7, 255})
	}
	for _, h := range []int{1, 2, 5, 8, 13} {
		want := numberedFrame(image.Rect(0, 0, 7, h), palette)
		stored := image.NewPaletted(want.Rect, palette)
		next := 0
		for _, pass := range [][2]int{{0, 8}, {4, 8}, {2, 4}, {1, 2}} {
			for y := pass[0]; y < h; y += pass[1] {
				copy(stored.Pix[next*7:(next+1)*7], want.Pix[y*7:])
				next++
			}
		}
		file := gifOf(t, image.Pt(7, h), stored)
		at := bytes.IndexByte(file[13+3*32:], 0x2c) + 13 + 3*32
		file[at+9] |= 0x40
		got, err := DecodeImage(file, "a.gif")
		require.NoError(t, err)
		assert.Equal(t, ToRGB(want), got)
	}
}

// Frames after the first are not looked at.
func TestGIFFirstFrameOnly(t *testing.T) {
	palette := color.Palette{color.White, color.Black}
	frame := numberedFrame(image.Rect(0, 0, 8, 8), palette)
	file := gifOf(t, image.Pt(8, 8), frame, frame)
	want, err := DecodeImage(file, "a.gif")
	require.NoError(t, err)
	second := bytes.LastIndexByte(file, 0x2c)
	got, err := DecodeImage(append(bytes.Clone(file[:second]), bytes.Repeat([]byte{0xff}, 50)...), "a.gif")
	require.NoError(t, err)
	assert.Equal(t, want, got)
}

// Without any palette the indices are greys, as in Pillow.
func TestGIFWithoutPalette(t *testing.T) {
	file := gifOf(t, image.Pt(9, 7), numberedFrame(image.Rect(0, 0, 9, 7), color.Palette{color.Black, color.White, color.Black, color.White}))
	file = append(append(bytes.Clone(file[:10]), 0, 0, 0), file[13+3*4:]...) // cut out
	m, err := DecodeImage(file, "a.gif")
	require.NoError(t, err)
	for i := range 9 * 7 {
		v := uint8(i % 4)
		require.Equal(t, color.RGBA{v, v, v, 255}, m.At(i%9, i/9))
	}
}

// A first picture of no pixels is no blank one.
func TestGIFEmptyPicture(t *testing.T) {
	file := []byte("GIF89a\x09\x00\x07\x00\x00\x00\x00" + "\x2c\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\x3b")
	_, err := DecodeImage(file, "a.gif")
	assert.EqualError(t, err, "data: a.gif: damaged GIF: its first picture has no pixels")
}
