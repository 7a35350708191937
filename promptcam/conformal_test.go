package promptcam

import (
	"bytes"
	"encoding/json"
	"math"
	"math/big"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/promptcam/promptcam/data"
	"github.com/promptcam/promptcam/nn/optim"
	"github.com/promptcam/promptcam/tensor/checkpoint"
)

// guess returns a labelled prediction among five classes: overconfident scores, as a trained model's are.
func guess(rng *rand.Rand) Prediction {
	p := Prediction{Class: rng.IntN(5), Scores: make([]float32, 5)}
	for c := range p.Scores {
		p.Scores[c] = float32(4 * rng.NormFloat64())
	}
	p.Scores[p.Class] += 5
	p.Predicted = top(p.Scores, 1)[0]
	return p
}

// Over all draws of calibration images and a new one, its set has the true class with probability
// ⌈(n+1)·level⌉/(n+1) exactly, where no set would be empty.
func TestSetsCoverTheTrueClass(t *testing.T) {
	for _, c := range []struct {
		images int
		level  float64
	}{{19, 0.95}, {20, 0.95}, {99, 0.99}, {50, 0.9}} {
		rng := rand.New(rand.NewPCG(1, uint64(c.images)))
		const draws = 4000
		covered, size := 0.0, 0.0
		for range draws {
			held := make([]Prediction, c.images)
			for i := range held {
				held[i] = guess(rng)
			}
			conformal, err := Calibrate(held, c.level)
			require.NoError(t, err)
			p := guess(rng)
			set := conformal.Set(p.Scores)
			if slices.Contains(set, p.Class) {
				covered++
			}
			size += float64(len(set)) / draws
		}
		n := float64(c.images + 1)
		want := math.Ceil(n*c.level-1e-9) / n
		assert.InDelta(t, want, covered/draws, 4*math.Sqrt(want*(1-want)/draws), "%v", c)
		assert.GreaterOrEqual(t, covered/draws, c.level-4*math.Sqrt(want*(1-want)/draws))
		assert.Greater(t, size, 1.1, "%v", c)
		assert.Less(t, size, 4.5, "%v", c)
	}
}

// The threshold is that probability of a true class of which the rank, from the highest, is ⌈(n+1)·level⌉.
func TestThresholdIsTheQuantile(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for n := 1; n < 250; n++ {
		held := make([]Prediction, n)
		var of []float64
		for i := range held {
			held[i] = guess(rng)
			of = append(of, held[i].Probabilities()[held[i].Class])
		}
		slices.Sort(of)
		slices.Reverse(of)
		for percent := int64(1); percent < 100; percent++ {
			exact := new(big.Int).Mul(big.NewInt(int64(n+1)), big.NewInt(percent))
			rank := new(big.Int).Div(exact.Add(exact, big.NewInt(99)), big.NewInt(100)).Int64() // rounded up
			level := float64(percent) / 100
			c, err := Calibrate(held, level)
			if rank > int64(n) {
				assert.ErrorContains(t, err, "need at least")
				assert.Greater(t, LeastCalibration(level), n)
				continue
			}
			require.NoError(t, err)
			require.Equal(t, &Conformal{level, n, of[rank-1]}, c, "%d images at %d %%", n, percent)
			require.NoError(t, c.Validate())
			require.LessOrEqual(t, LeastCalibration(level), n)
		}
	}
	assert.Equal(t, 19, LeastCalibration(0.95))
	assert.Equal(t, 99, LeastCalibration(0.99))

	_, err := Calibrate(make([]Prediction, 18), 0.95)
	assert.EqualError(t, err, "promptcam: prediction sets at 95 % need at least 19 images to calibrate, got 18")
	_, err = Calibrate(make([]Prediction, 1), 0.55)
	assert.EqualError(t, err, "promptcam: prediction sets at 55 % need at least 2 images to calibrate, got 1")
	for _, level := range []float64{0, 1, -1, 95, math.NaN()} {
		_, err := Calibrate(make([]Prediction, 1000), level)
		assert.ErrorContains(t, err, "want a share between 0 and 1")
	}
}

