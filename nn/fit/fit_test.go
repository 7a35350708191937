package fit_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"iter"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/promptcam/promptcam/autograd"
	"github.com/promptcam/promptcam/nn"
	"github.com/promptcam/promptcam/nn/fit"
	"github.com/promptcam/promptcam/nn/optim"
	"github.com/promptcam/promptcam/tensor"
	"github.com/promptcam/promptcam/tensor/checkpoint"
	"github.com/promptcam/promptcam/tensor/tensortest"
)

func config() fit.Config {
	return fit.Config{Epochs: 5, Schedule: optim.Schedule{Base: 0.1, Min: 0.01, Warmup: 1}}
}

// run trains a task and returns its epochs. after is called with each.
func run[B any](t *testing.T, c fit.Config, task fit.Task[B], after func(fit.Epoch)) []fit.Epoch {
	t.Helper()
	var all []fit.Epoch
	for e, err := range fit.Run(t.Context(), c, task) {
		require.NoError(t, err)
		if after != nil {
			after(e)
		}
		all = append(all, e)
	}
	return all
}

// fails requires that a task ends with one error.
func fails[B any](t *testing.T, ctx context.Context, c fit.Config, task fit.Task[B]) error {
	t.Helper()
	var all []error
	for _, err := range fit.Run(ctx, c, task) {
		all = append(all, err)
	}
	require.Len(t, all, 1)
	require.Error(t, all[0])
	return all[0]
}

func TestRunResumesToTheSameBits(t *testing.T) {
	for done := 1; done <= 5; done++ {
		whole, c := newPoints(60), config()
		epochs := run(t, c, whole, func(e fit.Epoch) {
			e.Values["val"] = float64(e.Number)
			if e.Number == 1 {
				e.Checkpoint.Put("best", nn.Tensors{"w": tensor.New(1).Fill(7)})
			}
			if e.Number == done {
				c.Resume = e.Checkpoint.Clone()
			}
		})
		kept := c.Resume.Clone()
		resumed := newPoints(60)
		rest := run(t, c, resumed, func(e fit.Epoch) { e.Values["val"] = float64(e.Number) })
		assert.Equal(t, kept, c.Resume, "a checkpoint that was resumed from stays as it was")
		assert.Len(t, rest, 5-done)
		assert.Equal(t, nn.State(whole.model), nn.State(resumed.model))
		assert.Equal(t, whole.opt.State(), resumed.opt.State())
		for i, e := range rest {
			want := epochs[done+i]
			assert.Equal(t, done+i+1, e.Number)
			assert.Equal(t, [3]float64{want.Loss, want.Accuracy, want.LR}, [3]float64{e.Loss, e.Accuracy, e.LR})
		}
		if len(rest) > 0 {
			last := rest[len(rest)-1].Checkpoint
			assert.Equal(t, []float64{1, 2, 3, 4, 5}, last.History.Series("val"))
			assert.EqualValues(t, 7, last.Set("best")["w"].At(0), "what the caller put in stays")
		}
	}
}

// watcher tells what it is called with, and learns nothing.
type watcher struct {
	batches []float64 // each is its own loss
	moments []fit.Moment
	err     error // of the third batch
}

func (w *watcher) Images() int { return 6 }
func (w *watcher) Steps() int  { return len(w.batches) }
func (w *watcher) Epoch(context.Context, int) iter.Seq2[float64, error] {
	return func(yield func(float64, error) bool) {
		for i, b := range w.batches {
			var err error
			if i == 2 {
				err = w.err
			}
			if !yield(b, err) {
				return
			}
		}
	}
}
func (w *watcher) Learn(loss float64, at fit.Moment) (fit.Told, error) {
	w.moments = append(w.moments, at)
	n := at.Step + 1 // images
	return fit.Told{Images: n, Right: n - 1, Loss: loss, Values: map[string]float64{"twice": 2 * loss}}, at.Check("loss", loss)
}
func (w *watcher) Save(*fit.Checkpoint)       {}
func (w *watcher) Load(*fit.Checkpoint) error { return errors.New("cannot") }

