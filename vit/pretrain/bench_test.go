package pretrain

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/promptcam/promptcam/data/birds"
	"github.com/promptcam/promptcam/tensor/tensortest"
)

// BenchmarkStep makes a step of training, crops not counted.
func BenchmarkStep(b *testing.B) {
	for _, c := range []struct{ patch, image, local, locals, dim, depth, heads int }{
		{8, 96, 48, 4, 192, 6, 3}, {8, 96, 48, 6, 192, 6, 3}, {16, 128, 64, 4, 192, 6, 3}, {16, 128, 64, 6, 192, 6, 3}, {8, 96, 48, 4, 128, 6, 2},
	} {
		b.Run(fmt.Sprintf("image=%d/patch=%d/dim=%d/depth=%d/locals=%d", c.image, c.patch, c.dim, c.depth, c.locals), func(b *testing.B) {
			s := DefaultConfig()
			s.Patch, s.Image, s.Early, s.Local, s.Locals, s.Dim, s.Depth, s.Heads = c.patch, c.image, c.image, c.local, c.locals, c.dim, c.depth, c.heads
			d, err := newTrainer(&s)
			require.NoError(b, err)
			batch := newViews(&Folder{}, &s).pieces
			rng := rand.New(rand.NewPCG(1, 2))
			for _, p := range batch {
				p.global, p.local = tensortest.Random(rng, p.global.Shape()...), tensortest.Random(rng, p.local.Shape()...)
			}
			p := s.pace(1.5)
			b.ReportAllocs()
			for b.Loop() {
				_, err := d.step(batch, at, p)
				require.NoError(b, err)
			}
			b.ReportMetric(float64(s.Batch*b.N)/b.Elapsed().Seconds(), "images/s")
		})
	}
}

// BenchmarkViews makes crops, an image at a time.
func BenchmarkViews(b *testing.B) {
	s := DefaultConfig()
	s.Batch, s.Piece = 8, 8
	for name, images := range map[string]Images{
		"birds":    &birds.Flock{Birds: 8, Pictures: 3, Size: 128, Batch: 8, Piece: 8, Rise: 60, Seed: 1},
		"pictures": textures{8, 1, -1},
	} {
		b.Run(name, func(b *testing.B) {
			v := newViews(images, &s)
			b.ReportAllocs()
			for b.Loop() {
				_, err := v.batch(b.Context(), 0, v.order(0)[0])
				require.NoError(b, err)
			}
			b.ReportMetric(float64(s.Batch*b.N)/b.Elapsed().Seconds(), "images/s")
		})
	}
}
