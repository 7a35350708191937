package data

import (
	"bytes"
	"compress/lzw"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// allocated returns the bytes that do allocates.
func allocated(do func()) int {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	do()
	runtime.ReadMemStats(&after)
	return int(after.TotalAlloc - before.TotalAlloc)
}

// webpChunks is a WebP file of these chunks.
func webpChunks(chunks ...[]byte) []byte {
	body := bytes.Join(chunks, nil)
	return append(binary.LittleEndian.AppendUint32([]byte("RIFF"), uint32(4+len(body))), append([]byte("WEBP"), body...)...)
}

func webpChunk(kind string, body []byte) []byte {
	b := append(binary.LittleEndian.AppendUint32([]byte(kind), uint32(len(body))), body...)
	return append(b, make([]byte, len(body)&1)...)
}

func u24(v int) []byte { return []byte{byte(v), byte(v >> 8), byte(v >> 16)} }

// extended is a VP8X chunk.
func extended(flags byte, w, h int) []byte {
	return webpChunk("VP8X", bytes.Join([][]byte{{flags, 0, 0, 0}, u24(w - 1), u24(h - 1)}, nil))
}

// vp8 returns the picture chunk of a file of testdata.
func vp8(t testing.TB, name string) []byte {
	file, err := os.ReadFile(filepath.Join("testdata", name))
	require.NoError(t, err)
	p, err := readWebP(file)
	require.NoError(t, err)
	return append(p.chunk, make([]byte, len(p.chunk)&1)...)
}

// A WebP file that ends too early is said to be truncated.
func TestWebPTruncated(t *testing.T) {
	for _, name := range []string{"lossy.webp", "lossless.webp"} {
		file, err := os.ReadFile(filepath.Join("testdata", name))
		require.NoError(t, err)
		for n := 12; n < len(file)-8; n += 1 + n/3 {
			_, err := DecodeImage(file[:n], "a.webp")
			require.EqualError(t, err, "data: a.webp: truncated WebP: unexpected EOF", n)
		}
	}
}

// The first picture of an animation stands at its place on a black canvas.
func TestWebPAnimated(t *testing.T) {
	for _, name := range []string{"lossy.webp", "lossless.webp"} {
		picture, err := ReadImage(filepath.Join("testdata", name))
		require.NoError(t, err)
		chunk := vp8(t, name)
		frame := func(x, y int) []byte {
			return webpChunk("ANMF", bytes.Join([][]byte{u24(x / 2), u24(y / 2), u24(picture.W - 1), u24(picture.H - 1), u24(100), {0}, chunk}, nil))
		}
		const animated = 1 << 1
		got, err := DecodeImage(webpChunks(extended(animated, picture.W+7, picture.H+10), webpChunk("ANIM", make([]byte, 6)), frame(4, 6), frame(0, 0)), "a.webp")
		require.NoError(t, err)
		require.Equal(t, image.Pt(picture.W+7, picture.H+10), got.Bounds().Size())
		require.Equal(t, picture, got.crop(4, 6, picture.W, picture.H))
		for i := range 3 {
			require.Zero(t, got.row(5)[3*i])
		}
		got, err = DecodeImage(webpChunks(extended(animated, picture.W, picture.H), webpChunk("ANIM", make([]byte, 6)), frame(0, 0)), "a.webp")
		require.NoError(t, err)
		require.Equal(t, picture, got)
		for _, file := range [][]byte{
			webpChunks(extended(animated, picture.W+7, picture.H+10), frame(8, 0)), // beside the canvas
			webpChunks(extended(0, picture.W+1, picture.H), chunk),                 // a canvas of another size
		} {
			_, err := DecodeImage(file, "a.webp")
			require.ErrorIs(t, err, ErrDamaged)
		}
	}
}

// Each file is what it is, whatever its name.
func TestStrangers(t *testing.T) {
	box := func(brands string) string { return "\x00\x00\x00" + string(rune(8+len(brands))) + "ftyp" + brands }
	for content, want := range map[string]string{
		box("heic\x00\x00\x00\x00mif1heic"):                         "it is an HEIC photograph, which cannot be read: save it as JPEG",
		box("mif1\x00\x00\x00\x00mif1heic"):                         "it is an HEIC photograph, which cannot be read: save it as JPEG",
		box("mif1\x00\x00\x00\x00mif1avif"):                         "it is an AVIF photograph, which cannot be read: save it as JPEG",
		box("avis\x00\x00\x00\x00"):                                 "it is an AVIF photograph, which cannot be read: save it as JPEG",
		box("mif1\x00\x00\x00\x00mif1"):                             "it is an HEIF photograph, which cannot be read: save it as JPEG",
		box("crx \x00\x00\x00\x01crx isom"):                         "it is a camera RAW photograph (Canon CR3), which cannot be read: develop it to JPEG or TIFF",
		box("qt  \x00\x00\x00\x00"):                                 "not an image, but a video",
		"\x00\x00\x00\x0cJXL \r\n\x87\n":                            "it is a JPEG XL image, which cannot be read: save it as JPEG",
		"\xff\x0a\x10":                                              "it is a JPEG XL image, which cannot be read: save it as JPEG",
		"\x00\x00\x00\x0cjP  \r\n\x87\n":                            "it is a JPEG 2000 image, which cannot be read: save it as JPEG",
		"FUJIFILMCCD-RAW 0201":                                      "it is a camera RAW photograph (Fujifilm RAF), which cannot be read: develop it to JPEG or TIFF",
		"IIU\x00\x18\x00\x00\x00":                                   "it is a camera RAW photograph (Panasonic RW2), which cannot be read: develop it to JPEG or TIFF",
		"P6 96 64 255\n":                                            "it is a Netpbm image, which cannot be read: save it as JPEG",
		"8BPS\x00\x01":                                              "it is a Photoshop document, which cannot be read: save it as JPEG",
		"%PDF-1.7":                                                  "it is a PDF document, which cannot be read: save it as JPEG",
		"<svg xmlns=":                                               "it is an SVG drawing, which cannot be read: save it as JPEG",
		"<?xml version=\"1.0\"?>\n<!-- a -->\n<svg":                 "it is an SVG drawing, which cannot be read: save it as JPEG",
		"\xef\xbb\xbf\n<!DOCTYPE HTML><html>404":                    "not an image, but a web page: download the photograph anew",
		"<html><body>":                                              "not an image, but a web page: download the photograph anew",
		"version https://git-lfs.github.com/spec/v1\noid sha256:ab": "not an image, but a Git LFS pointer: run git lfs pull",
		"PK\x03\x04....":                                            "not an image, but a ZIP archive: unpack it",
		`{"error": "not found"}`:                                    "not an image, but JSON text",
		"\x00\x05\x16\x07\x00":                                      "not an image, but macOS metadata (AppleDouble), of which the photograph is the file without ._ in its name",
		strings.Repeat("\x00", 99):                                  "not an image, but zero bytes, as an interrupted copy or a failing disk leaves them",
		"RIFF\x00\x00\x00\x00WAVE":                                  "not an image, but a sound",
		"hello":                                                     `not an image: starts with "hello", want JPEG, PNG, GIF, BMP, TIFF or WebP`,
		"":                                                          "empty file (0 bytes)",
	} {
		_, err := DecodeImage([]byte(content), "a.jpg")
		assert.EqualError(t, err, "data: a.jpg: "+want)
		kind := ErrNotImage
		if strings.HasSuffix(want, saveAs) || strings.HasSuffix(want, convert) {
			kind = ErrUnsupported
		}
		assert.ErrorIs(t, err, kind)
		assert.True(t, IsBad(err))
		_, err = Limits{}.Size(strings.NewReader(content), "a.jpg")
		assert.EqualError(t, err, "data: a.jpg: "+want)
	}
}

// samples are whole files of every format, and one without a size that is known at once.
func samples(t testing.TB, m *RGB) map[string][]byte {
	encoded := func(encode func(io.Writer, image.Image) error) []byte {
		var b bytes.Buffer
		require.NoError(t, encode(&b, m))
		return b.Bytes()
	}
	frame := image.NewPaletted(m.Bounds(), color.Palette{color.White, color.Black, color.Gray{9}, color.Gray{77}})
	for i := range frame.Pix {
		frame.Pix[i] = m.Pix[3*i] >> 6
	}
	stride := (3*m.W + 3) &^ 3
	rows := make([]byte, stride*m.H)
	return map[string][]byte{
		"jpeg":        jpegOf(t, m),
		"png":         encoded(png.Encode),
		"interlaced":  pngOf(pngHeaderChunk(m.W, m.H, 8, 2, 1), chunk("IDAT", deflated(scanlines(rand.New(rand.NewPCG(1, 1)), m.W, m.H, 24, true))), chunk("IEND", nil)),
		"gif":         gifOf(t, m.Bounds().Size(), frame),
		"bmp":         bmpFile(m.W, m.H, 24, 0, 40, nil, nil, rows),
		"tiff":        tiffWriters[0].file([][]byte{m.Pix}, is(256, m.W), is(257, m.H), is(258, 8, 8, 8), is(262, 2)),
		"tiff strips": tiffWriters[1].file([][]byte{deflated(m.Pix[:3*m.W*(m.H/2)]), deflated(m.Pix[3*m.W*(m.H/2):])}, is(256, m.W), is(257, m.H), is(258, 8, 8, 8), is(259, 8), is(262, 2), is(278, m.H/2)),
		"webp":        webpChunks(vp8(t, "lossless.webp")),
	}
}

func TestLimits(t *testing.T) {
	m := noise(60, 40, 8)
	for name, file := range samples(t, m) {
		whole, err := DecodeImage(file, name)
		require.NoError(t, err, name)
		pixels := whole.W * whole.H
		for _, l := range []Limits{{}, {Pixels: pixels}, {Pixels: pixels, Bytes: int64(len(file))}} {
			got, err := l.Decode(t.Context(), file, name)
			require.NoError(t, err, name)
			require.Equal(t, whole, got)
			size, err := l.Size(bytes.NewReader(file), name)
			require.NoError(t, err, name)
			require.Equal(t, whole.Bounds().Size(), size)
		}
		fsys := fstest.MapFS{name: {Data: file}}
		for want, l := range map[string]Limits{
			fmt.Sprintf("data: %s: %dx%d pixels, more than the limit of %d", name, whole.W, whole.H, pixels-1): {Pixels: pixels - 1},
			fmt.Sprintf("data: %s: %d bytes, more than the limit of %d", name, len(file), len(file)-1):         {Bytes: int64(len(file) - 1)},
		} {
			_, err := l.Decode(t.Context(), file, name)
			require.EqualError(t, err, want)
			_, err = l.Read(t.Context(), fsys, name)
			require.EqualError(t, err, want)
			require.ErrorIs(t, err, ErrTooLarge)
			bad, err := l.Check(t.Context(), fsys, []Item{{name, 0}}, 1, nil)
			require.NoError(t, err)
			require.Len(t, bad, 1)
			require.EqualError(t, bad[0].Err, want)
			loader, err := NewLoader(fsys, []Item{{name, 0}}, LoaderConfig{Transform: Transform{Width: 8, Height: 8}, Batch: 1, Limits: l})
			require.NoError(t, err)
			for _, err := range loader.Epoch(t.Context(), Plan{}) {
				require.EqualError(t, err, want)
			}
		}
		_, err = Limits{Pixels: pixels - 1}.Size(bytes.NewReader(file), name)
		require.ErrorIs(t, err, ErrTooLarge, name)
	}
}

// A counting reader counts the bytes that were taken.
type counting struct {
	io.Reader
	n int
}

func (c *counting) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.n += n
	return n, err
}