func TestMeansAndProgress(t *testing.T) {
	c, w := config(), &watcher{batches: []float64{1, 4, 2}}
	c.Epochs = 2
	var steps []fit.Step
	c.Progress = func(s fit.Step) {
		assert.GreaterOrEqual(t, s.Seconds, 0.)
		s.Seconds = 0
		steps = append(steps, s)
	}
	epochs := run(t, c, w, nil)
	assert.Equal(t, []fit.Step{
		{Epoch: 1, Epochs: 2, Done: 1, Images: 6, Loss: 1, Accuracy: 0},
		{Epoch: 1, Epochs: 2, Done: 3, Images: 6, Loss: 3, Accuracy: 1. / 3},
		{Epoch: 1, Epochs: 2, Done: 6, Images: 6, Loss: 2.5, Accuracy: 0.5},
	}, steps[:3])
	assert.Len(t, steps, 6)
	rate := optim.Schedule{Base: 0.1, Min: 0.01, Warmup: 1, Epochs: 2}
	for i, m := range w.moments {
		assert.Equal(t, fit.Moment{Epoch: i / 3, Step: i % 3, Steps: 3, LR: rate.At(float64(i/3) + float64(i%3+1)/3)}, m)
		assert.Equal(t, i, m.Index())
		assert.Equal(t, float64(i/3)+float64(i%3+1)/3, m.End())
	}
	for i, e := range epochs {
		assert.Equal(t, i+1, e.Number)
		assert.Equal(t, fit.Entry{Loss: 2.5, Accuracy: 0.5, LR: float64(rate.At(float64(i + 1))), Images: 6, Seconds: e.Seconds, Values: map[string]float64{"twice": 5}}, *e.Entry)
		assert.Same(t, e.Entry, epochs[1].Checkpoint.History[i])
	}
	h := epochs[1].Checkpoint.History
	assert.Equal(t, epochs[0].Seconds+epochs[1].Seconds, h.Seconds())
	assert.True(t, math.IsNaN(h.Series("thrice")[1]))
	assert.Equal(t, []float64{2.5, 2.5}, h.Series("loss"))
	assert.Equal(t, []float64{0.5, 0.5}, h.Series("accuracy"))
	assert.Equal(t, []float64{epochs[0].LR, epochs[1].LR}, h.Series("lr"))
}

func TestRunStops(t *testing.T) {
	broken := errors.New("broken")
	assert.ErrorIs(t, fails(t, t.Context(), config(), &watcher{batches: []float64{1, 2, 3}, err: broken}), broken)
	assert.EqualError(t, fails(t, t.Context(), config(), &watcher{batches: []float64{1, math.NaN()}}),
		"the loss of epoch 1, step 2 is NaN: try a learning rate below 0.1")
	assert.EqualError(t, fails(t, t.Context(), config(), &watcher{batches: []float64{math.Inf(1)}}),
		"the loss of epoch 1, step 1 is +Inf: try a learning rate below 0.1")

	ctx, cancel := context.WithCancel(t.Context())
	c, w := config(), &watcher{batches: []float64{1, 2}}
	c.Progress = func(fit.Step) { cancel() }
	assert.ErrorIs(t, fails(t, ctx, c, w), context.Canceled)
	assert.Len(t, w.moments, 1, "though the task does not look at the context")

	for range fit.Run(t.Context(), config(), w) {
		break // no more is yielded
	}
	for want, change := range map[string]func(*fit.Config){
		"fit: 0 epochs, want at least 1": func(c *fit.Config) { c.Epochs = 0 },
		"learning rate 0, want":          func(c *fit.Config) { c.Schedule.Base = 0 },
		"fit: resume after epoch 6 of 5": func(c *fit.Config) { c.Resume = &fit.Checkpoint{History: make(fit.History, 6)} },
		"cannot":                         func(c *fit.Config) { c.Resume = &fit.Checkpoint{} },
	} {
		c := config()
		change(&c)
		assert.ErrorContains(t, fails(t, t.Context(), c, w), want)
	}
}

func decode(t *testing.T, b []byte) *checkpoint.File {
	t.Helper()
	f, err := checkpoint.Decode(bytes.NewReader(b), int64(len(b)), "state")
	require.NoError(t, err)
	return f
}

func TestCheckpointFile(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	c := &fit.Checkpoint{
		History: fit.History{{Loss: 1. / 3, Values: map[string]float64{"x": 0.1}}, {LR: 1e-9, Images: 3, Seconds: 2, Values: map[string]float64{}}},
		Tensors: nn.Tensors{}, Numbers: map[string][]float64{"losses": {math.Pi, 1e-300}},
	}
	c.Put("model", nn.Tensors{"w": tensortest.Random(rng, 2, 3), "head.b": tensortest.Random(rng, 1)})
	c.Put("models", nn.Tensors{"w": tensortest.Random(rng, 2)})
	var b bytes.Buffer
	require.NoError(t, c.Write(&b, map[string]string{"run": "{}"}))
	f := decode(t, b.Bytes())
	assert.Equal(t, "{}", f.Metadata()["run"])
	read, err := fit.Read(f)
	require.NoError(t, err)
	assert.Equal(t, c, read)

	assert.Equal(t, []string{"head.b", "w"}, c.Set("model").Names())
	clone := c.Clone()
	c.Put("model", nn.Tensors{"v": tensor.New(1)})
	assert.Equal(t, []string{"v"}, c.Set("model").Names(), "the others of the set are gone")
	assert.Len(t, c.Set("models"), 1)
	c.Tensors["models.w"].Fill(1)
	c.Numbers["losses"][0] = 1
	c.History[0].Values["x"] = 2
	c.History[1].Loss = 3
	assert.Equal(t, read, clone)

	c.Numbers["losses"][0] = math.NaN()
	assert.ErrorContains(t, c.Write(io.Discard, nil), "fit: write a checkpoint: ")
	for want, metadata := range map[string]map[string]string{
		`state: not the state of a training run: its metadata have no "training"`: nil,
		`state: metadata "training": `:                                            {"training": "{"},
		"state: the state of a training run without an epoch":                     {"training": "{}"},
		"state: the state of a training run without an epoch ":                    {"training": `{"History":[null]}`},
	} {
		b.Reset()
		require.NoError(t, checkpoint.Write(&b, nil, metadata))
		_, err := fit.Read(decode(t, b.Bytes()))
		require.Error(t, err)
		assert.Contains(t, err.Error()+" ", want)
	}
}

