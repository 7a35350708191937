package promptcam

import (
	"context"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/promptcam/promptcam/autograd"
	"github.com/promptcam/promptcam/data"
	"github.com/promptcam/promptcam/nn"
	"github.com/promptcam/promptcam/nn/fit"
	"github.com/promptcam/promptcam/nn/optim"
	"github.com/promptcam/promptcam/tensor"
)

// ending is a context that ends after it was asked a number of times.
type ending struct {
	context.Context
	asked, after int
}

func (c *ending) Err() error {
	if c.asked++; c.asked > c.after {
		return context.DeadlineExceeded
	}
	return nil
}

// At whichever block the context ends, the error is its own, and the model goes on as before.
func TestExplainEndsBetweenBlocks(t *testing.T) {
	forEachConfig(t, func(t *testing.T, m *Model, g *golden) {
		img := data.NewRGB(50, 40)
		for i := range img.Pix {
			img.Pix[i] = uint8(i * 7)
		}
		want, err := m.Explain(img)
		require.NoError(t, err)
		l := batches{kind: data.Images, values: g.images.Value, labels: []int{0, 1, 2, 3, 0, 1}}
		scores, err := m.Evaluate(t.Context(), l, nil)
		require.NoError(t, err)

		explain := func(c *ending) error {
			e, err := m.ExplainContext(c, img)
			if err == nil {
				assert.Equal(t, want.Scores, e.Scores)
			} else {
				assert.Nil(t, e)
			}
			return err
		}
		evaluate := func(c *ending) error {
			e, err := m.Evaluate(c, l, nil)
			if err == nil {
				assert.Equal(t, scores, e)
			}
			return err
		}
		explanations := func(c *ending) error {
			for e, err := range m.Explanations(c, l) {
				if err != nil {
					return err
				}
				assert.Equal(t, scores.Predictions[e.Index].Scores, e.Scores)
			}
			return nil
		}
		for name, do := range map[string]func(*ending) error{"Explain": explain, "Evaluate": evaluate, "Explanations": explanations} {
			all := &ending{Context: context.Background(), after: 1 << 20}
			require.NoError(t, do(all), name)
			assert.GreaterOrEqual(t, all.asked, len(m.Backbone.Blocks), name)
			for after := range all.asked {
				c := &ending{Context: context.Background(), after: after}
				assert.ErrorIs(t, do(c), context.DeadlineExceeded, name)
				assert.LessOrEqual(t, c.asked, after+4, "%s: it stops at once", name)
			}
			assert.NoError(t, do(&ending{Context: context.Background(), after: all.asked}), name)
		}
		_, err = m.Explain(nil)
		assert.EqualError(t, err, "promptcam: explain: the image is empty")
		_, err = m.ExplainContext(&ending{Context: context.Background()}, img)
		assert.EqualError(t, err, "promptcam: explain: context deadline exceeded")
		assert.NoError(t, m.tape(context.Background()).Err())
	})
}

// A caller of Forward sets the tape's Context.
func TestForwardEndsBetweenBlocks(t *testing.T) {
	forEachConfig(t, func(t *testing.T, m *Model, g *golden) {
		c, cancel := context.WithCancel(t.Context())
		tp := &autograd.Tape{NoGrad: true, Context: c, Rand: rand.New(rand.NewPCG(1, 2))}
		_, _ = m.Forward(tp.Const(g.images.Value))
		assert.NoError(t, tp.Err())
		cancel()
		vars, attn := m.Forward(tp.Const(g.images.Value))
		assert.ErrorIs(t, tp.Err(), context.Canceled)
		assert.Equal(t, []int{len(g.labels), m.Config.Classes}, vars.Shape())
		assert.Equal(t, m.Config.keptPatches(m.patches()), attn.Dim(3))
	})
}

// Training heeds the context between blocks and between adjoints: whenever it ends, the parameters are those of
// whole steps.
func TestTrainingEndsBetweenBlocks(t *testing.T) {
	forEachConfig(t, func(t *testing.T, start *Model, g *golden) {
		l := batches{kind: data.Images, values: g.images.Value, labels: []int{0, 1, 2, 3, 0, 1}}
		train := func(c context.Context) (m *Model, steps int, err error) {
			m = start.with(start.Config, start.Class.Value)
			config := TrainConfig{Epochs: 1, Optimizer: optim.SGD{}, Schedule: optim.Schedule{Base: 0.1}}
			config.Progress = func(fit.Step) { steps++ }
			for _, err = range Train(c, m, l, config) {
			}
			return m, steps, err
		}
		all := &ending{Context: context.Background(), after: 1 << 20}
		_, whole, err := train(all)
		require.NoError(t, err)
		assert.GreaterOrEqual(t, all.asked, whole*len(start.Backbone.Blocks))
		after := map[int]map[string]*tensor.Tensor{} // so many steps
		for n := range all.asked {
			c := &ending{Context: context.Background(), after: n}
			m, steps, err := train(c)
			require.ErrorIs(t, err, context.DeadlineExceeded)
			if after[steps] == nil {
				after[steps] = nn.State(m)
			}
			assert.Equal(t, after[steps], nn.State(m), "%d steps", steps)
		}
	})
}

// The search for the class that is most like the new one heeds the context, too.
func TestExtendEndsBetweenBlocks(t *testing.T) {
	g := openGolden(t, "dino")
	c := configs()["deep"]
	c.PatchesOnly = true
	m, err := New(g.model().Backbone, c, rand.New(rand.NewPCG(1, 2)))
	require.NoError(t, err)
	l := batches{kind: data.Images, values: g.images.Value, labels: []int{0, 1, 2, 4, 4, 1}}
	config := ExtendConfig{Epochs: 1, Optimizer: optim.SGD{}, Schedule: optim.Schedule{Base: 0.1}}
	all := &ending{Context: context.Background(), after: 1 << 20}
	_, err = Extend(all, m, l, config)
	require.NoError(t, err)
	for n := range all.asked {
		_, err := Extend(&ending{Context: context.Background(), after: n}, m, l, config)
		assert.ErrorIs(t, err, context.DeadlineExceeded)
	}
}