// The size of a stream is known from its header, and is that of the picture turned upright.
func TestSizeOfStream(t *testing.T) {
	for name, file := range samples(t, noise(300, 200, 5)) {
		r := &counting{Reader: bytes.NewReader(file)}
		_, err := Limits{}.Size(r, name)
		require.NoError(t, err)
		if !strings.HasPrefix(name, "tiff") && len(file) > 10_000 {
			assert.LessOrEqual(t, r.n, 4096, name)
		}
	}
	files, err := filepath.Glob("testdata/*.*")
	require.NoError(t, err)
	for _, path := range files {
		m, err := ReadImage(path)
		if err != nil {
			continue // other data
		}
		file, err := os.ReadFile(path)
		require.NoError(t, err)
		got, err := Limits{}.Size(bytes.NewReader(file), path)
		require.NoError(t, err)
		assert.Equal(t, m.Bounds().Size(), got, path)
		got, err = ReadSize(nil, path)
		require.NoError(t, err)
		assert.Equal(t, m.Bounds().Size(), got, path)
	}
	broken := errors.New("broken pipe")
	_, err = Limits{}.Size(io.MultiReader(strings.NewReader("\xff\xd8\xff"), failing{broken}), "body")
	assert.ErrorIs(t, err, broken)
	assert.False(t, IsBad(err))
	_, err = Limits{Bytes: 1 << 16}.Size(io.MultiReader(strings.NewReader("II*\x00\xff\xff\xff\xff"), endless{}), "body")
	assert.ErrorIs(t, err, ErrTooLarge)
}

