package data

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"image"
	"image/color"
	"image/draw"
	"image/gif"
	"image/png"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/image/bmp"
	"golang.org/x/image/tiff"
)

// Pillow's own decoding of each file stands beside it.
func TestDecodeEqualsPillow(t *testing.T) {
	for name, tolerance := range map[string]int{
		"baseline420.jpg": 0, "baseline422.jpg": 0, "baseline444.jpg": 0, "progressive.jpg": 0, "grey.jpg": 0,
		"cmyk.jpg": 0, "ycck.jpg": 0,
		"lossy.webp": 1, "lossless.webp": 0, "alpha.webp": 1,
		"lzw.tif": 0, "palette.gif": 0,
		"orientation6.jpg": 0, "orientation6.webp": 1, "orientation6.png": 0,
	} {
		t.Run(name, func(t *testing.T) {
			got, err := ReadImage(filepath.Join("testdata", name))
			require.NoError(t, err)
			want, err := ReadImage(filepath.Join("testdata", name+".png"))
			require.NoError(t, err)
			equal, largest := difference(t, want, got)
			t.Logf("%.1f %% equal, largest difference %d", 100*equal, largest)
			assert.LessOrEqual(t, largest, tolerance)
		})
	}
}

// Every kind of image that an encoder at hand writes, decoded without loss.
func TestDecodeLossless(t *testing.T) {
	m := picture(37, 23)
	nrgba := image.NewNRGBA(m.Bounds())
	deep := image.NewNRGBA64(m.Bounds())
	palette := image.NewPaletted(m.Bounds(), color.Palette{color.NRGBA{200, 100, 50, 128}, color.NRGBA{1, 2, 3, 255}})
	grey, grey16 := image.NewGray(m.Bounds()), image.NewGray16(m.Bounds())
	wantPalette, wantGrey := NewRGB(m.W, m.H), NewRGB(m.W, m.H)
	for y := range m.H {
		for x := range m.W {
			p := m.row(y)[3*x:]
			alpha := uint8(50 + x)
			nrgba.SetNRGBA(x, y, color.NRGBA{p[0], p[1], p[2], alpha})
			deep.SetNRGBA64(x, y, color.NRGBA64{uint16(p[0])<<8 | 7, uint16(p[1])<<8 | 99, uint16(p[2])<<8 | 250, uint16(alpha) << 8})
			grey.SetGray(x, y, color.Gray{p[0]})
			grey16.SetGray16(x, y, color.Gray16{uint16(p[0])<<8 | 77})
			put(wantGrey.row(y)[3*x:], p[0], p[0], p[0])
			put(wantPalette.row(y)[3*x:], 200, 100, 50)
			if x%3 == 0 {
				palette.SetColorIndex(x, y, 1)
				put(wantPalette.row(y)[3*x:], 1, 2, 3)
			}
		}
	}
	asTIFF := func(w io.Writer, m image.Image) error {
		return tiff.Encode(w, m, &tiff.Options{Compression: tiff.Deflate, Predictor: true})
	}
	plainTIFF := func(w io.Writer, m image.Image) error { return tiff.Encode(w, m, nil) }
	for _, c := range []struct {
		name   string
		encode func(io.Writer, image.Image) error
		in     image.Image
		want   *RGB
	}{
		{"png rgb", png.Encode, m, m},
		{"png alpha is dropped, not blended", png.Encode, nrgba, m},
		{"png 16 bit with alpha", png.Encode, deep, m},
		{"png palette with alpha", png.Encode, palette, wantPalette},
		{"png grey", png.Encode, grey, wantGrey},
		{"png 16 bit grey", png.Encode, grey16, wantGrey},
		{"bmp rgb", bmp.Encode, m, m},
		{"bmp grey", bmp.Encode, grey, wantGrey},
		{"bmp alpha", bmp.Encode, nrgba, m},
		{"tiff alpha", asTIFF, nrgba, m},
		{"tiff 16 bit", plainTIFF, deep, m},
		{"tiff grey", plainTIFF, grey, wantGrey},
		{"tiff 16 bit grey", plainTIFF, grey16, wantGrey},
		{"tiff rgb", asTIFF, m, m},
	} {
		t.Run(c.name, func(t *testing.T) {
			var b bytes.Buffer
			require.NoError(t, c.encode(&b, c.in))
			got, err := DecodeImage(b.Bytes(), c.name)
			require.NoError(t, err)
			_, largest := difference(t, c.want, got)
			assert.Zero(t, largest)
		})
	}
}

