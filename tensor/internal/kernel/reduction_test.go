package kernel

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// A reduction, and the same in float64 with the sum of absolute summands.
type reduction struct {
	name     string
	operands int
	run      func(t *tier, x [][]float32) float32
	want     func(x [][]float32) (y, size float64)
}

// summed returns a reference that adds up f over the elements of the operands.
func summed(f func(x []float64) float64) func(x [][]float32) (y, size float64) {
	return func(x [][]float32) (y, size float64) {
		point := make([]float64, len(x))
		for j := range x[0] {
			for i := range x {
				point[i] = float64(x[i][j])
			}
			y += f(point)
			size += math.Abs(f(point))
		}
		return y, size
	}
}

func greatest(scale float64) func(x [][]float32) (y, size float64) {
	return func(x [][]float32) (y, size float64) {
		y = math.Inf(-1)
		for _, v := range x[0] {
			y = max(y, scale*float64(v))
		}
		return y, math.Abs(y)
	}
}

var reductions = []reduction{
	{"dot", 2, func(t *tier, x [][]float32) float32 { return t.dot(x[0], x[1]) },
		summed(func(x []float64) float64 { return x[0] * x[1] })},
	{"sum", 1, func(t *tier, x [][]float32) float32 { return t.sum(x[0]) },
		summed(func(x []float64) float64 { return x[0] })},
	{"scaledMax", 1, func(t *tier, x [][]float32) float32 { return t.scaledMax(x[0], -0.3) }, greatest(float64(float32(-0.3)))},
	{"expSum", 1, func(t *tier, x [][]float32) float32 {
		return t.expSum(make([]float32, len(x[0])), x[0], 0.5, 1.5)
	},
		summed(func(x []float64) float64 { return math.Exp(x[0]/2 - 1.5) })},
	{"squares", 1, func(t *tier, x [][]float32) float32 { return t.squares(x[0], 0.5) },
		summed(func(x []float64) float64 { return (x[0] - 0.5) * (x[0] - 0.5) })},
	{"normalizeSums' sum", 3, func(t *tier, x [][]float32) float32 {
		y, _ := t.normalizeSums(x[0], x[1], x[2], 0.5, 0.25)
		return y
	},
		summed(func(x []float64) float64 { return x[0] * x[2] })},
	{"normalizeSums' dot", 3, func(t *tier, x [][]float32) float32 {
		_, y := t.normalizeSums(x[0], x[1], x[2], 0.5, 0.25)
		return y
	},
		summed(func(x []float64) float64 { return x[0] * x[2] * (x[1] - 0.5) * 0.25 })},
}

func TestReductions(t *testing.T) {
	eachTier(t, func(t *testing.T, impl *tier) {
		for _, r := range reductions {
			t.Run(r.name, func(t *testing.T) {
				rng := rand.New(rand.NewPCG(9, 10))
				for n := range lengths() {
					x := make([][]float32, r.operands)
					for i := range x {
						x[i], _ = guarded(normals(rng, n), rng.IntN(8))
					}
					want, size := r.want(x)
					requireClose(t, r.run(impl, x), want, size, 2*ulp*(1+math.Sqrt(float64(n))), "length %d", n)
				}
			})
		}
	})
}

func TestReductionsPropagate(t *testing.T) {
	eachTier(t, func(t *testing.T, impl *tier) {
		rng := rand.New(rand.NewPCG(11, 12))
		for _, r := range reductions {
			for _, v := range []float32{float32(math.NaN()), float32(math.Inf(1)), float32(math.Inf(-1))} {
				if r.name == "scaledMax" && v != v {
					continue // says so
				}
				for n := 1; n < 100; n++ {
					x := make([][]float32, r.operands)
					for i := range x {
						x[i] = normals(rng, n)
					}
					x[0][rng.IntN(n)] = v
					want, size := r.want(x)
					requireClose(t, r.run(impl, x), want, size, 1e-5, "%s: %g among %d", r.name, v, n)
				}
			}
		}
	})
}