type failing struct{ error }

func (f failing) Read([]byte) (int, error) { return 0, f.error }

type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }

// A countdown is a context that ends when it has been asked so many times.
type countdown struct {
	context.Context
	left atomic.Int64
}

func (c *countdown) Err() error {
	if c.left.Add(-1) < 0 {
		return context.Canceled
	}
	return nil
}

// Decoding ends with its context, wherever it is.
func TestDecodeEndsWithContext(t *testing.T) {
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for name, file := range samples(t, noise(200, 160, 5)) {
		_, err := Limits{}.Decode(ended, file, name)
		require.ErrorIs(t, err, context.Canceled, name)
		require.False(t, IsBad(err))
		whole := &countdown{Context: t.Context()}
		whole.left.Store(1 << 40)
		_, err = Limits{}.Decode(whole, file, name)
		require.NoError(t, err)
		asked := 1<<40 - whole.left.Load()
		for _, n := range []int64{0, 1, asked / 2, asked * 3 / 4} {
			ctx := &countdown{Context: t.Context()}
			ctx.left.Store(n)
			_, err := Limits{}.Decode(ctx, file, name)
			require.ErrorIs(t, err, context.Canceled, "%s after %d of %d", name, n, asked)
		}
	}
}

// lying is a file system whose file cannot be opened or read.
type lying struct {
	fs.FS
	err    error
	onOpen bool
}