func TestEMA(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	params, means := nn.Tensors{"a": tensortest.Random(rng, 3), "b": tensortest.Random(rng, 2, 2)}, nn.Tensors{"a": tensor.New(3), "b": tensor.New(2, 2)}
	average := fit.EMA{Decay: 0.7}.New(params, means)
	want := map[string][]float64{}
	for name, p := range params {
		assert.Equal(t, p.Data(), means[name].Data(), "it starts as they are")
		for _, v := range p.Data() {
			want[name] = append(want[name], float64(v))
		}
	}
	for step := range 40 {
		decay := min(0.7, float64(1+step)/float64(10+step))
		for name, p := range params {
			nn.Normal(rng, &autograd.Param{Value: p}, 1)
			for i, v := range p.Data() {
				want[name][i] = decay*want[name][i] + (1-decay)*float64(v)
			}
		}
		average.Add(step)
	}
	for name, mean := range means {
		tensortest.Close(t, want[name], mean, 1e-6)
	}
	for decay, ok := range map[float64]bool{0: true, 0.99: true, 1: false, -0.1: false, math.NaN(): false} {
		assert.Equal(t, ok, fit.EMA{Decay: decay}.Validate() == nil, decay)
	}
}

// parallel is points whose batches are learned in two pieces, each with a tape of its own, whose
// gradients are added in order.
type parallel struct {
	*points
	tapes [2]autograd.Tape
}

func (p *parallel) Learn(batch []int, at fit.Moment) (fit.Told, error) {
	var found [2]autograd.Grads
	var losses [2]float64
	tensor.Each(2, func(i int) {
		p.tapes[i].Reset()
		x, labels := tensor.New(5, 2), make([]int, 5)
		for row, j := range batch[5*i:][:5] {
			tensor.CopyTo(x.Select(0, row), p.at.Select(0, j))
			labels[row] = p.labels[j]
		}
		loss := autograd.CrossEntropy(p.model.Forward(p.tapes[i].Const(x)), labels)
		losses[i], found[i] = float64(loss.Value().At()), p.tapes[i].Backward(loss)
	})
	sum, norm := autograd.Grads{}, 0.
	for _, q := range nn.Params(p.model) {
		sum[q] = tensor.New(q.Value.Shape()...)
		for _, grads := range found {
			tensor.Axpy(sum[q], 0.5, grads[q])
		}
		for _, v := range sum[q].Data() {
			norm += float64(float64(v) * float64(v))
		}
	}
	told := fit.Told{Images: len(batch), Loss: (losses[0] + losses[1]) / 2, Values: map[string]float64{"norm": math.Sqrt(norm)}}
	if err := at.Check("gradient", told.Loss+norm); err != nil {
		return told, err
	}
	decay := optim.Schedule{Base: 0.1, Min: 0.01, Epochs: 5}.At(at.End()) // a schedule of the task's own
	tensor.ScaleTo(p.model.Weight.Value, 1-at.LR*decay, p.model.Weight.Value)
	p.opt.Step(at.LR, sum)
	return told, nil
}

func TestParallelSteps(t *testing.T) {
	p := &parallel{points: newPoints(100)}
	epochs := run(t, config(), p, nil)
	again := &parallel{points: newPoints(100)}
	run(t, config(), again, nil)
	assert.Equal(t, nn.State(p.model), nn.State(again.model))
	assert.Less(t, epochs[4].Loss, 0.5*epochs[0].Loss)
	for i, norm := range epochs[4].Checkpoint.History.Series("norm") {
		assert.Greater(t, norm, 0., i)
	}
}

// vanishing is a task whose parameters are no numbers after the second epoch.
type vanishing struct {
	*watcher
	w *tensor.Tensor
}

func (v vanishing) Learn(loss float64, at fit.Moment) (fit.Told, error) {
	if at.Epoch == 1 && at.Step == v.Steps()-1 { // the last step, whose result no other step sees
		v.w.Data()[1] = float32(math.Inf(1))
	}
	return v.watcher.Learn(loss, at)
}
func (v vanishing) Save(c *fit.Checkpoint) { c.Put("model", nn.Tensors{"w": v.w}) }

// Parameters that are no numbers are no epoch's result.
func TestParametersThatAreNotFinite(t *testing.T) {
	c, last := config(), 0
	var failed error
	for e, err := range fit.Run(t.Context(), c, vanishing{&watcher{batches: []float64{1, 1}}, tensor.New(2)}) {
		if failed = err; err == nil {
			last = e.Number
		}
	}
	assert.EqualError(t, failed, "fit: training diverged in epoch 2, after which model.w holds NaN or infinity: try a learning rate below 0.1")
	assert.Equal(t, 1, last)
}
