package optim_test

import (
	"fmt"
	"iter"
	"maps"
	"math"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/promptcam/promptcam/autograd"
	"github.com/promptcam/promptcam/nn"
	"github.com/promptcam/promptcam/nn/optim"
	"github.com/promptcam/promptcam/tensor"
	"github.com/promptcam/promptcam/tensor/checkpoint"
	"github.com/promptcam/promptcam/tensor/tensortest"
)

// pair is a model of two parameters, of which the second is frozen on demand.
type pair struct {
	A *autograd.Param `state:"a"`
	B *autograd.Param `state:"b"`
}

func newPair() *pair {
	m := &pair{nn.NewParam(4), nn.NewParam(2, 1)}
	copy(m.A.Value.Data(), []float32{0.5, -1.25, 2, 0})
	copy(m.B.Value.Data(), []float32{1, -1})
	return m
}

// gradsAt returns the gradients of step t: for a, a_i·(i+1)/4 + (t+1)·(i-1.5)/10.
func (m *pair) gradsAt(t int) autograd.Grads {
	g := autograd.Grads{m.A: tensor.New(4), m.B: tensor.New(2, 1).Fill(float32(t) - 3)}
	for i, v := range m.A.Value.Data() {
		g[m.A].Data()[i] = float32(float64(v)*float64(i+1)/4 + float64(t+1)*(float64(i)-1.5)/10)
	}
	return g
}

var optimizers = []struct {
	name string
	lr   float32
	make func(iter.Seq2[string, *autograd.Param]) optim.Optimizer
	want []float64 // a after ten steps of PyTorch 1.13 with the same settings
	keys []string
}{
	{"SGD", 0.05, optim.SGD{Momentum: 0.9, WeightDecay: 1e-3}.New,
		[]float64{1.50917792, 0.172057599, -0.574240506, -1.00607634}, []string{"a.momentum", "b.momentum"}},
	{"SGD without momentum", 0.05, optim.SGD{WeightDecay: 1e-3}.New,
		[]float64{0.838030159, -0.842247605, 1.24087679, -0.356349558}, nil},
	{"AdamW", 0.01, optim.AdamW{Beta1: 0.9, Beta2: 0.999, Eps: 1e-8, WeightDecay: 0.05}.New,
		[]float64{0.591085434, -1.14271498, 1.88954961, -0.0984389335},
		[]string{"a.exp_avg", "a.exp_avg_sq", "b.exp_avg", "b.exp_avg_sq", "step"}},
	{"Muon", 0.01, optim.Muon{Momentum: 0.95, Others: optim.AdamW{WeightDecay: 0.05}, Matrices: second}.New,
		[]float64{0.591085434, -1.14271498, 1.88954961, -0.0984389335}, // AdamW's
		[]string{"a.exp_avg", "a.exp_avg_sq", "b.momentum", "step"}},
}

// second says that b alone is a matrix.
func second(_ string, p *autograd.Param) int { return p.Value.Rank() - 1 }

func TestAsPyTorch(t *testing.T) {
	for _, c := range optimizers {
		m := newPair()
		opt := c.make(nn.Params(m))
		for step := range 10 {
			opt.Step(c.lr, m.gradsAt(step))
		}
		tensortest.Close(t, c.want, m.A.Value, 1e-6)
		assert.Equal(t, c.keys, slices.Sorted(maps.Keys(opt.State())), c.name)
	}
}

