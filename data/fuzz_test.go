package data

import (
	"bytes"
	"encoding/binary"
	"image/gif"
	"image/png"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"
	"golang.org/x/image/bmp"
	"golang.org/x/image/tiff"
)

// fuzzFormat checks that no contents make the decoder of a format panic or
// give an image that its header did not announce. Files that are not of the
// format are passed over, so that each target spends its time on one decoder.
func fuzzFormat(f *testing.F, name string) {
	f.Fuzz(func(t *testing.T, data []byte) {
		kind, err := sniff(data)
		if err != nil || kind.name != name {
			return
		}
		c, err := kind.config(&source{ctx: t.Context(), data: data})
		if err == nil && c.Width*c.Height > 1<<21 {
			return // the fuzzer's machine has little memory; checkSize has its own test
		}
		m, err := DecodeImage(data, "fuzz")
		if err != nil {
			require.Nil(t, m)
			return
		}
		require.Len(t, m.Pix, 3*m.W*m.H)
		require.True(t, m.W > 0 && m.H > 0)
		require.Contains(t, [][2]int{{c.Width, c.Height}, {c.Height, c.Width}}, [2]int{m.W, m.H})
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
	var b bytes.Buffer
	require.NoError(f, png.Encode(&b, picture(9, 7)))
	f.Add(b.Bytes())
	fuzzFormat(f, "PNG")
}

func FuzzGIF(f *testing.F) {
	seed(f, ".gif")
	var b bytes.Buffer
	require.NoError(f, gif.Encode(&b, picture(9, 7), nil))
	f.Add(b.Bytes())
	fuzzFormat(f, "GIF")
}

func FuzzBMP(f *testing.F) {
	var b bytes.Buffer
	require.NoError(f, bmp.Encode(&b, picture(9, 7)))
	f.Add(b.Bytes())
	fuzzFormat(f, "BMP")
}

func FuzzTIFF(f *testing.F) {
	seed(f, ".tif")
	for _, c := range []tiff.CompressionType{tiff.Uncompressed, tiff.Deflate} {
		var b bytes.Buffer
		require.NoError(f, tiff.Encode(&b, picture(9, 7), &tiff.Options{Compression: c, Predictor: c == tiff.Deflate}))
		f.Add(b.Bytes())
	}
	fuzzFormat(f, "TIFF")
}

func FuzzWebP(f *testing.F) {
	seed(f, ".webp")
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
