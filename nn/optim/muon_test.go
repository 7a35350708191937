package optim_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"gonum.org/v1/gonum/mat"

	"github.com/promptcam/promptcam/autograd"
	"github.com/promptcam/promptcam/nn"
	"github.com/promptcam/promptcam/nn/optim"
	"github.com/promptcam/promptcam/tensor"
	"github.com/promptcam/promptcam/tensor/tensortest"
)

// block is parameters as a transformer's block has them.
type block struct {
	QKV *autograd.Param `state:"qkv"`
	FC1 *autograd.Param `state:"fc1"`
	FC2 *autograd.Param `state:"fc2"`
}

func newBlock(rng *rand.Rand) *block {
	return &block{
		&autograd.Param{Value: tensortest.Random(rng, 15, 5)},
		&autograd.Param{Value: tensortest.Random(rng, 12, 5)},
		&autograd.Param{Value: tensortest.Random(rng, 5, 12)},
	}
}

func matrices(name string, _ *autograd.Param) int {
	if name == "qkv" {
		return 3
	}
	return 1
}

func dense(t *tensor.Tensor) *mat.Dense {
	d := mat.NewDense(t.Dim(0), t.Dim(1), nil)
	d.Apply(func(i, j int, _ float64) float64 { return float64(t.At(i, j)) }, d)
	return d
}

// orthogonal is what Muon's iteration makes of a matrix, by the polynomial of its singular values.
func orthogonal(m *mat.Dense) *mat.Dense {
	var svd mat.SVD
	svd.Factorize(m, mat.SVDThin)
	var u, v, us, out mat.Dense
	svd.UTo(&u)
	svd.VTo(&v)
	values := svd.Values(nil)
	length := mat.Norm(m, 2)
	for i, s := range values {
		s /= length
		for range 5 {
			s = 3.4445*s - 4.7750*s*s*s + 2.0315*s*s*s*s*s
		}
		values[i] = s
	}
	us.Mul(&u, mat.NewDiagDense(len(values), values))
	out.Mul(&us, v.T())
	return &out
}

// Against float64 and the singular values themselves.
func TestMuonMakesStepsOrthogonal(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	m := newBlock(rng)
	opt := optim.Muon{Momentum: 0.9, Matrices: matrices}.New(nn.Params(m))
	type part struct {
		of       *autograd.Param
		from, to int
		v, p     *mat.Dense
	}
	var parts []*part
	for _, p := range []*part{{of: m.QKV, to: 5}, {of: m.QKV, from: 5, to: 10}, {of: m.QKV, from: 10, to: 15}, {of: m.FC1, to: 12}, {of: m.FC2, to: 5}} {
		p.p = dense(p.of.Value.Slice(0, p.from, p.to))
		p.v = mat.NewDense(p.to-p.from, p.of.Value.Dim(1), nil)
		parts = append(parts, p)
	}
	const lr = 0.1
	for range 4 {
		grads := autograd.Grads{}
		for _, p := range nn.Params(m) {
			grads[p] = tensortest.Random(rng, p.Value.Shape()...)
		}
		opt.Step(lr, grads)
		for _, p := range parts {
			g := dense(grads[p.of].Slice(0, p.from, p.to))
			p.v.Scale(0.9, p.v)
			p.v.Add(p.v, g)
			var u mat.Dense
			u.Scale(0.9, p.v)
			u.Add(&u, g)
			step := orthogonal(&u)
			step.Scale(-lr*0.2*math.Sqrt(float64(max(p.to-p.from, p.of.Value.Dim(1)))), step)
			p.p.Add(p.p, step)
			tensortest.Close(t, p.p.RawMatrix().Data, p.of.Value.Slice(0, p.from, p.to).Contig(), 1e-4)
		}
	}
}

// Values down to a 500th of the length come to within what the documentation says.
func TestMuonRaisesSmallValues(t *testing.T) {
	for _, shape := range [][2]int{{24, 24}, {96, 24}, {24, 96}} {
		t.Run(fmt.Sprint(shape), func(t *testing.T) {
			rng := rand.New(rand.NewPCG(3, 4))
			var svd mat.SVD
			svd.Factorize(dense(tensortest.Random(rng, shape[0], shape[1])), mat.SVDThin)
			var u, v, us, g mat.Dense
			svd.UTo(&u)
			svd.VTo(&v)
			values := make([]float64, 24)
			for i := range values {
				values[i] = math.Pow(10, -2.5*float64(i)/23) // 1 to 0.003; together 2.3 long
			}
			us.Mul(&u, mat.NewDiagDense(24, values))
			g.Mul(&us, v.T())
			grad := tensor.New(shape[0], shape[1])
			for i, v := range g.RawMatrix().Data {
				grad.Data()[i] = float32(v)
			}
			p := nn.NewParam(shape[0], shape[1])
			opt := optim.Muon{Matrices: func(string, *autograd.Param) int { return 1 }}.New(nn.Params(&struct {
				W *autograd.Param `state:"w"`
			}{p}))
			opt.Step(1/(0.2*float32(math.Sqrt(float64(max(shape[0], shape[1]))))), autograd.Grads{p: grad})
			svd.Factorize(dense(p.Value), mat.SVDThin)
			for _, s := range svd.Values(nil) {
				assert.InDelta(t, 0.945, s, 0.265+1e-3)
			}
		})
	}
}

func TestMuonRefusesWhatIsNoMatrices(t *testing.T) {
	m := newBlock(rand.New(rand.NewPCG(1, 2)))
	for count, want := range map[int]string{4: "qkv of shape [15 5], want 4 matrices", 16: "want 16 matrices"} {
		matrices := func(name string, _ *autograd.Param) int { return map[string]int{"qkv": count}[name] }
		func() {
			defer func() { assert.Contains(t, recover(), want) }()
			optim.Muon{Matrices: matrices}.New(nn.Params(m))
		}()
	}
}