func TestResume(t *testing.T) {
	for _, c := range optimizers {
		t.Run(c.name, func(t *testing.T) {
			whole, m := newPair(), newPair()
			opt, first := c.make(nn.Params(whole)), c.make(nn.Params(m))
			for step := range 10 {
				opt.Step(c.lr, whole.gradsAt(step))
			}
			for step := range 5 {
				first.Step(c.lr, m.gradsAt(step))
			}
			path := filepath.Join(t.TempDir(), "state.safetensors")
			require.NoError(t, checkpoint.Save(path, first.State(), nil))
			f, err := checkpoint.Open(path)
			require.NoError(t, err)
			defer f.Close()
			second := c.make(nn.Params(m))
			require.NoError(t, second.State().Load(f))
			for step := 5; step < 10; step++ {
				second.Step(c.lr, m.gradsAt(step))
			}
			assert.Equal(t, whole.A.Value.Data(), m.A.Value.Data())
			assert.Equal(t, whole.B.Value.Data(), m.B.Value.Data())
			assert.Equal(t, opt.State(), second.State())
		})
	}
}

func TestLoadRefuses(t *testing.T) {
	m := newPair()
	opt := optim.AdamW{}.New(nn.Params(m))
	opt.Step(0.1, m.gradsAt(0))
	before := nn.Tensors{}
	for name, v := range opt.State() {
		before[name] = v.Clone()
	}
	bad := maps.Clone(before)
	delete(bad, "step")
	bad["b.exp_avg"] = tensor.New(2)
	assert.EqualError(t, opt.State().Load(bad), "1 tensor missing (step); b.exp_avg is [2], want [2 1]")
	assert.Equal(t, before, opt.State())
	assert.ErrorContains(t, optim.SGD{Momentum: 0.9}.New(nn.Params(m)).State().Load(before), "a.momentum, b.momentum")
}

func TestWhatStays(t *testing.T) {
	for _, c := range optimizers {
		t.Run(c.name, func(t *testing.T) {
			m, start := newPair(), newPair()
			m.B.Frozen = true
			opt := c.make(nn.Params(m))
			for name := range opt.State() {
				assert.NotEqual(t, "b", name[:1], "frozen parameters have no state")
			}
			opt.Step(c.lr, m.gradsAt(0))
			assert.Equal(t, start.B, &autograd.Param{Value: m.B.Value}, "frozen")
			assert.NotEqual(t, start.A.Value.Data(), m.A.Value.Data())

			m = newPair()
			opt = c.make(nn.Params(m))
			opt.Step(c.lr, autograd.Grads{m.B: tensor.New(2, 1).Fill(1)})
			assert.Equal(t, start.A, m.A, "without a gradient")
			assert.NotEqual(t, start.B, m.B)

			m = newPair()
			c.make(nn.Params(m)).Step(0, m.gradsAt(0))
			assert.Equal(t, start, m, "a learning rate of 0")
		})
	}
}

// TestTied has one parameter under two names: it takes one step, not two.
func TestTied(t *testing.T) {
	p := nn.NewParam(1)
	opt := optim.SGD{Momentum: 0.9}.New(nn.Params(&pair{p, p}))
	opt.Step(1, autograd.Grads{p: tensor.New(1).Fill(1)})
	assert.Equal(t, float32(-1), p.Value.At(0))
	assert.Len(t, opt.State(), 1)
}

func TestStepsAllocateNextToNothing(t *testing.T) {
	for _, c := range optimizers {
		m := newPair()
		opt, grads := c.make(nn.Params(m)), m.gradsAt(0)
		most := 0.
		if c.name == "Muon" {
			most = 16 // shapes of a matrix's fifteen products
		}
		assert.LessOrEqual(t, testing.AllocsPerRun(10, func() { opt.Step(c.lr, grads) }), most, c.name)
	}
}

