package promptcam

import (
	"fmt"
	"image"
	"image/color"
	"image/png"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/promptcam/promptcam/autograd"
	"github.com/promptcam/promptcam/data"
	"github.com/promptcam/promptcam/nn"
	"github.com/promptcam/promptcam/tensor"
	"github.com/promptcam/promptcam/tensor/checkpoint"
	"github.com/promptcam/promptcam/tensor/tensortest"
	"github.com/promptcam/promptcam/vit/features"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A step from cached features has the gradients of one from the photographs: the same
// bits with features of 32 bits, and with 16 those within their rounding.
func TestGradientsFromFeatures(t *testing.T) {
	g := openGolden(t, "dino")
	dir := t.TempDir()
	rng := rand.New(rand.NewPCG(1, 2))
	var items []data.Item
	for i := range 6 {
		m := image.NewNRGBA(image.Rect(0, 0, 40, 36))
		for p := range 40 * 36 {
			m.SetNRGBA(p%40, p/40, color.NRGBA{uint8(rng.IntN(256)), uint8(40 * i), uint8(rng.IntN(99)), 255})
		}
		items = append(items, data.Item{Path: fmt.Sprintf("%d.png", i), Class: i % 3})
		f, err := os.Create(filepath.Join(dir, items[i].Path))
		require.NoError(t, err)
		require.NoError(t, png.Encode(f, m))
		require.NoError(t, f.Close())
	}
	for _, mode := range []Mode{Last, FromLayer(2)} {
		t.Run(string(mode), func(t *testing.T) {
			b := g.model().Backbone
			m, err := New(b, Config{Mode: mode, Classes: 3, PatchesOnly: mode == Last, PatchDropout: 0.5, Rank: 2}, rand.New(rand.NewPCG(3, 4)))
			require.NoError(t, err)
			move(m)
			eval := data.EvalTransform(b.Config.ImageSize, b.Config.Mean, b.Config.Std)
			gradients := func(l Batches) map[string]*tensor.Tensor {
				all := map[string]*tensor.Tensor{}
				for batch, err := range l.Epoch(t.Context(), data.Plan{}) {
					require.NoError(t, err)
					tape := &autograd.Tape{Rand: rand.New(rand.NewPCG(5, 6))}
					grads := tape.Backward(autograd.CrossEntropy(m.scoresOf(tape, batch), batch.Labels))
					for name, p := range nn.Params(m) {
						all[name] = grads[p].Clone()
					}
				}
				return all
			}
			photos, err := data.NewLoader(data.Dir(dir), items, data.LoaderConfig{Transform: eval, Batch: len(items)})
			require.NoError(t, err)
			want := gradients(photos)
			layer, ok := m.Layer()
			require.True(t, ok)
			for _, kind := range []checkpoint.DType{checkpoint.F32, checkpoint.F16} {
				source := features.Source{Backbone: b.SHA256, Arch: b.Config, Layer: layer, Plain: eval, Type: kind}
				c, err := features.Open(filepath.Join(t.TempDir(), "f.safetensors"), source, features.Records(1, items))
				require.NoError(t, err)
				defer c.Close()
				bad, err := c.Fill(t.Context(), data.Dir(dir), b, features.FillConfig{})
				require.NoError(t, err)
				require.Empty(t, bad)
				l, err := c.Loader(items, features.LoaderConfig{Views: 1, Batch: len(items)})
				require.NoError(t, err)
				for name, got := range gradients(l) {
					if kind == checkpoint.F32 {
						assert.Equal(t, want[name].Data(), got.Data(), name)
						continue
					}
					scale := 1e-3 // the bias cancels in the softmax
					for _, v := range want[name].Data() {
						scale = max(scale, float64(v), -float64(v))
					}
					tensortest.Close(t, want[name].Scale(float32(1/scale)), got.Scale(float32(1/scale)), 0.01)
				}
			}
		})
	}
}