func TestSoftmax(t *testing.T) {
	eachTier(t, func(t *testing.T, impl *tier) {
		rng := rand.New(rand.NewPCG(13, 14))
		for n := range lengths() {
			x := normals(rng, n)
			for i := range x {
				x[i] *= 50
				if n%4 == 0 && i%7 == 3 {
					x[i] = float32(math.Inf(-1))
				}
			}
			x, _ = guarded(x, rng.IntN(8))
			const scale = 0.3
			top, _ := greatest(scale)([][]float32{x})
			var sum float64
			for _, v := range x {
				sum += math.Exp(scale*float64(v) - top)
			}
			y, check := guarded(make([]float32, n), rng.IntN(8))
			softmax(impl, y, x, scale)
			check(t)
			for i, v := range x {
				requireClose(t, y[i], math.Exp(scale*float64(v)-top)/sum, 1, 2e-6, "element %d of %d", i, n)
			}
			softmax(impl, x, x, scale)
			require.Equal(t, y, x, "in place")
		}
	})
}

func TestSoftmaxOfExtremes(t *testing.T) {
	inf, nan := float32(math.Inf(1)), float32(math.NaN())
	eachTier(t, func(t *testing.T, impl *tier) {
		for n := 2; n < 70; n++ {
			y := make([]float32, n)
			for _, v := range []float32{nan, inf} {
				x := normals(rand.New(rand.NewPCG(15, 16)), n)
				x[n/2] = v
				softmax(impl, y, x, 1)
				for i := range y {
					require.True(t, y[i] != y[i], "%g makes element %d of %d NaN", v, i, n)
				}
			}
			x := make([]float32, n)
			for i := range x {
				x[i] = -inf
			}
			x[n/2] = -1e30
			softmax(impl, y, x, 1)
			for i := range y {
				want := float32(0)
				if i == n/2 {
					want = 1
				}
				require.Equal(t, want, y[i])
			}
		}
	})
}

func TestLayerNorm(t *testing.T) {
	eachTier(t, func(t *testing.T, impl *tier) {
		rng := rand.New(rand.NewPCG(17, 18))
		for n := 1; n <= 300; n++ {
			x, weight, bias, dy := normals(rng, n), normals(rng, n), normals(rng, n), normals(rng, n)
			for i := range x {
				x[i] = 3*x[i] + 100 // what a variance in one pass gets wrong
			}
			const eps = 1e-5
			var mean, variance float64
			for _, v := range x {
				mean += float64(v) / float64(n)
			}
			for _, v := range x {
				variance += (float64(v) - mean) * (float64(v) - mean) / float64(n)
			}
			rstd := 1 / math.Sqrt(variance+eps)
			y := make([]float32, n)
			m, r := layerNorm(impl, y, x, weight, bias, eps)
			requireClose(t, m, mean, mean, 2*ulp*(1+math.Sqrt(float64(n))), "mean of %d", n)
			if n == 1 {
				continue // the variance is that of a rounding
			}
			requireClose(t, r, rstd, rstd, 1e-4, "rstd of %d", n)
			for i := range y {
				want := (float64(x[i])-mean)*rstd*float64(weight[i]) + float64(bias[i])
				requireClose(t, y[i], want, rstd, 3e-4, "element %d of %d", i, n)
			}

			var g, gx float64
			for i := range x {
				g += float64(dy[i]) * float64(weight[i]) / float64(n)
				gx += float64(dy[i]) * float64(weight[i]) * (float64(x[i]) - mean) * rstd / float64(n)
			}
			dx := make([]float32, n)
			layerNormGrad(impl, dx, dy, x, weight, m, r)
			for i := range dx {
				want := rstd * (float64(dy[i])*float64(weight[i]) - g - (float64(x[i])-mean)*rstd*gx)
				requireClose(t, dx[i], want, rstd*rstd, 3e-4, "gradient %d of %d", i, n)
			}
			layerNormGrad(impl, dy, dy, x, weight, m, r)
			require.Equal(t, dx, dy, "in place")
		}
	})
}
