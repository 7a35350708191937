package nn_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/promptcam/promptcam/autograd"
	"github.com/promptcam/promptcam/autograd/gradcheck"
	"github.com/promptcam/promptcam/nn"
	"github.com/promptcam/promptcam/tensor"
	"github.com/promptcam/promptcam/tensor/tensortest"
)

// row applies a linear layer to one row, in float64.
func row(l *nn.Linear, x []float64) []float64 {
	y := make([]float64, l.Weight.Value.Dim(0))
	for o := range y {
		if l.Bias != nil {
			y[o] = float64(l.Bias.Value.At(o))
		}
		for i, v := range x {
			y[o] += float64(l.Weight.Value.At(o, i)) * v
		}
	}
	return y
}

// rowsOf applies f to each row of x and puts the results after one another.
func rowsOf(x *tensor.Tensor, f func([]float64) []float64) []float64 {
	var y []float64
	n := x.Dim(-1)
	for i := 0; i < x.Len(); i += n {
		var r []float64
		for _, v := range x.Data()[i : i+n] {
			r = append(r, float64(v))
		}
		y = append(y, f(r)...)
	}
	return y
}

func randomise(rng *rand.Rand, m any) {
	for _, p := range nn.Params(m) {
		copy(p.Value.Data(), tensortest.Random(rng, p.Value.Shape()...).Data())
	}
}

func TestLinear(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	l := nn.NewLinear(5, 6)
	randomise(rng, l)
	x := tensortest.Random(rng, 2, 3, 5)
	tp := &autograd.Tape{}

	y := l.Forward(tp.Const(x))
	assert.Equal(t, []int{2, 3, 6}, y.Shape())
	tensortest.Close(t, rowsOf(x, func(r []float64) []float64 { return row(l, r) }), y.Value(), 1e-5)

	part := l.Rows(tp.Const(x), 2, 5)
	assert.Equal(t, []int{2, 3, 3}, part.Shape())
	tensortest.Close(t, rowsOf(x, func(r []float64) []float64 { return row(l, r)[2:5] }), part.Value(), 1e-5)
	assert.Panics(t, func() { l.Rows(tp.Const(x), 2, 7) })

	l.Bias = nil
	part = l.Rows(tp.Const(x), 0, 2)
	tensortest.Close(t, rowsOf(x, func(r []float64) []float64 { return row(l, r)[:2] }), part.Value(), 1e-5)

	// The parts' gradients come together in one.
	off, err := gradcheck.Error(rng, func(tp *autograd.Tape) *autograd.Var {
		return autograd.Concat(l.Rows(tp.Const(x), 0, 3), l.Rows(tp.Const(x), 3, 6), l.Rows(tp.Const(x), 1, 4))
	}, l.Weight)
	require.NoError(t, err)
	assert.Less(t, off, 5e-4)
}

// A frozen layer keeps a copy of its weight, which must follow the weight where that changes.
func TestFrozenLinear(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	x := tensortest.Random(rng, 3, 64)
	l := nn.NewLinear(64, 96)
	check := func(when string) {
		t.Helper()
		t.Log(when)
		for range 2 { // the first makes the copy
			tp := &autograd.Tape{}
			tensortest.Close(t, rowsOf(x, func(r []float64) []float64 { return row(l, r) }), l.Forward(tp.Const(x)).Value(), 1e-5)
			for _, part := range [][2]int{{0, 96}, {32, 96}, {0, 64}, {5, 50}, {7, 8}} {
				want := rowsOf(x, func(r []float64) []float64 { return row(l, r)[part[0]:part[1]] })
				tensortest.Close(t, want, l.Rows(tp.Const(x), part[0], part[1]).Value(), 1e-5)
			}
		}
	}
	randomise(rng, l)
	check("learned")
	nn.Freeze(l)
	check("frozen")
	require.NoError(t, nn.Load(l, nn.Tensors{"weight": tensortest.Random(rng, 96, 64), "bias": tensortest.Random(rng, 96)}))
	check("loaded while frozen")
	l.Weight.Frozen = false
	check("learned again")
	l.Weight.Value.Set(3, 40, 5)
	nn.Freeze(l)
	check("frozen again")
	l.Weight.Value.Set(4, 40, 5)
	l.Weight.Changed()
	check("changed")
	l.Weight.Frozen = false
	l.Weight.Value.Set(5, 40, 5)
	nn.Freeze(l)
	check("frozen again without a use in between")
	l.Weight.Value = tensortest.Random(rng, 96, 64)
	check("another tensor")
	nn.Uniform(rng, l.Weight, 1)
	check("drawn uniformly")
	nn.Normal(rng, l.Weight, 0.5)
	check("drawn normally")
	nn.KaimingUniform(rng, l.Weight, l.Bias)
	check("drawn as PyTorch does")
}

// adapted returns a frozen Linear of random parameters with an Adapter, and the Linear
// that it amounts to.
func adapted(rng *rand.Rand, in, out int) (l, whole *nn.Linear) {
	l = nn.NewLinear(in, out)
	randomise(rng, l)
	nn.Freeze(l)
	l.Adapter = nn.NewAdapter(l, 2, 0.3)
	randomise(rng, l.Adapter)
	a := l.Adapter
	return l, &nn.Linear{
		Weight: &autograd.Param{Value: l.Weight.Value.Add(a.B.Value.MatMul(a.A.Value).Scale(0.3))},
		Bias:   l.Bias,
	}
}