// The general path of ToRGB and the fast ones agree.
func TestToRGB(t *testing.T) {
	m := noise(21, 13, 1)
	b := image.Rect(-3, 2, 18, 15)
	images := map[string]interface {
		image.Image
		Set(x, y int, c color.Color)
	}{
		"rgba": image.NewRGBA(b), "nrgba": image.NewNRGBA(b), "nrgba64": image.NewNRGBA64(b), "cmyk": image.NewCMYK(b),
		"gray": image.NewGray(b), "gray16": image.NewGray16(b), "paletted": image.NewPaletted(b, color.Palette{color.White, color.Gray{9}, color.NRGBA{200, 9, 9, 90}}),
	}
	for name, im := range images {
		t.Run(name, func(t *testing.T) {
			for y := range m.H {
				for x := range m.W {
					p := m.row(y)[3*x:]
					im.Set(x+b.Min.X, y+b.Min.Y, color.NRGBA{p[0], p[1], p[2], 100 + p[0]/2})
				}
			}
			want, got := ToRGB(other{im}), ToRGB(im)
			_, largest := difference(t, want, got)
			// Premultiplied 8-bit colours and inks lose up to a level in the general path's 16-bit rounding.
			assert.LessOrEqual(t, largest, 1)
		})
	}
	assert.Same(t, m, ToRGB(m))
	_, largest := difference(t, m, ToRGB(other{m}))
	assert.Zero(t, largest)
	m.Set(2, 3, color.NRGBA{10, 20, 30, 40})
	assert.Equal(t, color.RGBA{10, 20, 30, 255}, m.At(2, 3))
	m.Set(-1, 3, color.White)
	assert.Equal(t, color.RGBA{}, m.At(21, 3))
	assert.Equal(t, color.RGBA64Model.Convert(m.At(2, 3)), m.RGBA64At(2, 3))
	assert.Equal(t, color.RGBA64{}, m.RGBA64At(2, -1))
}

// Without halved chroma the conversion is the standard library's; with it, a
// plane that is linear stays so between its samples.
func TestYCbCr(t *testing.T) {
	full := image.NewYCbCr(image.Rect(0, 0, 19, 11), image.YCbCrSubsampleRatio444)
	for i, v := range noise(19, 11, 2).Pix {
		[3][]uint8{full.Y, full.Cb, full.Cr}[i%3][i/3] = v
	}
	_, largest := difference(t, ToRGB(other{full}), ToRGB(full))
	assert.LessOrEqual(t, largest, 1)

	for _, r := range []image.YCbCrSubsampleRatio{image.YCbCrSubsampleRatio420, image.YCbCrSubsampleRatio422, image.YCbCrSubsampleRatio440, image.YCbCrSubsampleRatio411, image.YCbCrSubsampleRatio410} {
		for _, size := range []image.Point{{1, 1}, {2, 3}, {4, 4}, {5, 1}, {6, 7}, {33, 18}} {
			m := image.NewYCbCr(image.Rectangle{Max: size}, r)
			for i := range m.Y {
				m.Y[i] = 120
			}
			for i := range m.Cb {
				m.Cb[i], m.Cr[i] = 90, 160
			}
			// Constant chroma: interpolation must not show.
			_, largest := difference(t, ToRGB(other{m}), ToRGB(m))
			assert.LessOrEqual(t, largest, 1, "%v %v", r, size)
		}
	}

	half := image.NewYCbCr(image.Rect(0, 0, 40, 2), image.YCbCrSubsampleRatio422)
	for i := range half.Y {
		half.Y[i] = 128
	}
	for i := range half.Cb {
		half.Cb[i], half.Cr[i] = 128, uint8(100+2*(i%20))
	}
	m := ToRGB(half)
	for x := 1; x < 39; x++ {
		cr := 100 + float64(x) - 0.5 // sample i lies between the pixels 2i and 2i+1
		assert.InDelta(t, 128+1.402*(cr-128), float64(m.row(0)[3*x]), 1.3)
	}
}