func (l lying) Open(name string) (fs.File, error) {
	if l.onOpen {
		return nil, &fs.PathError{Op: "open", Path: name, Err: l.err}
	}
	f, err := l.FS.Open(name)
	return lyingFile{f, l.err}, err
}

func (l lying) Stat(name string) (fs.FileInfo, error) { return fs.Stat(l.FS, name) }

type lyingFile struct {
	fs.File
	err error
}

func (l lyingFile) Read([]byte) (int, error) { return 0, &fs.PathError{Op: "read", Err: l.err} }

// Errors of the system say nothing about an image: a check ends with them.
func TestCheckEndsWithTheSystemsError(t *testing.T) {
	files := fstest.MapFS{}
	var items []Item
	for i := range 9 {
		name := fmt.Sprintf("%d.jpg", i)
		files[name] = &fstest.MapFile{Data: jpegOf(t, noise(8, 8, uint64(i)))}
		items = append(items, Item{name, 0})
	}
	files["3.jpg"].Data = []byte("text")
	for _, cause := range []error{syscall.EMFILE, syscall.ENFILE, syscall.EIO, syscall.EACCES, syscall.ENOMEM, fs.ErrPermission, errors.New("504 Gateway Timeout")} {
		for _, onOpen := range []bool{true, false} {
			fsys := lying{files, cause, onOpen}
			_, err := ReadImageFS(fsys, "1.jpg")
			assert.ErrorIs(t, err, cause)
			assert.False(t, IsBad(err))
			bad, err := Check(t.Context(), fsys, items, 1, nil)
			assert.ErrorIs(t, err, cause)
			assert.ErrorContains(t, err, "0.jpg")
			assert.Empty(t, bad)
		}
	}
	bad, err := Check(t.Context(), files, items, 2, nil)
	require.NoError(t, err)
	require.Len(t, bad, 1)
	assert.Equal(t, 3, bad[0].Index)
	_, err = ReadImageFS(files, "none.jpg")
	assert.True(t, IsBad(err))
	_, err = ReadImage(t.TempDir())
	assert.ErrorIs(t, err, ErrNotImage)
}

