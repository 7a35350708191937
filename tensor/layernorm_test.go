package tensor_test

import (
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"gonum.org/v1/gonum/stat"

	"github.com/promptcam/promptcam/tensor"
	"github.com/promptcam/promptcam/tensor/tensortest"
)

// layerNorm normalises rows of len(w) elements.
func layerNorm(x, w, b []float64, eps float64) []float64 {
	y := make([]float64, len(x))
	for i := 0; i < len(x); i += len(w) {
		mean, variance := stat.PopMeanVariance(x[i:i+len(w)], nil)
		for j := range w {
			y[i+j] = (x[i+j]-mean)/math.Sqrt(variance+eps)*w[j] + b[j]
		}
	}
	return y
}

func TestLayerNorm(t *testing.T) {
	const eps = 1e-2
	for _, shape := range [][]int{{7}, {3, 8}, {2, 3, 33}, {4, 1}} {
		rng := newRand()
		n := shape[len(shape)-1]
		rows := tensor.Size("", shape) / n
		x, w, b := tensortest.Random(rng, shape...), tensortest.Random(rng, n), tensortest.Random(rng, n)
		y, stats := tensor.New(shape...), tensor.New(rows, 2)
		tensor.LayerNormTo(y, stats, x, w, b, eps)
		tensortest.Close(t, layerNorm(doubles(x), doubles(w), doubles(b), eps), y.Data(), 1e-5)
		for r := range rows {
			mean, variance := stat.PopMeanVariance(doubles(x)[r*n:r*n+n], nil)
			tensortest.Close(t, []float64{mean, 1 / math.Sqrt(variance+eps)}, stats.Select(0, r), 1e-5)
		}

		dy := tensortest.Random(rng, shape...)
		dx, dw, db := tensor.New(shape...), tensortest.Ramp(n), tensortest.Ramp(n)
		tensor.LayerNormBackwardTo(dx, dw, db, dy, x, w, stats)
		tensortest.Close(t, gradient(func(x []float64) float64 { return dot(dy, layerNorm(x, doubles(w), doubles(b), eps)) }, doubles(x)), dx.Data(), 1e-4)
		tensortest.Close(t, gradient(func(w []float64) float64 { return dot(dy, layerNorm(doubles(x), w, doubles(b), eps)) }, doubles(w)), dw.Sub(tensortest.Ramp(n)), 1e-5)
		tensortest.Close(t, gradient(func(b []float64) float64 { return dot(dy, layerNorm(doubles(x), doubles(w), b, eps)) }, doubles(b)), db.Sub(tensortest.Ramp(n)), 1e-5)

		alone := tensor.New(shape...)
		tensor.LayerNormBackwardTo(alone, nil, nil, dy, x, w, stats)
		tensortest.Close(t, dx, alone, 0)
		tensor.LayerNormTo(x, stats, x, w, b, eps)
		tensortest.Close(t, y, x, 0)
	}
}

// A large mean must not drown a small variance.
func TestLayerNormOfFarOffRows(t *testing.T) {
	x := tensortest.Ramp(4, 64).Add(tensor.New().Fill(4096))
	w, b := tensor.New(64).Fill(1), tensor.New(64)
	y := tensor.New(4, 64)
	tensor.LayerNormTo(y, tensor.New(4, 2), x, w, b, 1e-6)
	tensortest.Close(t, layerNorm(doubles(x), doubles(w), doubles(b), 1e-6), y.Data(), 1e-4)
}

func TestLayerNormOfNotNumbers(t *testing.T) {
	x := tensor.FromSlice([]float32{1, nan, 2, 3, 1, inf}, 3, 2)
	y := tensor.New(3, 2)
	tensor.LayerNormTo(y, tensor.New(3, 2), x, tensor.New(2).Fill(1), tensor.New(2), 0)
	tensortest.Close(t, []float32{nan, nan, -1, 1, nan, nan}, y.Data(), 1e-5)
	tensor.LayerNormTo(tensor.New(0, 2), tensor.New(0, 2), tensor.New(0, 2), tensor.New(2), tensor.New(2), 0)
}

func TestLayerNormSameBits(t *testing.T) {
	x, w := tensortest.Random(newRand(), 8, 50, 192), tensortest.Ramp(192)
	norm := func(x *tensor.Tensor) *tensor.Tensor {
		y := tensor.New(x.Shape()...)
		tensor.LayerNormTo(y, tensor.New(x.Len()/192, 2), x, w, w, 1e-6)
		return y
	}
	sameBits(t, func() *tensor.Tensor { return norm(x) })
	assert.Equal(t, norm(x).Select(0, 3).Data(), norm(x.Select(0, 3)).Data(), "an image alone equals it in a batch")
}

func TestLayerNormPanics(t *testing.T) {
	x, stats, w := tensor.New(2, 3), tensor.New(2, 2), tensor.New(3)
	const want = "want [rows, D], [D] and [rows, 2]"
	requirePanic(t, "tensor: LayerNormTo: shapes [2 3] and [2] and [2 2]: "+want, func() { tensor.LayerNormTo(x, stats, x, tensor.New(2), w, 0) })
	requirePanic(t, "tensor: LayerNormTo: shapes [2 3] and [2] and [2 2]: "+want, func() { tensor.LayerNormTo(x, stats, x, w, tensor.New(2), 0) })
	requirePanic(t, "tensor: LayerNormTo: shapes [2 3] and [3] and [3 2]: "+want, func() { tensor.LayerNormTo(x, tensor.New(3, 2), x, w, w, 0) })
	requirePanic(t, "tensor: LayerNormBackwardTo: shapes [2 3] and [4] and [2 2]: "+want, func() {
		tensor.LayerNormBackwardTo(nil, w, tensor.New(4), x, x, w, stats)
	})
	requirePanic(t, "tensor: LayerNormBackwardTo: shapes [3 2] and [2 3]: must be the same", func() {
		tensor.LayerNormBackwardTo(tensor.New(3, 2), nil, nil, x, x, w, stats)
	})
}