func TestSchedule(t *testing.T) {
	s := optim.Schedule{Base: 0.005, Min: 1e-6, Warmup: 20, Epochs: 130}
	for epoch, want := range map[float64]float64{
		-1: 0, 0: 0, 1: 0.00025, 10.5: 0.002625, 20: 0.005, // the line
		75: (0.005 + 1e-6) / 2, 47.5: 1e-6 + (0.005-1e-6)*(1+math.Sqrt2/2)/2, // the cosine
		130: 1e-6, 1000: 1e-6,
	} {
		assert.InDelta(t, want, s.At(epoch), 1e-9, "epoch %v", epoch)
	}
	assert.Equal(t, float32(s.Base), s.At(20))
	assert.Equal(t, float32(s.Min), s.At(130))
	assert.Less(t, s.At(129), s.At(128))

	assert.Equal(t, float32(0.1), optim.Schedule{Base: 0.1, Epochs: 10}.At(0), "no warm-up")
	assert.Equal(t, float32(0), optim.Schedule{Base: 0.1, Epochs: 10}.At(10))
	assert.Equal(t, float32(0.1), optim.Schedule{Base: 0.1}.At(1000), "no end")
	assert.Equal(t, float32(0.1), optim.Schedule{Base: 0.1, Warmup: 5, Epochs: 5}.At(5), "nothing but warm-up")
	assert.Equal(t, float32(0.1), optim.Schedule{Base: 0.1, Epochs: 10}.At(-3), "before the start")
}

// Settings that are left out are PyTorch's, so that a gradient of zero does not divide by zero.
func TestAdamWWithoutSettings(t *testing.T) {
	m, want := newPair(), newPair()
	opt := optim.AdamW{WeightDecay: 0.1}.New(nn.Params(m))
	full := optim.AdamW{Beta1: 0.9, Beta2: 0.999, Eps: 1e-8, WeightDecay: 0.1}.New(nn.Params(want))
	for step := range 3 {
		grads := m.gradsAt(step)
		grads[m.B].Fill(0)
		opt.Step(0.1, grads)
		grads = want.gradsAt(step)
		grads[want.B].Fill(0)
		full.Step(0.1, grads)
	}
	assert.Equal(t, want, m)
	assert.False(t, math.IsNaN(float64(m.B.Value.At(0, 0))))
}

// Whatever Step cannot use panics before anything has moved.
func TestStepPanics(t *testing.T) {
	for _, c := range optimizers {
		t.Run(c.name, func(t *testing.T) {
			m, start := newPair(), newPair()
			opt := c.make(nn.Params(m))
			for _, p := range []*autograd.Param{m.A, m.B} {
				grads := m.gradsAt(0)
				grads[p] = tensor.New(3)
				func() {
					defer func() {
						e, ok := recover().(*tensor.ShapeError)
						require.True(t, ok)
						assert.Equal(t, [][]int{p.Value.Shape(), {3}}, e.Shapes)
					}()
					opt.Step(0.1, grads)
				}()
			}
			for _, lr := range []float32{-0.1, float32(math.NaN()), float32(math.Inf(1))} {
				assert.PanicsWithValue(t, fmt.Sprintf("optim: Step at a learning rate of %v, want at least 0", lr), func() { opt.Step(lr, m.gradsAt(0)) })
			}
			gaps := m.gradsAt(0)
			gaps[m.B] = tensor.New(2, 2).Slice(1, 0, 1)
			assert.Panics(t, func() { opt.Step(0.1, gaps) })
			tape := &autograd.Tape{}
			ones := tape.Const(tensor.New(1, 4).Fill(1))
			grads := tape.Backward(autograd.Reshape(autograd.Linear(ones, autograd.Reshape(tape.Param(m.A), 1, 4), nil)))
			tape.Reset()
			assert.PanicsWithValue(t, "optim: Step without gradients: if their tape was reset, call Step before Reset", func() { opt.Step(0.1, grads) })
			assert.Equal(t, start.A.Value, m.A.Value)
			assert.Equal(t, start.B.Value, m.B.Value)

			for _, p := range []*autograd.Param{m.A, m.B} { // a new value of another size, in use
				p.Value = tensor.New(9, 9)
			}
			larger := autograd.Grads{m.A: tensor.New(9, 9), m.B: tensor.New(9, 9)}
			if len(opt.State()) > 0 {
				assert.Panics(t, func() { opt.Step(0.1, larger) })
				assert.Equal(t, make([]float32, 81), m.A.Value.Data())
			}
		})
	}
}