// A small file costs little, whatever its header says.
func TestSmallFilesCostLittle(t *testing.T) {
	const megabyte = 1 << 20
	zeros := func(n int) []byte { return deflated(make([]byte, n)) }
	var gifBomb bytes.Buffer
	w := lzw.NewWriter(&gifBomb, lzw.LSB, 8)
	w.Write(make([]byte, 3000*3000))
	w.Close()
	blocks := []byte{8}
	for part := gifBomb.Bytes(); len(part) > 0; part = part[min(255, len(part)):] {
		blocks = append(append(blocks, byte(min(255, len(part)))), part[:min(255, len(part))]...)
	}
	frame := func(w, h int) []byte {
		return append(append([]byte("\x2c\x00\x00\x00\x00"), byte(w), byte(w>>8), byte(h), byte(h>>8), 0), append(blocks, 0)...)
	}
	screen := func(w, h int) []byte {
		return append([]byte("GIF89a"), byte(w), byte(w>>8), byte(h), byte(h>>8), 0, 0, 0)
	}
	strip := zeros(3000)
	many := func(n, v int) []int {
		out := make([]int, n)
		for i := range out {
			out[i] = v
		}
		return out
	}
	long := func(tag uint16, values ...int) tiffTag { return tiffTag{tag, values, true} }
	vp8l := func(w, h int) []byte { // a header and nothing
		return webpChunk("VP8L", binary.LittleEndian.AppendUint32([]byte{0x2f}, uint32(w-1|(h-1)<<14)))
	}
	for name, c := range map[string]struct {
		file  []byte
		most  int // bytes
		error error
	}{
		"png of one column":           {pngOf(pngHeaderChunk(1, 1<<20, 8, 0, 0), chunk("IDAT", zeros(2<<20)), chunk("IEND", nil)), megabyte, ErrTooLarge},
		"png of one row":              {pngOf(pngHeaderChunk(1<<20, 1, 8, 0, 0), chunk("IDAT", zeros(1<<20)), chunk("IEND", nil)), megabyte, ErrTooLarge},
		"png of one bit":              {pngOf(pngHeaderChunk(13000, 13000, 1, 0, 0), chunk("IDAT", zeros(13000*1626)), chunk("IEND", nil)), megabyte, ErrTooLarge},
		"png, interlaced, one bit":    {pngOf(pngHeaderChunk(13000, 13000, 1, 0, 1), chunk("IDAT", zeros(13000*1700)), chunk("IEND", nil)), megabyte, ErrTooLarge},
		"png, 16 bits":                {pngOf(pngHeaderChunk(3000, 3000, 16, 6, 0), chunk("IDAT", zeros(3000*24001)), chunk("IEND", nil)), 3*9_000_000 + megabyte, nil},
		"png of many chunks":          {pngOf(append([][]byte{pngHeaderChunk(9, 9, 8, 0, 0)}, manyChunks(50_000)...)...), megabyte, ErrDamaged},
		"png of many empty pixels":    {pngOf(append([][]byte{pngHeaderChunk(9, 9, 8, 0, 0)}, bytes.Repeat(chunk("IDAT", nil), 50_000))...), megabyte, ErrDamaged},
		"png with more than its size": {pngOf(pngHeaderChunk(9, 9, 8, 0, 0), chunk("IDAT", zeros(50<<20)), chunk("IEND", nil)), megabyte, nil},
		"gif of a large screen":       {append(screen(65535, 65535), frame(8, 8)...), megabyte, ErrTooLarge},
		"gif of many pictures":        {append(screen(8, 8), bytes.Repeat(frame(8, 8), 200)...), megabyte, nil},
		"gif of a large picture":      {append(screen(8, 8), frame(3000, 3000)...), 3*9_000_000 + megabyte, nil},
		"gif of extensions":           {append(screen(8, 8), bytes.Repeat([]byte{0x21, 0xfe, 0}, 100_000)...), 20 * megabyte, ErrDamaged},
		"bmp of runs":                 {bmpFile(30000, 30000, 8, bmpRLE8, 40, nil, nil, []byte{0, 1}), megabyte, ErrTooLarge},
		"bmp of no pixels":            {bmpFile(4000, 4000, 24, 0, 40, nil, nil, nil), megabyte, ErrDamaged},
		"bmp of a large palette":      {bmpFile(9, 9, 8, 0, 40, nil, []byte{1, 2, 3, 0}, nil), megabyte, ErrDamaged},
		"tiff of no strips":           {tiffWriters[0].file(nil, is(256, 4000), is(257, 4000), is(258, 8)), megabyte, ErrDamaged},
		"tiff of a short strip":       {tiffWriters[0].file([][]byte{{1, 2, 3}}, is(256, 4000), is(257, 4000), is(258, 8)), megabyte, ErrDamaged},
		"tiff of the same strip":      {tiffWriters[0].file(nil, is(256, 1000), is(257, 3000), is(258, 8, 8, 8), is(259, 8), is(262, 2), is(278, 1), long(273, many(3000, 8)...), long(279, many(3000, len(strip))...)), 20 * megabyte, ErrDamaged},
		"tiff of strips that overlap": {tiffWriters[0].file([][]byte{make([]byte, megabyte)}, is(256, 4000), is(257, 1000), is(258, 1), is(259, 32773), is(262, 0), is(266, 2), is(278, 1), long(273, many(1000, 8)...), long(279, many(1000, megabyte)...)), 32 * megabyte, nil},
		"tiff of large tiles":         {tiffWriters[0].file([][]byte{strip}, is(256, 9), is(257, 9), is(258, 8), is(259, 8), long(322, 1<<19), long(323, 1<<19)), megabyte, ErrDamaged},
		"tiff of tiny tiles":          {tiffWriters[0].file([][]byte{strip}, is(256, 4000), is(257, 4000), is(258, 8), is(322, 1), is(323, 1)), megabyte, ErrDamaged},
		"tiff of long lists":          {tiffWriters[0].file([][]byte{strip}, is(256, 4000), is(257, 4000), long(999, many(100_000, 1)...)), 3 * megabyte, ErrDamaged},
		"tiff of many entries":        {tiffWriters[0].file([][]byte{strip}, bytesOfTags(4000)...), 3 * megabyte, nil},
		"tiff of itself":              {tiffWriters[0].file([][]byte{strip}, is(256, 9), is(257, 9), is(258, 8), is(259, 8), long(330, many(5000, 8)...)), 3 * megabyte, nil},
		"tiff of many channels":       {tiffWriters[0].file([][]byte{strip}, is(256, 4000), is(257, 4000), is(258, 8), is(277, 65535)), megabyte, ErrUnsupported},
		"webp of a header":            {webpChunks(vp8l(16384, 10900)), megabyte, ErrTooLarge},
		"webp of a lying header":      {webpChunks(extended(0, 16, 16), vp8l(16384, 10900)), megabyte, ErrDamaged},
		"webp of a lying frame":       {webpChunks(extended(2, 16, 16), webpChunk("ANMF", append(make([]byte, 16), vp8l(16384, 10900)...))), megabyte, ErrDamaged},
		"webp of a large canvas":      {webpChunks(extended(2, 1<<24, 1<<24), webpChunk("ANMF", append(make([]byte, 16), vp8(t, "lossless.webp")...))), megabyte, ErrTooLarge},
		"webp of many chunks":         {webpChunks(bytes.Repeat(webpChunk("ABCD", nil), 100_000)), megabyte, ErrDamaged},
	} {
		var err error
		got := allocated(func() { _, err = DecodeImage(c.file, name) })
		if c.error == nil {
			assert.NoError(t, err, name)
		} else {
			assert.ErrorIs(t, err, c.error, name)
		}
		assert.Less(t, got, c.most, name)
		got = allocated(func() { Limits{}.Size(bytes.NewReader(c.file), name) })
		assert.Less(t, got, 6*len(c.file)+4*megabyte, name)
	}
}

