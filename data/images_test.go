package data

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// picture draws a picture without symmetries: a gradient and two rectangles.
func picture(w, h int) *RGB {
	m := NewRGB(w, h)
	for y := range h {
		for x := range w {
			put(m.row(y)[3*x:], uint8(255*x/max(1, w-1)), uint8(255*y/max(1, h-1)), uint8(255*(x+y)/max(1, w+h-2)))
		}
	}
	for y := h / 8; y < h/2; y++ {
		for x := w / 4; x < w/3; x++ {
			put(m.row(y)[3*x:], 230, 20, 30)
		}
	}
	for y := h / 2; y < h-h/8; y++ {
		for x := w / 2; x < w-w/8; x++ {
			put(m.row(y)[3*x:], 10, 200, 90)
		}
	}
	return m
}

// noise is a picture of random pixels.
func noise(w, h int, seed uint64) *RGB {
	m := NewRGB(w, h)
	rng := rand.New(rand.NewPCG(seed, 0))
	for i := range m.Pix {
		m.Pix[i] = uint8(rng.IntN(256))
	}
	return m
}

// flat is a picture of one colour.
func flat(w, h int, r, g, b uint8) *RGB {
	m := NewRGB(w, h)
	for i := 0; i < len(m.Pix); i += 3 {
		put(m.Pix[i:], r, g, b)
	}
	return m
}

// jpegOf is m as a JPEG file.
func jpegOf(t testing.TB, m image.Image) []byte {
	var b bytes.Buffer
	require.NoError(t, jpeg.Encode(&b, m, &jpeg.Options{Quality: 92}))
	return b.Bytes()
}

// write puts files, by their paths, into a new folder.
func write(t testing.TB, files map[string][]byte) (dir string) {
	dir = t.TempDir()
	for name, data := range files {
		p := filepath.Join(dir, filepath.FromSlash(name))
		require.NoError(t, os.MkdirAll(filepath.Dir(p), 0o755))
		require.NoError(t, os.WriteFile(p, data, 0o644))
	}
	return dir
}

// difference returns the share of equal values of two images of one size, and
// the largest difference.
func difference(t testing.TB, want, got *RGB) (equal float64, largest int) {
	require.Equal(t, [2]int{want.W, want.H}, [2]int{got.W, got.H}, "size")
	n := 0
	for i, v := range want.Pix {
		d := int(v) - int(got.Pix[i])
		if d == 0 {
			n++
		}
		largest = max(largest, d, -d)
	}
	return float64(n) / float64(len(want.Pix)), largest
}

// other hides an image's type, so that ToRGB takes its general path.
type other struct{ m image.Image }

func (o other) ColorModel() color.Model { return o.m.ColorModel() }
func (o other) Bounds() image.Rectangle { return o.m.Bounds() }
func (o other) At(x, y int) color.Color { return o.m.At(x, y) }

// crop returns a copy of the w x h pixels from (x, y) on. It panics if they
// do not lie inside the image.
func (m *RGB) crop(x, y, w, h int) *RGB {
	if x < 0 || y < 0 || w < 0 || h < 0 || x+w > m.W || y+h > m.H {
		panic(fmt.Sprintf("data: Crop: %dx%d at (%d, %d) is outside an image of %dx%d", w, h, x, y, m.W, m.H))
	}
	out := NewRGB(w, h)
	for i := range h {
		copy(out.row(i), m.row(y + i)[3*x:])
	}
	return out
}
