package autograd_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/promptcam/promptcam/autograd"
	"github.com/promptcam/promptcam/autograd/gradcheck"
	"github.com/promptcam/promptcam/tensor"
	"github.com/promptcam/promptcam/tensor/tensortest"
)

// Tanh is the hyperbolic tangent of each element, which the package does not have.
func Tanh(x *autograd.Var) *autograd.Var {
	y := x.Value().Clone()
	for i, v := range y.Data() {
		y.Data()[i] = float32(math.Tanh(float64(v)))
	}
	return autograd.Op(y, func(dy *tensor.Tensor) {
		x.AddGrad(func(g *tensor.Tensor) { // dx = (1 - y²)·dy
			tensor.MulTo(g, y, y)
			tensor.MulTo(g, g, dy)
			tensor.SubTo(g, dy, g)
		})
	}, x)
}

func ExampleOp() {
	x := &autograd.Param{Value: tensor.FromSlice([]float32{-1, 0, 0.5, 2}, 2, 2)}
	tape := &autograd.Tape{}
	fmt.Printf("%.3f\n", Tanh(tape.Param(x)).Value())

	// Package gradcheck compares its adjoint with finite differences.
	f := func(tape *autograd.Tape) *autograd.Var { return Tanh(tape.Param(x)) }
	off, err := gradcheck.Error(rand.New(rand.NewPCG(1, 2)), f, x)
	fmt.Println(off < 1e-3, err)
	// Output:
	// [2 2] [[-0.762 0.000] [0.462 0.964]]
	// true <nil>
}

// matmul is the product of two matrices, an operation of two inputs.
func matmul(a, b *autograd.Var) *autograd.Var {
	return autograd.Op(a.Value().MatMul(b.Value()), func(dy *tensor.Tensor) {
		a.AddGrad(func(g *tensor.Tensor) { tensor.MatMulTo(g, dy, b.Value().Transpose()) })
		b.AddGrad(func(g *tensor.Tensor) { tensor.MatMulTo(g, a.Value().Transpose(), dy) })
	}, a, b)
}

// transpose returns a view of its input.
func transpose(x *autograd.Var) *autograd.Var {
	return autograd.Op(x.Value().Transpose(), func(dy *tensor.Tensor) {
		x.AddGrad(func(g *tensor.Tensor) { tensor.CopyTo(g, dy.Transpose()) })
	}, x)
}

// An Op works in the places of the package's own operations: between them, within Frames, on views, and on
// the parts of a Split.
func TestOp(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	a, b := &autograd.Param{Value: tensortest.Random(rng, 3, 4)}, &autograd.Param{Value: tensortest.Random(rng, 4, 6)}
	for name, f := range map[string]func(tp *autograd.Tape) *autograd.Var{
		"between others": func(tp *autograd.Tape) *autograd.Var {
			return autograd.GELU(matmul(autograd.GELU(tp.Param(a)), tp.Param(b)))
		},
		"one input twice": func(tp *autograd.Tape) *autograd.Var {
			return autograd.Add(matmul(transpose(tp.Param(a)), tp.Param(a)), tp.Const(b.Value.Slice(1, 0, 4)))
		},
		"in frames": func(tp *autograd.Tape) *autograd.Var {
			f := tp.Frame()
			x := f.Keep(transpose(autograd.GELU(tp.Param(a)))) // [4, 3], a view of what is freed
			autograd.GELU(tp.Const(tensor.New(4, 3)))          // would take its memory
			return f.Keep(autograd.GELU(x))
		},
		"parts": func(tp *autograd.Tape) *autograd.Var {
			parts := autograd.Split(autograd.GELU(tp.Param(b)), 2) // [4, 3]
			return matmul(transpose(parts[0]), Tanh(parts[1]))
		},
	} {
		t.Run(name, func(t *testing.T) {
			tp := &autograd.Tape{}
			grads := tp.Backward(total(autograd.Reshape(f(tp), -1)))
			for p := range grads {
				off, err := gradcheck.Error(rng, f, p)
				require.NoError(t, err)
				assert.Less(t, off, 2e-3)
			}
			assert.NotEmpty(t, grads)
		})
	}
}

func TestOpWithoutGradient(t *testing.T) {
	a, b := param(1, 2), param(3, 4)
	b.Frozen = true
	tp := &autograd.Tape{}
	never := func(*tensor.Tensor) { t.Error("a gradient that nobody wants") }
	autograd.Op(b.Value, never, tp.Param(b))
	tp.NoGrad = true
	y := autograd.Op(a.Value, never, tp.Param(a))
	assert.Zero(t, autograd.Recorded(tp))
	tp.NoGrad = false

	product := autograd.Op(a.Value.Mul(b.Value), func(dy *tensor.Tensor) {
		tp.Param(a).AddGrad(func(g *tensor.Tensor) { tensor.MulTo(g, dy, b.Value) })
		tp.Param(b).AddGrad(never)
	}, tp.Param(a), tp.Param(b))
	assert.Equal(t, []float32{3, 4}, tp.Backward(total(product))[a].Data())
	assert.Panics(t, func() { tp.Backward(total(y)) })
	assert.PanicsWithValue(t, "autograd: AddGrad outside of Backward", func() { tp.Param(a).AddGrad(never) })
	assert.PanicsWithValue(t, "autograd: Op without inputs: use Const", func() { autograd.Op(a.Value, never) })
	assert.PanicsWithValue(t, "autograd: Const of a nil tensor", func() { autograd.Op(nil, never, tp.Param(a)) })
	assert.PanicsWithValue(t, "autograd: operands on different tapes", func() {
		autograd.Op(a.Value, never, tp.Param(a), (&autograd.Tape{}).Param(b))
	})
}