// A file that does not begin as an image is not read to its end.
func TestStrangersAreNotReadWhole(t *testing.T) {
	const size = 64 << 20
	path := filepath.Join(t.TempDir(), "video.jpg")
	require.NoError(t, os.WriteFile(path, []byte("\x00\x00\x00\x14ftypisom\x00\x00\x02\x00"), 0o600))
	require.NoError(t, os.Truncate(path, size))
	var err error
	got := allocated(func() { _, err = Limits{Bytes: size}.Read(t.Context(), nil, path) })
	assert.EqualError(t, err, "data: "+path+": not an image, but a video")
	assert.Less(t, got, 1<<20)
}

// manyChunks are small chunks of no meaning.
func manyChunks(n int) (out [][]byte) {
	for range n {
		out = append(out, chunk("abCd", []byte{1}))
	}
	return out
}

// bytesOfTags are the tags of a small picture and many others.
func bytesOfTags(n int) []tiffTag {
	tags := []tiffTag{is(256, 9), is(257, 9), is(258, 8), is(259, 8), is(262, 1)}
	for i := range n {
		tags = append(tags, is(uint16(1000+i), i))
	}
	return tags
}

// Deflate packs a thousand pixels into a byte, but a photograph of a small file is not refused.
func TestFlatImagesAreRead(t *testing.T) {
	for _, size := range []image.Point{{4000, 3000}, {6000, 2}, {1, 20_000}} {
		var b bytes.Buffer
		require.NoError(t, png.Encode(&b, image.NewGray(image.Rectangle{Max: size})))
		m, err := DecodeImage(b.Bytes(), "a.png")
		require.NoError(t, err)
		require.Equal(t, size, m.Bounds().Size())
	}
}
