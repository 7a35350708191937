package nn_test

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/promptcam/promptcam/autograd"
	"github.com/promptcam/promptcam/nn"
	"github.com/promptcam/promptcam/tensor"
	"github.com/promptcam/promptcam/tensor/checkpoint"
	"github.com/promptcam/promptcam/tensor/tensortest"
)

// model has every kind of field that may hold parameters.
type model struct {
	Token  *autograd.Param   `state:"cls_token"`
	None   *autograd.Param   `state:"none"`
	Layers []*nn.Linear      `state:"layers"`
	Rows   []*autograd.Param `state:"rows"`
	Norm   nn.LayerNorm      `state:"norm"`
	MLP    *nn.MLP           `state:"mlp"`
	Extra  *nn.MLP           `state:"extra"`
	Width  int
	Inner  struct {
		Gamma *autograd.Param `state:"gamma"`
	} `state:""` // its names stand beside the others
}

func newModel() *model {
	m := &model{
		Token:  nn.NewParam(1, 1, 4),
		Layers: []*nn.Linear{nn.NewLinear(2, 3), nil, {Weight: nn.NewParam(3, 2)}},
		Rows:   []*autograd.Param{nn.NewParam(2), nn.NewParam(3)},
		Norm:   *nn.NewLayerNorm(4, 1e-6),
		MLP:    nn.NewMLP(2, 4, tensor.GELU),
	}
	m.Inner.Gamma = nn.NewParam(2)
	return m
}

var names = []string{
	"cls_token", "layers.0.weight", "layers.0.bias", "layers.2.weight", "rows.0", "rows.1", "norm.weight", "norm.bias",
	"mlp.fc1.weight", "mlp.fc1.bias", "mlp.fc2.weight", "mlp.fc2.bias", "gamma",
}

// hidden has a tag on a field that nobody outside its package can read.
type hidden struct {
	weight *autograd.Param `state:"w"`
}

func TestParams(t *testing.T) {
	var got []string
	m := newModel()
	for name, p := range nn.Params(m) {
		require.NotNil(t, p)
		got = append(got, name)
	}
	assert.Equal(t, names, got)
	for name, p := range nn.Params(m) {
		assert.Same(t, m.Token, p)
		assert.Equal(t, "cls_token", name)
		break
	}
	assert.Empty(t, nn.State((*model)(nil)))
	assert.Empty(t, nn.State(&struct{ W *autograd.Param }{nn.NewParam(1)}), "no tag, no parameter")
	assert.PanicsWithValue(t, "nn: field width of kind int cannot hold parameters", func() {
		nn.State(&struct {
			Width int `state:"width"`
		}{})
	})
	for want, m := range map[string]any{
		`nn: field weight of nn_test.hidden, state "w", is not exported`: &hidden{nn.NewParam(1)},
		"nn: no model: nil": nil,
		"nn: field m of kind map cannot hold parameters": &struct {
			M map[string]*nn.Linear `state:"m"`
		}{},
	} {
		assert.PanicsWithValue(t, want, func() { nn.State(m) })
	}
	assert.PanicsWithValue(t, "nn: two parameters named w", func() {
		nn.State(&struct {
			A *autograd.Param `state:"w"`
			B *autograd.Param `state:"w"`
		}{nn.NewParam(1), nn.NewParam(1)})
	})
}

func TestFreeze(t *testing.T) {
	m := newModel()
	nn.Freeze(m.MLP)
	for name, p := range nn.Params(m) {
		assert.Equal(t, name[:3] == "mlp", p.Frozen, name)
	}
	nn.Freeze(m)
	for name, p := range nn.Params(m) {
		assert.True(t, p.Frozen, name)
	}
}

func TestStateSurvivesAFile(t *testing.T) {
	m, rng := newModel(), rand.New(rand.NewPCG(1, 2))
	for _, p := range nn.Params(m) {
		nn.Uniform(rng, p, 3)
	}
	path := filepath.Join(t.TempDir(), "m.safetensors")
	require.NoError(t, checkpoint.Save(path, nn.State(m), nil))
	f, err := checkpoint.Open(path)
	require.NoError(t, err)
	defer f.Close()
	other := newModel()
	require.NoError(t, nn.Load(other, f))
	assert.Equal(t, nn.State(m), nn.State(other))
	assert.NotSame(t, m.Token, other.Token)
}

