package data

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
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

func BenchmarkDecode(b *testing.B) {
	jpg := jpegOf(b, photograph())
	b.SetBytes(int64(len(jpg)))
	b.ReportAllocs()
	for b.Loop() {
		_, err := DecodeImage(jpg, "a.jpg")
		require.NoError(b, err)
	}
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
	b.Run("normalise", func(b *testing.B) {
		t := EvalTransform([2]int{224, 224}, half, half)
		small, dst := t.Apply(m, nil), make([]float32, 3*224*224)
		for b.Loop() {
			t.Normalise(dst, small)
		}
	})
}
