package data

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/hex"
	"image"
	"image/color"
	"image/gif"
	"io/fs"
	"math/rand/v2"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"
	"golang.org/x/image/bmp"
)

// fuzzFormat checks that no contents make the decoder of a format panic, give an image that its header did not
// announce or one beyond the limits, or fail with an error of no kind; and that a context ends it. Files that
// are not of the format are passed over, so that each target spends its time on one decoder.
func fuzzFormat(f *testing.F, names ...string) {
	const pixels = 1 << 18 // the fuzzer's machine has little memory
	f.Fuzz(func(t *testing.T, data []byte) {
		kind, err := sniff(data)
		if err != nil || !slices.Contains(names, kind.name) {
			return
		}
		limits := Limits{Pixels: pixels}
		m, err := limits.Decode(t.Context(), data, "fuzz")
		size, sizeErr := limits.Size(bytes.NewReader(data), "fuzz")
		if err != nil {
			require.Nil(t, m)
			require.True(t, IsBad(err), "%v", err)
			return
		}
		require.NoError(t, sizeErr)
		require.Len(t, m.Pix, 3*m.W*m.H)
		require.True(t, m.W > 0 && m.H > 0 && m.W*m.H <= pixels)
		require.Contains(t, []image.Point{size, {size.Y, size.X}}, m.Bounds().Size())
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		_, err = limits.Decode(ended, data, "fuzz")
		require.ErrorIs(t, err, context.Canceled)
	})
}

// seed adds the files of testdata with these extensions.
func seed(f *testing.F, extensions ...string) {
	for _, ext := range extensions {
		paths, err := filepath.Glob("testdata/*" + ext)
		require.NoError(f, err)
		require.NotEmpty(f, paths)
		for _, p := range paths {
			data, err := os.ReadFile(p)
			require.NoError(f, err)
			f.Add(data)
		}
	}
}

func FuzzJPEG(f *testing.F) {
	seed(f, ".jpg")
	fuzzFormat(f, "JPEG")
}

