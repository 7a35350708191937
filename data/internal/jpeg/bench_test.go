package jpeg

import (
	"bytes"
	"image"
	"image/color"
	"image/jpeg"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// photograph is a picture with waves of many lengths and some grain.
func photograph(w, h int) *image.RGBA {
	m := image.NewRGBA(image.Rect(0, 0, w, h))
	rng := rand.New(rand.NewPCG(1, 1))
	for y := range h {
		for x := range w {
			fx, fy := float64(x), float64(y)
			v := 128 + 40*math.Sin(fx/211+fy/97) + 30*math.Sin(fx/13)*math.Cos(fy/17) + 24*float64(rng.Float32()-0.5)
			m.SetRGBA(x, y, color.RGBA{uint8(v), uint8(v + 20*math.Sin(fx/50)), uint8(v + 20*math.Cos(fy/70)), 255})
		}
	}
	return m
}

// A photograph of 12 megapixels, 4:2:0, as a camera writes it, beside the standard library.
func BenchmarkDecode(b *testing.B) {
	var file bytes.Buffer
	require.NoError(b, jpeg.Encode(&file, photograph(4000, 3000), &jpeg.Options{Quality: 90}))
	b.Run("ours", func(b *testing.B) {
		b.SetBytes(int64(file.Len()))
		b.ReportAllocs()
		var d Decoder
		for b.Loop() {
			_, err := d.Decode(b.Context(), file.Bytes())
			require.NoError(b, err)
		}
	})
	b.Run("image/jpeg", func(b *testing.B) {
		b.SetBytes(int64(file.Len()))
		b.ReportAllocs()
		for b.Loop() {
			_, err := jpeg.Decode(bytes.NewReader(file.Bytes()))
			require.NoError(b, err)
		}
	})
}