func TestSetHasTheMostProbableClassFirst(t *testing.T) {
	scores := []float32{1, 3, 2, 3, -9}
	p := softmax(scores)
	set := func(threshold float64) []int { return (&Conformal{0.9, 9, threshold}).Set(scores) }
	assert.Equal(t, []int{1, 3, 2, 0, 4}, set(0), "all")
	assert.Equal(t, []int{1, 3, 2}, set(p[2]), "no less than the threshold")
	assert.Equal(t, []int{1, 3}, set(math.Nextafter(p[2], 1)))
	assert.Equal(t, []int{1}, set(1), "never empty")
	assert.Equal(t, []int{0}, (&Conformal{0.9, 9, 1}).Set([]float32{5}))
}

func TestConformalIsSaved(t *testing.T) {
	g := openGolden(t, "dino")
	m := g.model()
	m.Transform = data.EvalTransform([2]int{32, 32}, g.config.Mean, g.config.Std)
	pixels := g.images.Value.Slice(0, 0, 1).Contig()
	e := m.explain(pixels)
	set, level := e.PredictionSet()
	assert.Nil(t, set)
	assert.Zero(t, level)
	summary := func() string {
		text, err := json.Marshal(m.explain(pixels))
		require.NoError(t, err)
		return string(text)
	}
	assert.NotContains(t, summary(), `"set"`)
	var without bytes.Buffer
	require.NoError(t, m.Save(&without))
	assert.NotContains(t, without.String(), "Conformal", "a model without sets has the bytes that it had")

	m.Conformal = &Conformal{0.95, 40, e.Probabilities[e.Top(2)[1]]}
	var with bytes.Buffer
	require.NoError(t, m.Save(&with))
	f, err := checkpoint.Decode(bytes.NewReader(with.Bytes()), int64(with.Len()), "model")
	require.NoError(t, err)
	loaded, err := Load(f, m.Backbone)
	require.NoError(t, err)
	assert.Equal(t, m.Conformal, loaded.Conformal)
	set, level = loaded.explain(pixels).PredictionSet()
	assert.Equal(t, e.Top(2), set, "to the bit")
	assert.Equal(t, 0.95, level)
	assert.Contains(t, summary(), `"set":{"level":0.95,"classes":["`+m.Classes[set[0]]+`","`+m.Classes[set[1]]+`"]}`)

	for _, damaged := range []struct{ from, to, want string }{
		{`"Level":0.95`, `"Level":1.95`, "prediction sets at a level of 1.95, want a share between 0 and 1"},
		{`"Level":0.95`, `"Level":0.99`, "prediction sets at 99 % calibrated on 40 images, want at least 99"},
		{`"Images":40`, `"Images":-1`, "calibrated on -1 images, want at least 19"},
		{`"Threshold":0`, `"Threshold":7`, "want a probability"},
	} {
		metadata, err := m.metadata()
		require.NoError(t, err)
		require.Contains(t, metadata["promptcam"], damaged.from)
		metadata["promptcam"] = strings.Replace(metadata["promptcam"], damaged.from, damaged.to, 1)
		var b bytes.Buffer
		require.NoError(t, checkpoint.Write(&b, m.Tensors(), metadata))
		f, err := checkpoint.Decode(bytes.NewReader(b.Bytes()), int64(b.Len()), "model")
		require.NoError(t, err)
		_, err = Load(f, m.Backbone)
		assert.ErrorContains(t, err, "promptcam: model: prediction sets")
		assert.ErrorContains(t, err, damaged.want)
	}

	c := TrainConfig{Epochs: 1, Optimizer: optim.SGD{}, Schedule: optim.Schedule{Base: 0.1}}
	for _, err := range Train(t.Context(), m, batches{data.Images, g.images.Value, g.labels}, c) {
		require.NoError(t, err)
	}
	assert.Nil(t, m.Conformal, "the scores are others now")
}
