package features

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/promptcam/promptcam/data"
	"github.com/promptcam/promptcam/tensor/checkpoint"
	"github.com/promptcam/promptcam/vit"
)

// The time of a ViT-Ti's record in an epoch: read, compared with its checksum and decoded.
func BenchmarkEpoch(b *testing.B) {
	c := vit.Config{ImageSize: [2]int{224, 224}, PatchSize: 16, Dim: 192, Depth: 1, Heads: 3, Hidden: 192, Eps: 1e-6, Mean: half, Std: half}
	model, err := vit.New(c, rand.New(rand.NewPCG(1, 2)))
	require.NoError(b, err)
	root, items := photographs(b, 64)
	for _, d := range []checkpoint.DType{checkpoint.F16, checkpoint.F32} {
		b.Run(string(d), func(b *testing.B) {
			s := Source{Backbone: model.SHA256, Arch: c, Plain: data.EvalTransform(c.ImageSize, half, half), Type: d}
			cache := filled(b, s, model, root, 2, items)
			l, err := cache.Loader(items, LoaderConfig{Views: 2, Batch: 32, Shuffle: true})
			require.NoError(b, err)
			b.SetBytes(int64(cache.source.bytes()))
			for n := 0; n < b.N; {
				for batch, err := range l.Epoch(b.Context(), data.Plan{Epoch: n}) {
					require.NoError(b, err)
					n += len(batch.Index)
				}
			}
		})
	}
}
