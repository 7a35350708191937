package data

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/promptcam/promptcam/data/internal/jpeg"
)

// photograph is a picture of 500x375 pixels with some grain: about 60 KB as a
// JPEG file, as CUB's are.
func photograph() *RGB {
	m := picture(500, 375)
	rng := rand.New(rand.NewPCG(1, 1))
	for i, v := range m.Pix {
		m.Pix[i] = uint8(min(255, max(0, int(v)+rng.IntN(17)-8)))
	}
	return m
}

// From a file's bytes (4:2:0) to the network's input, stage by stage and whole,
// as a loader's worker does it.
func BenchmarkPipeline(b *testing.B) {
	file := jpegOf(b, photograph())
	var jpegs jpeg.Decoder
	planes, err := jpegs.Decode(b.Context(), file)
	require.NoError(b, err)
	photo := fromJPEG(planes, nil)
	t := EvalTransform([2]int{224, 224}, half, half)
	img, dst := NewRGB(224, 224), make([]float32, 3*224*224)
	var s scaler
	var d decoder

	b.Run("decode", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_, err := jpegs.Decode(b.Context(), file)
			require.NoError(b, err)
		}
	})
	b.Run("rgb", func(b *testing.B) {
		b.ReportAllocs()
		pix := make([]uint8, 3*500*375)
		for b.Loop() {
			fromJPEG(planes, pix)
		}
	})
	b.Run("resize", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			t.apply(img, photo, nil, &s)
		}
	})
	b.Run("normalise", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			t.Normalise(dst, img)
		}
	})
	b.Run("whole", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			photo, err := d.decode(b.Context(), file, "a.jpg")
			require.NoError(b, err)
			t.apply(img, photo, nil, &s)
			t.Normalise(dst, img)
		}
	})
}

func BenchmarkApply(b *testing.B) {
	m := photograph()
	jitter := TrainTransform([2]int{224, 224}, half, half)
	jitter.Brightness, jitter.Contrast, jitter.Saturation, jitter.Hue = 0.4, 0.4, 0.4, 0.1
	bicubic := EvalTransform([2]int{224, 224}, half, half)
	bicubic.Filter = Bicubic
	for _, c := range []struct {
		name string
		t    Transform
	}{{"train", TrainTransform([2]int{224, 224}, half, half)}, {"eval", EvalTransform([2]int{224, 224}, half, half)}, {"bicubic", bicubic}, {"jitter", jitter}} {
		b.Run(c.name, func(b *testing.B) {
			rng := newRand(1)
			b.ReportAllocs()
			for b.Loop() {
				c.t.Apply(m, rng)
			}
		})
	}
}