func TestAdapter(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	l, whole := adapted(rng, 5, 6)
	names := []string{}
	for name := range nn.Params(l) {
		names = append(names, name)
	}
	assert.Equal(t, []string{"weight", "bias", "lora_A", "lora_B"}, names)
	x, sum := tensortest.Random(rng, 2, 3, 5), tensortest.Random(rng, 2, 3, 6)
	tp := &autograd.Tape{}
	want := rowsOf(x, func(r []float64) []float64 { return row(whole, r) })
	tensortest.Close(t, want, l.Forward(tp.Const(x)).Value(), 1e-5)
	part := rowsOf(x, func(r []float64) []float64 { return row(whole, r)[2:5] })
	tensortest.Close(t, part, l.Rows(tp.Const(x), 2, 5).Value(), 1e-5)
	for i := range want {
		want[i] += float64(sum.Data()[i])
	}
	tensortest.Close(t, want, l.ForwardAdd(autograd.Residual{X: tp.Const(sum)}, tp.Const(x)).Value(), 1e-5)

	a, input := l.Adapter, &autograd.Param{Value: x}
	for name, f := range map[string]func(tp *autograd.Tape) *autograd.Var{
		"whole": func(tp *autograd.Tape) *autograd.Var { return l.Forward(tp.Param(input)) },
		"parts": func(tp *autograd.Tape) *autograd.Var {
			in := tp.Param(input)
			return autograd.Concat(l.Rows(in, 0, 3), l.Rows(in, 3, 6), l.Rows(in, 1, 4))
		},
	} {
		off, err := gradcheck.Error(rng, f, a.A, a.B, input)
		require.NoError(t, err)
		assert.Less(t, off, 5e-4, name)
		tp := &autograd.Tape{}
		grads := tp.Backward(autograd.CrossEntropy(autograd.Reshape(f(tp), 1, -1), []int{3}))
		assert.Len(t, grads, 3, "nothing frozen has a gradient")
	}

	a.B.Value.Fill(0)
	tp.Reset()
	got := l.Forward(tp.Const(x)).Value().Clone()
	l.Adapter = nil
	assert.Equal(t, l.Forward(tp.Const(x)).Value().Clone(), got, "a B of zeros changes nothing")
}

func TestAdaptedMLP(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	m, whole := nn.NewMLP(4, 9, tensor.GELU), nn.NewMLP(4, 9, tensor.GELU)
	m.FC1, whole.FC1 = adapted(rng, 4, 9)
	m.FC2, whole.FC2 = adapted(rng, 9, 4)
	x := &autograd.Param{Value: tensortest.Random(rng, 2, 3, 4)}
	for _, tp := range []*autograd.Tape{{}, {NoGrad: true}} {
		tensortest.Close(t, whole.Forward(tp.Param(x)).Value(), m.Forward(tp.Param(x)).Value(), 1e-5)
	}
	off, err := gradcheck.Error(rng, func(tp *autograd.Tape) *autograd.Var { return m.Forward(tp.Param(x)) },
		x, m.FC1.Adapter.A, m.FC1.Adapter.B, m.FC2.Adapter.A, m.FC2.Adapter.B)
	require.NoError(t, err)
	assert.Less(t, off, 5e-4)
}

func TestLayerNorm(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	n := nn.NewLayerNorm(7, 1e-3)
	x := tensortest.Random(rng, 2, 3, 7)
	for range 2 {
		want := rowsOf(x, func(r []float64) []float64 {
			var mean, variance float64
			for _, v := range r {
				mean += v / 7
			}
			for _, v := range r {
				variance += (v - mean) * (v - mean) / 7
			}
			y := make([]float64, 7)
			for i, v := range r {
				y[i] = (v-mean)/math.Sqrt(variance+1e-3)*float64(n.Weight.Value.At(i)) + float64(n.Bias.Value.At(i))
			}
			return y
		})
		tensortest.Close(t, want, n.Forward((&autograd.Tape{}).Const(x)).Value(), 1e-5)
		randomise(rng, n) // the first time round it only normalises
	}
}

func TestMLP(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, act := range []struct {
		f    tensor.Activation
		want func(float64) float64
	}{
		{tensor.GELU, func(v float64) float64 { return v * (1 + math.Erf(v/math.Sqrt2)) / 2 }},
		{tensor.QuickGELU, func(v float64) float64 { return v / (1 + math.Exp(-1.702*v)) }},
	} {
		m := nn.NewMLP(4, 9, act.f)
		randomise(rng, m)
		x := tensortest.Random(rng, 2, 3, 4)
		want := rowsOf(x, func(r []float64) []float64 {
			h := row(m.FC1, r)
			for i := range h {
				h[i] = act.want(h[i])
			}
			return row(m.FC2, h)
		})
		for _, tp := range []*autograd.Tape{{}, {NoGrad: true}} {
			tensortest.Close(t, want, m.Forward(tp.Const(x)).Value(), 2e-5)
		}
		var params []*autograd.Param
		for _, p := range nn.Params(m) {
			params = append(params, p)
		}
		off, err := gradcheck.Error(rng, func(tp *autograd.Tape) *autograd.Var { return m.Forward(tp.Const(x)) }, params...)
		require.NoError(t, err)
		assert.Less(t, off, 5e-4)
	}
}