// image/draw reads and writes an RGB without an allocation for each pixel, and its colours are those of Set.
func TestDrawOnRGB(t *testing.T) {
	m, src := noise(40, 30, 5), image.NewNRGBA(image.Rect(0, 0, 40, 30))
	for i := range src.Pix {
		src.Pix[i] = uint8(i * 7)
	}
	for x := range 40 {
		for y := range 30 {
			c := color.RGBA64Model.Convert(src.At(x, y)).(color.RGBA64)
			m.Set(x, y, c)
			want := m.At(x, y)
			m.Set(x, y, color.Black)
			m.SetRGBA64(x, y, c)
			require.Equal(t, want, m.At(x, y))
		}
	}
	m.SetRGBA64(40, 0, color.RGBA64{})
	for _, op := range []draw.Op{draw.Src, draw.Over} {
		assert.Less(t, testing.AllocsPerRun(3, func() { draw.Draw(m, m.Bounds(), src, image.Point{}, op) }), 10.0)
		assert.Less(t, testing.AllocsPerRun(3, func() { draw.Draw(m, m.Bounds(), noise(1, 1, 1), image.Point{}, op) }), 10.0)
		assert.Less(t, testing.AllocsPerRun(3, func() { draw.Draw(image.NewRGBA(m.Bounds()), m.Bounds(), m, image.Point{}, op) }), 10.0)
	}
}

func TestGIFFrameOnCanvas(t *testing.T) {
	palette := color.Palette{color.RGBA{9, 8, 7, 255}, color.RGBA{255, 0, 0, 255}}
	frame := image.NewPaletted(image.Rect(3, 2, 7, 5), palette)
	for i := range frame.Pix {
		frame.Pix[i] = 1
	}
	var b bytes.Buffer
	require.NoError(t, gif.EncodeAll(&b, &gif.GIF{
		Image: []*image.Paletted{frame, frame}, Delay: []int{1, 1}, Config: image.Config{ColorModel: palette, Width: 10, Height: 6},
	}))
	m, err := DecodeImage(b.Bytes(), "a.gif")
	require.NoError(t, err)
	require.Equal(t, image.Rect(0, 0, 10, 6), m.Bounds())
	for y := range 6 {
		for x := range 10 {
			want := color.RGBA{9, 8, 7, 255}
			if (image.Point{x, y}).In(frame.Rect) {
				want = color.RGBA{255, 0, 0, 255}
			}
			require.Equal(t, want, m.At(x, y))
		}
	}
}