func TestLoad(t *testing.T) {
	state := func(change func(s nn.Tensors)) nn.Tensors {
		s := nn.Tensors{}
		for name, v := range nn.State(newModel()) {
			s[name] = v.Clone().Fill(2)
		}
		change(s)
		return s
	}
	inf := float32(math.Inf(-1))
	for _, c := range []struct {
		change func(s nn.Tensors)
		want   string
	}{
		{func(s nn.Tensors) { delete(s, "gamma") }, "1 tensor missing (gamma)"},
		{func(s nn.Tensors) {
			for i := range 8 {
				s[fmt.Sprint("x", i)] = tensor.New(1)
			}
		}, "8 tensors unknown (x0, x1, x2, x3, x4, x5, and 2 more)"},
		{func(s nn.Tensors) { s["foo"], s["bar"] = tensor.New(1), tensor.New(2) }, "2 tensors unknown (bar, foo)"},
		{func(s nn.Tensors) { s["gamma"] = tensor.New(1, 2) }, "gamma is [1 2], want [2]"},
		{func(s nn.Tensors) { s["gamma"].Set(float32(math.NaN()), 1) }, "gamma holds NaN or infinity"},
		{func(s nn.Tensors) {
			delete(s, "norm.weight")
			delete(s, "norm.bias")
			s["foo"] = tensor.New(1)
			s["cls_token"] = tensor.New(1, 4)
			s["rows.1"].Set(inf, 0)
		}, "2 tensors missing (norm.bias, norm.weight); 1 tensor unknown (foo); cls_token is [1 4], want [1 1 4]; rows.1 holds NaN or infinity"},
	} {
		m := newModel()
		assert.EqualError(t, nn.Load(m, state(c.change)), c.want)
		assert.Equal(t, nn.State(newModel()), nn.State(m), "left as it was")
	}

	m := newModel()
	require.NoError(t, nn.Load(m, state(func(s nn.Tensors) {
		s["layers.0.weight"] = tensor.FromSlice([]float32{1, 2, 3, 4, 5, 6}, 2, 3).Transpose()
	})))
	assert.Equal(t, []float32{1, 4, 2, 5, 3, 6}, m.Layers[0].Weight.Value.Data())
	assert.Equal(t, []float32{2, 2}, m.Inner.Gamma.Value.Data())

	broken := errors.New("disk on fire")
	assert.ErrorIs(t, nn.Load(m, failing{state(func(nn.Tensors) {}), broken}), broken)
	_, err := nn.Tensors{}.Tensor("x")
	assert.EqualError(t, err, "no tensor x")
}

// failing is a Source whose tensors cannot be read.
type failing struct {
	nn.Tensors
	err error
}

func (f failing) Tensor(string) (*tensor.Tensor, error) { return nil, f.err }

func TestInitialisers(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	moments := func(p *autograd.Param) (mean, std, most float64) {
		n := float64(p.Value.Len())
		for _, x := range p.Value.Data() {
			mean += float64(x) / n
			std += float64(x) * float64(x) / n
			most = max(most, math.Abs(float64(x)))
		}
		return mean, math.Sqrt(std), most
	}
	v, bias := nn.NewParam(100, 1000), nn.NewParam(1000)

	nn.Uniform(rng, v, 0.5)
	mean, std, most := moments(v)
	assert.InDelta(t, 0, mean, 0.003)
	assert.InDelta(t, 0.5/math.Sqrt(3), std, 0.003)
	assert.InDelta(t, 0.5, most, 0.001)

	nn.KaimingUniform(rng, v, bias)
	_, std, most = moments(v)
	assert.InDelta(t, 1/math.Sqrt(3*1000), std, 3e-4)
	assert.LessOrEqual(t, most, 1/math.Sqrt(1000)+1e-9)
	_, _, most = moments(bias)
	assert.InDelta(t, 1/math.Sqrt(1000), most, 1e-3)
	nn.KaimingUniform(rng, v, nil)

	images := nn.NewParam(20, 10, 5, 5)
	nn.KaimingUniform(rng, images, nil)
	_, _, most = moments(images)
	assert.InDelta(t, 1/math.Sqrt(250), most, 1e-3, "a convolution")

	a, b := nn.NewParam(5), nn.NewParam(5)
	nn.Uniform(rand.New(rand.NewPCG(1, 1)), a, 1)
	nn.Uniform(rand.New(rand.NewPCG(1, 1)), b, 1)
	tensortest.Close(t, a.Value, b.Value, 0)

	for _, do := range []func(){
		func() { nn.Uniform(nil, v, 1) }, func() { nn.Normal(nil, v, 1) }, func() { nn.KaimingUniform(nil, v, nil) },
	} {
		assert.PanicsWithValue(t, "nn: no random numbers to initialise with: rng is nil", do)
	}
}