func FuzzPNG(f *testing.F) {
	seed(f, "6.png", "palette.gif.png")
	rng := rand.New(rand.NewPCG(4, 4))
	for i, c := range [][3]byte{{8, 2, 0}, {16, 6, 1}, {1, 0, 1}, {4, 3, 0}, {16, 0, 0}, {8, 4, 1}} {
		channels := [...]int{0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[c[1]]
		lines := deflated(scanlines(rng, 9+i, 7, int(c[0])*channels, c[2] == 1))
		f.Add(pngOf(pngHeaderChunk(9+i, 7, c[0], c[1], c[2]), chunk("PLTE", make([]byte, 48)), chunk("IDAT", lines), chunk("IEND", nil)))
	}
	fuzzFormat(f, "PNG")
}

func FuzzGIF(f *testing.F) {
	seed(f, ".gif")
	var b bytes.Buffer
	require.NoError(f, gif.Encode(&b, picture(9, 7), nil))
	f.Add(b.Bytes())
	f.Add(gifOf(f, image.Pt(12, 9), numberedFrame(image.Rect(2, 1, 9, 6), color.Palette{color.White, color.Black, color.Transparent})))
	fuzzFormat(f, "GIF")
}

func FuzzBMP(f *testing.F) {
	var b bytes.Buffer
	require.NoError(f, bmp.Encode(&b, picture(9, 7)))
	f.Add(b.Bytes())
	pixels := noise(32, 7, 1).Pix
	f.Add(bmpFile(9, 7, 16, 3, 40, masks(0xf800, 0x7e0, 0x1f), nil, pixels))
	f.Add(bmpFile(9, -7, 4, 0, 12, nil, make([]byte, 48), pixels))
	f.Add(bmpFile(6, 2, 8, bmpRLE8, 40, nil, make([]byte, 1024), []byte("\x03\x05\x00\x03\x01\x02\x03\x00\x00\x00\x06\x07\x00\x02\x01\x00\x00\x01")))
	f.Add(bmpFile(6, 2, 4, bmpRLE4, 40, nil, make([]byte, 64), []byte("\x05\x12\x01\x30\x00\x00\x00\x05\x12\x34\x50\x00\x01\x60\x00\x01")))
	fuzzFormat(f, "BMP")
}

func FuzzTIFF(f *testing.F) {
	seed(f, ".tif")
	pixels := noise(9, 8, 1).Pix
	for i, w := range tiffWriters {
		size := []tiffTag{is(256, 24), is(257, 8)}
		for name, s := range faxData {
			raw, err := hex.DecodeString(s)
			require.NoError(f, err)
			f.Add(w.file([][]byte{raw}, append(size, is(259, int(name[0]-'0')), is(266, 1+i%2), is(292, int(name[2]-'0')))...))
		}
		f.Add(w.file([][]byte{deflated(pixels), deflated(pixels)}, is(256, 9), is(257, 8), is(258, 8, 8, 8), is(259, 8), is(262, 2), is(278, 4), is(317, 2)))
		f.Add(w.file([][]byte{packBits(pixels), packBits(pixels)}, is(256, 20), is(257, 8), is(258, 4), is(259, 32773), is(262, 3), is(320, make([]int, 48)...), is(322, 16), is(323, 8)))
		f.Add(w.file([][]byte{pixels, pixels, pixels, pixels}, is(256, 9), is(257, 8), is(258, 16, 16, 16, 16), is(262, 5), is(277, 4), is(284, 2)))
		f.Add(w.file([][]byte{jpegOf(f, picture(9, 8))}, is(256, 9), is(257, 8), is(258, 8, 8, 8), is(259, 7), is(262, 6), is(277, 3)))
	}
	fuzzFormat(f, "TIFF", "BigTIFF")
}

func FuzzWebP(f *testing.F) {
	seed(f, ".webp")
	for _, name := range []string{"lossy.webp", "lossless.webp"} {
		frame := bytes.Join([][]byte{u24(1), u24(1), u24(9), u24(9), u24(100), {0}, vp8(f, name)}, nil)
		f.Add(webpChunks(extended(2, 99, 99), webpChunk("ANIM", make([]byte, 6)), webpChunk("ANMF", frame)))
	}
	fuzzFormat(f, "WebP")
}

// Any bytes at all in the places where Exif data can stand.
func FuzzEXIF(f *testing.F) {
	jpg := jpegOf(f, picture(8, 5))
	for o := range uint16(10) {
		f.Add(exifBlock(binary.BigEndian, o))
		f.Add(exifBlock(binary.LittleEndian, o))
	}
	f.Fuzz(func(t *testing.T, block []byte) {
		if len(block) > 60000 {
			return
		}
		o := tiffOrientation(block)
		require.True(t, o >= 1 && o <= 8)
		m, err := DecodeImage(withExif(jpg, block), "fuzz")
		require.NoError(t, err)
		require.Equal(t, o >= 5, m.W == 5)
		jpegExif(block)
		pngExif(block)
		webpExif(block)
	})
}

// Whatever a folder's tree is, it is read with all classes numbered, or refused in one line.
func FuzzFolders(f *testing.F) {
	f.Add("train/a/1.jpg train/b/1.jpg Test/A/2.jpg val/images/3.jpg", true)
	f.Add("cat/train/1.jpg cat/test/2.jpg dog/train/1 dog/val/x.heic @eaDir/cat/1.jpg", false)
	f.Add("Birds/crow/1.jpg Birds/jay/1.jpg Plants/rose/1.jpg test/1.jpg a/images.txt a/images/1.jpg", false)
	f.Fuzz(func(t *testing.T, names string, tested bool) {
		if len(names) > 2000 { // MapFS is slow
			return
		}
		fsys := fstest.MapFS{}
		for name := range strings.FieldsSeq(names) {
			if !fs.ValidPath(name) || name == "." {
				return
			}
			for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
				if fsys[dir] != nil {
					return
				}
			}
			fsys[name] = &fstest.MapFile{}
		}
		s, err := OpenFS(fsys, Options{TestShare: 0.3, Tested: tested})
		if err != nil {
			require.NotContains(t, err.Error(), "\n")
			return
		}
		seen := map[string]bool{}
		for _, it := range slices.Concat(s.Train, s.Val, s.Test) {
			require.True(t, it.Class >= 0 && it.Class < len(s.Classes))
			require.NotNil(t, fsys[it.Path], it.Path)
			require.False(t, seen[it.Path], "twice")
			seen[it.Path] = true
		}
		require.True(t, slices.IsSorted(s.Classes))
		LeftOut(s.Skipped)
	})
}

func FuzzCUBLists(f *testing.F) {
	f.Add([]byte(cubText[0]), []byte(cubText[1]), []byte(cubText[2]), []byte(cubText[3]))
	f.Fuzz(func(t *testing.T, images, classes, labels, split []byte) {
		s := new(Set)
		err := s.parseCUB([4][]byte{images, classes, labels, split})
		if err == nil {
			err = s.settle(Options{})
		}
		if err != nil {
			require.NotEmpty(t, err.Error())
			return
		}
		require.GreaterOrEqual(t, len(s.Classes), 2)
		for _, it := range append(s.Train, s.Test...) {
			require.True(t, it.Class >= 0 && it.Class < len(s.Classes))
			require.True(t, filepath.IsLocal(it.Path), it.Path)
			require.Equal(t, "images", filepath.ToSlash(it.Path)[:6])
		}
	})
}