func TestBadImages(t *testing.T) {
	m := picture(40, 30)
	jpg := jpegOf(t, m)
	var b bytes.Buffer
	require.NoError(t, png.Encode(&b, m))
	pngFile := b.Bytes()

	// A header for an image of any size, with a valid checksum.
	header := func(w, h uint32) []byte {
		huge := bytes.Clone(pngFile)
		binary.BigEndian.PutUint32(huge[16:], w)
		binary.BigEndian.PutUint32(huge[20:], h)
		binary.BigEndian.PutUint32(huge[29:], crc32.ChecksumIEEE(huge[12:29]))
		return huge
	}
	var emptyBMP bytes.Buffer
	require.NoError(t, bmp.Encode(&emptyBMP, NewRGB(0, 0)))
	progressive, err := os.ReadFile("testdata/progressive.jpg")
	require.NoError(t, err)
	for _, c := range []struct {
		name, want string
		data       []byte
	}{
		{"empty.jpg", "data: empty.jpg: empty file (0 bytes)", nil},
		{"text.jpg", `data: text.jpg: not an image: starts with "hello wor", want JPEG, PNG, GIF, BMP, TIFF or WebP`, []byte("hello world")},
		{"a.heic", "data: a.heic: it is an HEIC photograph, which cannot be read: save it as JPEG", []byte("\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic")},
		{"a.avif", "data: a.avif: it is an AVIF photograph, which cannot be read: save it as JPEG", []byte("\x00\x00\x00\x18ftypavif\x00\x00\x00\x00")},
		{"half.jpg", "data: half.jpg: truncated JPEG: unexpected EOF", jpg[:len(jpg)/2]},
		{"header.jpg", "data: header.jpg: truncated JPEG: unexpected EOF", jpg[:20]},
		{"two.jpg", "data: two.jpg: truncated JPEG: unexpected EOF", jpg[:2]},
		{"progressive.jpg", "data: progressive.jpg: truncated JPEG: unexpected EOF", progressive[:len(progressive)*2/3]},
		{"half.png", "data: half.png: truncated PNG: unexpected EOF", pngFile[:len(pngFile)/2]},
		{"bomb.png", "data: bomb.png: 40000x40000 pixels, more than the limit of 178956970", header(40000, 40000)},
		{"long.png", "data: long.png: 2097152x2 pixels, more than the limit of 131072 for one side", header(1<<21, 2)},
		{"none.bmp", "data: none.bmp: empty image (0x0 pixels)", emptyBMP.Bytes()},
		{"promise.png", "data: promise.png: header promises 13000x13000 pixels, more than a file of ", header(13000, 13000)},
		{"damaged.png", "data: damaged.png: damaged PNG: ", append(bytes.Clone(pngFile[:50]), bytes.Repeat([]byte{7}, len(pngFile)-50)...)},
		{"a.webp", "data: a.webp: truncated WebP: unexpected EOF", []byte("RIFF\x04\x00\x00\x00WEBP")},
		{"a.bmp", "data: a.bmp: truncated BMP: unexpected EOF", []byte("BM")},
		{"a.tif", "data: a.tif: truncated TIFF: unexpected EOF", []byte("II*\x00")},
		{"a.gif", "data: a.gif: truncated GIF: unexpected EOF", []byte("GIF89a")},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := DecodeImage(c.data, c.name)
			require.Error(t, err)
			assert.True(t, strings.HasPrefix(err.Error(), c.want), "got  %v\nwant %s", err, c.want)
			if strings.Contains(c.want, "truncated") {
				assert.ErrorIs(t, err, io.ErrUnexpectedEOF)
			}
		})
	}

	t.Run("only the end marker missing", func(t *testing.T) {
		want, err := DecodeImage(jpg, "a.jpg")
		require.NoError(t, err)
		got, err := DecodeImage(jpg[:len(jpg)-2], "a.jpg")
		require.NoError(t, err)
		assert.Equal(t, want, got)
	})
	t.Run("cut anywhere", func(t *testing.T) {
		for n := range len(jpg) - 4 {
			_, err := DecodeImage(jpg[:n], "a.jpg")
			require.Error(t, err, "%d of %d bytes", n, len(jpg))
		}
	})
	t.Run("wrong extension", func(t *testing.T) {
		dir := write(t, map[string][]byte{"a.jpg": pngFile})
		got, err := ReadImage(filepath.Join(dir, "a.jpg"))
		require.NoError(t, err)
		assert.Equal(t, m, got)
	})
	t.Run("folder", func(t *testing.T) {
		_, err := ReadImage("testdata")
		assert.EqualError(t, err, "data: testdata: not a file, but a folder")
	})
	t.Run("missing", func(t *testing.T) {
		_, err := ReadImage("testdata/none.jpg")
		assert.ErrorIs(t, err, os.ErrNotExist)
		assert.ErrorContains(t, err, "none.jpg")
	})
}

func TestCrop(t *testing.T) {
	m := picture(9, 7)
	c := m.crop(2, 3, 4, 2)
	for y := range 2 {
		for x := range 4 {
			require.Equal(t, m.At(x+2, y+3), c.At(x, y))
		}
	}
	assert.Panics(t, func() { m.crop(6, 0, 4, 2) })
	assert.Panics(t, func() { NewRGB(-1, 2) })
	assert.PanicsWithValue(t, "data: NewRGB: size 1099511627776x1099511627776 is too large", func() { NewRGB(1<<40, 1<<40) }) // 0 in 64 bits
}
