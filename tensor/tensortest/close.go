package tensortest

import (
	"math"
	"slices"
	"testing"

	"github.com/promptcam/promptcam/tensor"
)

// Close marks the test as failed, without stopping it, unless got has want's shape and each element differs
// from want's by at most tol*max(1, |want|). NaN is close to NaN, and an infinity to itself. The message
// names the element that is furthest off. Close reports whether all are close.
//
// Each of want and got is a *tensor.Tensor, of any strides, or a []float32 or
// []float64; a slice is compared with a tensor in row-major order.
func Close(t testing.TB, want, got any, tol float64) bool {
	t.Helper()
	w, shape := values(t, want)
	g, other := values(t, got)
	_, shaped := want.(*tensor.Tensor)
	if _, both := got.(*tensor.Tensor); len(w) != len(g) || shaped && both && !slices.Equal(shape, other) {
		t.Errorf("tensortest: got shape %v, want %v", other, shape)
		return false
	}
	if !shaped {
		shape = other
	}
	wrong, worst, most := 0, 0, -1.0
	for i := range w {
		if off := distance(w[i], g[i]); !(off <= tol) {
			wrong++
			if off > most {
				worst, most = i, off
			}
		}
	}
	if wrong == 0 {
		return true
	}
	t.Errorf("tensortest: %d of %d elements differ by more than %g*max(1, |want|), the worst at %v: got %v, want %v (off by %.3g)",
		wrong, len(w), tol, place(worst, shape), g[worst], w[worst], math.Abs(g[worst]-w[worst]))
	return false
}

// distance is |want-got|/max(1, |want|): 0 for equal infinities and for two
// NaNs, +Inf where only one is finite or a number.
func distance(want, got float64) float64 {
	switch {
	case want == got || math.IsNaN(want) && math.IsNaN(got):
		return 0
	case math.IsNaN(want) || math.IsNaN(got) || math.IsInf(want, 0) || math.IsInf(got, 0):
		return math.Inf(1)
	}
	return math.Abs(want-got) / max(1, math.Abs(want))
}

// values returns the elements of x in row-major order, and its shape.
func values(t testing.TB, x any) (v []float64, shape []int) {
	t.Helper()
	switch x := x.(type) {
	case []float64:
		return x, []int{len(x)}
	case []float32:
		return widen(x), []int{len(x)}
	case *tensor.Tensor:
		return widen(x.Contig().Data()), x.Shape()
	}
	t.Fatalf("tensortest: Close takes tensors and slices of floats, not %T", x)
	return nil, nil
}

func widen(x []float32) []float64 {
	v := make([]float64, len(x))
	for i := range x {
		v[i] = float64(x[i])
	}
	return v
}

// place is the index of element i of a row-major tensor.
func place(i int, shape []int) []int {
	index := make([]int, len(shape))
	for d := len(shape) - 1; d >= 0; d-- {
		index[d], i = i%shape[d], i/shape[d]
	}
	return index
}
