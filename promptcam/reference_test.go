package promptcam

import (
	"bytes"
	"context"
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/promptcam/promptcam/data"
	"github.com/promptcam/promptcam/nn"
	"github.com/promptcam/promptcam/nn/optim"
	"github.com/promptcam/promptcam/tensor"
	"github.com/promptcam/promptcam/tensor/checkpoint"
)

// The readings are means over what explanations of the same images read, and look-alikes those nearest by them.
func TestReferenceIsTheMeanReading(t *testing.T) {
	forEachConfig(t, func(t *testing.T, m *Model, g *golden) {
		images := more(g)
		labels := []int{0, 1, 2, 3, 0, 0, 1, 1, 2, 0, 3, 3}[:images.Dim(0)]
		l := batches{data.Images, images, labels}
		classes, d := m.Config.Classes, m.Backbone.Config.Dim
		means := make([][][]float64, classes) // of prompt c in images of class o
		count := make([]float64, classes)
		for c := range means {
			means[c] = make([][]float64, classes)
			for o := range classes {
				means[c][o] = make([]float64, d)
			}
		}
		for _, o := range labels {
			count[o]++
		}
		for i, o := range labels {
			e := m.explain(images.Slice(0, i, i+1).Contig())
			for c := range classes {
				for k, v := range e.reading(c) {
					means[c][o][k] += float64(v) / count[o]
				}
			}
		}
		for name, most := range map[string]int{"all prompts": mostReadings, "some prompts": 2 * classes * d} {
			r, err := m.refer(t.Context(), l, most)
			require.NoError(t, err, name)
			for c := range classes {
				require.Len(t, r.LookAlikes[c], classes-1)
				for k := range d {
					var all float64
					for o := range classes {
						all += means[c][o][k] / float64(classes)
						near(t, means[c][o][k], r.reading(c, o)[k], name)
					}
					near(t, all, r.reading(c, -1)[k], name)
				}
				if name == "some prompts" {
					continue
				}
				for _, a := range r.LookAlikes[c] {
					var distance float64
					for p := range classes {
						var square float64
						for k := range d {
							difference := means[p][c][k] - means[p][a.Class][k]
							square += difference * difference
						}
						distance += math.Sqrt(square) / float64(classes)
					}
					assert.InDelta(t, distance, a.Distance, 1e-5)
				}
			}
		}
	})
}

// near accepts the rounding of float16.
func near(t *testing.T, want float64, got float32, name string) {
	t.Helper()
	assert.InDelta(t, want, got, math.Abs(want)/1024+1e-6, name)
}

func TestReferenceIsSaved(t *testing.T) {
	forEachConfig(t, func(t *testing.T, m *Model, g *golden) {
		var without, with bytes.Buffer
		require.NoError(t, m.Save(&without))
		referred(t, m, g)
		require.NoError(t, m.Save(&with))
		d, classes := m.Backbone.Config.Dim, m.Config.Classes
		assert.InDelta(t, 2*d*classes*(2+classes-1), with.Len()-without.Len(), 800, "two bytes a number, and names")

		f, err := checkpoint.Decode(bytes.NewReader(with.Bytes()), int64(with.Len()), "model")
		require.NoError(t, err)
		loaded, err := Load(f, g.model().Backbone)
		require.NoError(t, err)
		assert.Equal(t, m.Reference, loaded.Reference)
		pixels := g.images.Value.Slice(0, 0, 1).Contig()
		assert.Equal(t, m.explain(pixels).Evidence(Between(0, 1)), loaded.explain(pixels).Evidence(Between(0, 1)))

		c := TrainConfig{Epochs: 1, Optimizer: optim.SGD{}, Schedule: optim.Schedule{Base: 0.1}}
		for _, err := range Train(t.Context(), m, batches{data.Images, g.images.Value, g.labels}, c) {
			require.NoError(t, err)
		}
		assert.Nil(t, m.Reference, "the prompts are others now")
	})
}

func TestDamagedReferenceIsRefused(t *testing.T) {
	g := openGolden(t, "dino")
	m := g.model()
	m.Transform = data.EvalTransform([2]int{32, 32}, g.config.Mean, g.config.Std)
	referred(t, m, g)
	classes, d := m.Config.Classes, m.Backbone.Config.Dim
	metadata, err := m.metadata()
	require.NoError(t, err)
	for want, damage := range map[string]func(all nn.Tensors){
		"reference.own is":                                 func(all nn.Tensors) { all["reference.own"] = tensor.New(classes, d+1) },
		"reference.across is":                              func(all nn.Tensors) { all["reference.across"] = tensor.New(classes, classes, d) },
		"reference.all is []":                              func(all nn.Tensors) { delete(all, "reference.all") },
		"reference.distance holds NaN or infinity":         func(all nn.Tensors) { all["reference.distance"].Fill(float32(math.NaN())) },
		"reference.own holds numbers beyond 1e+15":         func(all nn.Tensors) { all["reference.own"].Fill(3e38) },
		"reference.alike gives class 0 the look-alike 0":   func(all nn.Tensors) { all["reference.alike"].Fill(0) },
		"reference.alike gives class 0 the look-alike 0.5": func(all nn.Tensors) { all["reference.alike"].Fill(0.5) },
		"reference.alike gives class 0 the look-alike -1":  func(all nn.Tensors) { all["reference.alike"].Fill(-1) },
		"reference.least is [1], want":                     func(all nn.Tensors) { all["reference.least"] = tensor.New(1) },
		"reference.least holds NaN or infinity":            func(all nn.Tensors) { all["reference.least"] = tensor.New(classes).Fill(float32(math.Inf(1))) },
	} {
		all := m.Tensors()
		for name, x := range m.Reference.tensors() {
			all[name] = x.Clone()
		}
		damage(all)
		var b bytes.Buffer
		require.NoError(t, checkpoint.Write(&b, all, metadata))
		f, err := checkpoint.Decode(bytes.NewReader(b.Bytes()), int64(b.Len()), "model")
		require.NoError(t, err)
		_, err = Load(f, m.Backbone)
		assert.ErrorContains(t, err, want)
	}
}

func TestReferErrors(t *testing.T) {
	g := openGolden(t, "dino")
	m := g.model()
	m.Classes[1] = "Scott Oriole"
	_, err := m.Refer(t.Context(), batches{data.Images, g.images.Value, make([]int, g.images.Value.Dim(0))})
	assert.ErrorContains(t, err, "there is none of Scott Oriole")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = m.Refer(ctx, batches{data.Images, g.images.Value, make([]int, g.images.Value.Dim(0))})
	assert.ErrorIs(t, err, context.Canceled)
}
