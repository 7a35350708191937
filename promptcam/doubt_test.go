package promptcam

import (
	"bytes"
	"encoding/json"
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/promptcam/promptcam/data"
	"github.com/promptcam/promptcam/tensor"
	"github.com/promptcam/promptcam/tensor/checkpoint"
)

// many returns copies of g's images, each with other pixels, of two classes in turn.
func many(m *Model, g *golden, n int) batches {
	of := g.images.Value
	size := of.Dim(2)
	images, labels := tensor.New(n, 3, size, size), make([]int, n)
	for i := range n {
		tensor.CopyTo(images.Slice(0, i, i+1), of.Slice(0, i%of.Dim(0), i%of.Dim(0)+1))
		for k, v := range images.Select(0, i).Data() {
			images.Select(0, i).Data()[k] = v * (1 + float32(math.Sin(float64(i*k))))
		}
		labels[i] = i % m.Config.Classes
	}
	return batches{data.Images, images, labels}
}

// An image is doubtful if its evidence is less than that of rank ⌊(n+1)/20⌋ among those that the reference saw.
func TestDoubtfulIsLessThanUsual(t *testing.T) {
	forEachConfig(t, func(t *testing.T, m *Model, g *golden) {
		classes := m.Config.Classes
		each := 20
		l := many(m, g, each*classes)
		for i := range 19 { // class 0 has too few
			l.labels[i*classes] = 1
		}
		ref, err := m.Refer(t.Context(), l)
		require.NoError(t, err)
		assert.Nil(t, m.Reference, "Refer changes nothing")
		m.Reference = ref
		strongest := make([][]float64, classes)
		doubtful := make([]int, classes)
		for i, c := range l.labels {
			e := m.explain(l.values.Slice(0, i, i+1).Contig())
			o := ref.LookAlikes[c][0].Class
			var positive []float64
			for _, v := range e.Evidence(Between(c, o)).Map().Values {
				positive = append(positive, max(0, float64(v)))
			}
			slices.Sort(positive)
			var sum float64
			for _, v := range positive[max(0, len(positive)-5):] {
				sum += v
			}
			strongest[c] = append(strongest[c], sum)
			if e.Doubtful(c) {
				doubtful[c]++
			}
			assert.Equal(t, c != 0, ref.DoubtsOf(c))
		}
		for c, of := range strongest {
			k := (len(of) + 1) / 20
			slices.Sort(of)
			if c == 0 {
				require.Zero(t, k)
				assert.Zero(t, ref.least.Data()[c])
				assert.Zero(t, doubtful[c])
				continue
			}
			assert.InDelta(t, of[k-1], ref.least.Data()[c], 1e-4*of[len(of)-1])
			assert.LessOrEqual(t, doubtful[c], k, "with the rounding of a batch")
		}

		var b bytes.Buffer
		require.NoError(t, m.Save(&b))
		f, err := checkpoint.Decode(bytes.NewReader(b.Bytes()), int64(b.Len()), "model")
		require.NoError(t, err)
		loaded, err := Load(f, m.Backbone)
		require.NoError(t, err)
		assert.Equal(t, m.Reference, loaded.Reference)
	})
}

// What an image must not show is not doubted: without a Reference, with one of few images, and with one from
// before there were doubts.
func TestWithoutUsualEvidenceNothingIsDoubtful(t *testing.T) {
	g := openGolden(t, "dino")
	m := g.model()
	m.Transform = data.EvalTransform([2]int{32, 32}, g.config.Mean, g.config.Std)
	e := m.explain(g.images.Value.Slice(0, 0, 1).Contig())
	silent := func() {
		t.Helper()
		assert.False(t, m.Reference.Doubts())
		for c := range m.Config.Classes {
			assert.False(t, e.Doubtful(c))
		}
		assert.Empty(t, e.Doubt())
		text, err := json.Marshal(e)
		require.NoError(t, err)
		assert.NotContains(t, string(text), "doubt")
	}
	silent()
	referred(t, m, g)
	silent()
	assert.NotContains(t, m.Reference.tensors(), "reference.least", "few images, the same file as before")

	m.Reference.least = tensor.New(m.Config.Classes)
	m.Reference.least.Fill(math.MaxFloat32)
	assert.True(t, m.Reference.Doubts())
	assert.True(t, e.Doubtful(0))
	alike := m.Classes[m.Reference.LookAlikes[e.Predicted()][0].Class]
	assert.Equal(t, "no trait that tells it from "+alike+" is visible", e.Doubt())
	text, err := json.Marshal(e)
	require.NoError(t, err)
	assert.Contains(t, string(text), `"doubt":"`+e.Doubt()+`"`)
}
