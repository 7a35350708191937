package tensor_test

import (
	"errors"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/promptcam/promptcam/tensor"
	"github.com/promptcam/promptcam/tensor/tensortest"
)

var (
	nan = float32(math.NaN())
	inf = float32(math.Inf(1))
)

func newRand() *rand.Rand { return rand.New(rand.NewPCG(1, 2)) }

// layout is a tensor whose elements lie in memory in some way.
type layout struct {
	name string
	*tensor.Tensor
}

// layouts returns random tensors of a shape, laid out in every way that views allow.
func layouts(rng *rand.Rand, shape ...int) []layout {
	n := len(shape)
	reversed, larger, single := slices.Clone(shape), slices.Clone(shape), slices.Clone(shape)
	slices.Reverse(reversed)
	order := make([]int, n)
	for i := range shape {
		order[i] = n - 1 - i
		larger[i] += 2
	}
	sliced := tensortest.Random(rng, larger...)
	for i, s := range shape {
		sliced = sliced.Slice(i, 1, 1+s)
	}
	all := []layout{
		{"contiguous", tensortest.Random(rng, shape...)},
		{"permuted", tensortest.Random(rng, reversed...).Permute(order...)},
		{"sliced", sliced},
		{"strided", tensortest.Random(rng, append(slices.Clone(shape), 3)...).Select(-1, 1)},
	}
	if n >= 2 {
		swapped := slices.Clone(shape)
		swapped[n-1], swapped[n-2] = shape[n-2], shape[n-1]
		all = append(all, layout{"transposed", tensortest.Random(rng, swapped...).Transpose()})
	}
	if n > 0 {
		single[0] = 1
		all = append(all, layout{"expanded", tensortest.Random(rng, single...).Expand(shape...)})
	}
	return all
}

// writable returns the layouts that a result may be written to.
func writable(rng *rand.Rand, shape ...int) []layout {
	return slices.DeleteFunc(layouts(rng, shape...), func(l layout) bool { return l.name == "expanded" })
}

// eachIndex calls f with every index of a shape, in row-major order.
func eachIndex(shape []int, f func(index []int)) {
	index := make([]int, len(shape))
	var count func(d int)
	count = func(d int) {
		if d == len(shape) {
			f(index)
			return
		}
		for index[d] = range shape[d] {
			count(d + 1)
		}
	}
	count(0)
}

// doubles returns the elements of x in row-major order.
func doubles(x *tensor.Tensor) []float64 {
	v := []float64{}
	eachIndex(x.Shape(), func(index []int) { v = append(v, float64(x.At(index...))) })
	return v
}

// broadcastAt returns the element of x that broadcasting puts at an index.
func broadcastAt(x *tensor.Tensor, index []int) float64 {
	own := slices.Clone(index[len(index)-x.Rank():])
	for d := range own {
		if x.Dim(d) == 1 {
			own[d] = 0
		}
	}
	return float64(x.At(own...))
}

// gradient returns the gradient at x of f, computed in float64, by central differences.
func gradient(f func(x []float64) float64, x []float64) []float64 {
	const step = 1e-5
	x = slices.Clone(x)
	g := make([]float64, len(x))
	for i, v := range x {
		x[i] = v + step
		up := f(x)
		x[i] = v - step
		g[i] = (up - f(x)) / (2 * step)
		x[i] = v
	}
	return g
}

// dot weighs the elements of a result with those of its gradient.
func dot(dy *tensor.Tensor, y []float64) float64 {
	var s float64
	for i, g := range doubles(dy) {
		s += g * y[i]
	}
	return s
}

// requirePanic requires f to panic with a *ShapeError that says message.
func requirePanic(t *testing.T, message string, f func()) {
	t.Helper()
	defer func() {
		t.Helper()
		v := recover()
		require.NotNil(t, v, "no panic, want %s", message)
		err, ok := v.(error)
		require.True(t, ok, "panic with %v, not an error", v)
		var shape *tensor.ShapeError
		require.True(t, errors.As(err, &shape), "panic with %T: %v", v, v)
		assert.EqualError(t, shape, message)
	}()
	f()
}

// sameBits requires f to return the same on one and on several processors.
func sameBits(t *testing.T, f func() *tensor.Tensor) {
	t.Helper()
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	want := f()
	for _, n := range []int{2, 3, 8} {
		runtime.GOMAXPROCS(n)
		require.Equal(t, want.Data(), f().Data(), "GOMAXPROCS %d", n)
	}
}