// What was frozen has no state: it is refused once it has gradients, not left where it is.
func TestUnfreezingWantsANewOptimizer(t *testing.T) {
	for _, c := range optimizers {
		t.Run(c.name, func(t *testing.T) {
			for name, p := range map[string]func(*pair) *autograd.Param{
				"a": func(m *pair) *autograd.Param { return m.A }, "b": func(m *pair) *autograd.Param { return m.B },
			} {
				m, start := newPair(), newPair()
				p(m).Frozen = true
				opt := c.make(nn.Params(m))
				p(m).Frozen = false
				assert.PanicsWithValue(t, "optim: Step: "+name+" was frozen when the optimizer was made: make another after unfreezing it",
					func() { opt.Step(c.lr, m.gradsAt(0)) })
				assert.Equal(t, start, m)
				c.make(nn.Params(m)).Step(c.lr, m.gradsAt(0))
				assert.NotEqual(t, p(start), p(m))
			}
		})
	}
}

func TestNewPanics(t *testing.T) {
	of := func(models ...any) iter.Seq2[string, *autograd.Param] {
		return func(yield func(string, *autograd.Param) bool) {
			for _, m := range models {
				for name, p := range nn.Params(m) {
					if !yield(name, p) {
						return
					}
				}
			}
		}
	}
	panics := func(want string, do func()) {
		t.Helper()
		defer func() { assert.Contains(t, recover(), want) }()
		do()
	}
	first, second := newPair(), newPair()
	for _, c := range optimizers {
		panics(`": give them as fields of one struct, with a state tag each, to nn.Params`, func() { c.make(of(first, second)) })
		both := &struct {
			First  *pair `state:"first"`
			Second *pair `state:"second"`
		}{first, second}
		var want []string
		for _, key := range c.keys {
			if key == "step" {
				want = append(want, key)
			} else {
				want = append(want, "first."+key, "second."+key)
			}
		}
		assert.ElementsMatch(t, want, c.make(nn.Params(both)).State().Names(), c.name)
	}
	for want, c := range map[string]optim.Config{
		"momentum 1": optim.SGD{Momentum: 1}, "eps -1": optim.AdamW{Eps: -1}, "without Matrices": optim.Muon{}, "betas 0 and 2": optim.Muon{Others: optim.AdamW{Beta2: 2}, Matrices: func(string, *autograd.Param) int { return 0 }},
	} {
		panics(want, func() { c.New(nn.Params(first)) })
	}
}

func TestValidate(t *testing.T) {
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	for want, c := range map[string]interface{ Validate() error }{
		"momentum 1":                            optim.SGD{Momentum: 1},
		"weight decay -1":                       optim.SGD{WeightDecay: -1},
		"betas 0.9 and NaN":                     optim.AdamW{Beta1: 0.9, Beta2: nan},
		"eps 0 and weight decay +Inf":           optim.AdamW{WeightDecay: inf},
		"without Matrices":                      optim.Muon{},
		"Muon with momentum NaN":                optim.Muon{Momentum: nan, Matrices: second},
		"AdamW with betas 1 and 0":              optim.Muon{Others: optim.AdamW{Beta1: 1}, Matrices: second},
		"learning rate 0, want":                 optim.Schedule{},
		"learning rate NaN, want":               optim.Schedule{Base: math.NaN()},
		"last learning rate 2, want at most":    optim.Schedule{Base: 1, Min: 2},
		"last learning rate NaN after 0 epochs": optim.Schedule{Base: 1, Min: math.NaN()},
		"-1 of warm-up":                         optim.Schedule{Base: 1, Warmup: -1},
	} {
		assert.ErrorContains(t, c.Validate(), want)
	}
	for _, c := range []interface{ Validate() error }{
		optim.SGD{}, optim.AdamW{}, optim.Muon{Momentum: 0.95, Matrices: second}, optim.Schedule{Base: 1, Min: 1, Warmup: 2},
	} {
		assert.NoError(t, c.Validate())
	}
}
