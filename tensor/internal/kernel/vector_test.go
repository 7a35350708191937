package kernel

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// An elementwise kernel, and the same in float64 for one element. The error
// allowed is tol times the larger of 1 and the size that want returns.
type elementwise struct {
	name     string
	operands int
	run      func(t *tier, dst []float32, x [][]float32)
	want     func(x []float64) (y, size float64)
	tol      float64
}

const ulp = 1. / (1 << 23)

var elementwises = []elementwise{
	{"add", 2, func(t *tier, dst []float32, x [][]float32) { t.add(dst, x[0], x[1]) },
		func(x []float64) (float64, float64) { return x[0] + x[1], math.Abs(x[0] + x[1]) }, ulp / 2},
	{"mul", 2, func(t *tier, dst []float32, x [][]float32) { t.mul(dst, x[0], x[1]) },
		func(x []float64) (float64, float64) { return x[0] * x[1], math.Abs(x[0] * x[1]) }, ulp / 2},
	{"scale", 1, func(t *tier, dst []float32, x [][]float32) { t.scale(dst, -0.75, x[0]) },
		func(x []float64) (float64, float64) { return -0.75 * x[0], math.Abs(x[0]) }, ulp / 2},
	// The first operand is what dst holds before.
	{"axpy", 2, func(t *tier, dst []float32, x [][]float32) { copy(dst, x[0]); t.axpy(dst, -0.75, x[1]) },
		func(x []float64) (float64, float64) {
			return x[0] - 0.75*x[1], math.Abs(x[0]) + math.Abs(0.75*x[1])
		}, ulp},
	{"exp", 1, func(t *tier, dst []float32, x [][]float32) { t.exp(dst, x[0]) },
		func(x []float64) (float64, float64) { return math.Exp(x[0]), math.Exp(x[0]) }, 1.5 * ulp},
	{"expSum", 1, func(t *tier, dst []float32, x [][]float32) { t.expSum(dst, x[0], 0.5, 1.5) },
		func(x []float64) (float64, float64) {
			y := math.Exp(x[0]/2 - 1.5)
			return y, y * (1 + min(math.Abs(x[0]), 1000))
		}, 2 * ulp},
	{"softmaxGrad", 2, func(t *tier, dst []float32, x [][]float32) { t.softmaxGrad(dst, x[0], x[1], 0.5, 0.25) },
		func(x []float64) (float64, float64) {
			return 0.5 * x[0] * (x[1] - 0.25), 0.5 * math.Abs(x[0]) * (math.Abs(x[1]) + 0.25)
		}, 2 * ulp},
	{"normalize", 3, func(t *tier, dst []float32, x [][]float32) { t.normalize(dst, x[0], x[1], x[2], 0.5, 0.25) },
		func(x []float64) (float64, float64) {
			return (x[0]-0.5)*0.25*x[1] + x[2], (math.Abs(x[0])+0.5)*math.Abs(x[1]) + math.Abs(x[2])
		}, 2 * ulp},
	{"normalizeGrad", 3, func(t *tier, dst []float32, x [][]float32) {
		t.normalizeGrad(dst, x[0], x[1], x[2], 0.5, 0.25, 0.125, -0.75)
	},
		func(x []float64) (float64, float64) {
			return 0.25 * (x[0]*x[2] - 0.125 + (x[1]-0.5)*0.25*0.75), math.Abs(x[0]*x[2]) + 1 + math.Abs(x[1])
		}, 2 * ulp},
	{"normalizeParam", 4, func(t *tier, dst []float32, x [][]float32) {
		copy(dst, x[0])
		t.normalizeParam(dst, append([]float32(nil), x[1]...), x[2], x[3], 0.5, 0.25)
	},
		func(x []float64) (float64, float64) {
			return x[0] + x[2]*(x[3]-0.5)*0.25, math.Abs(x[0]) + math.Abs(x[2])*(math.Abs(x[3])+0.5)
		}, 2 * ulp},
	{"normalizeParam's bias", 4, func(t *tier, dst []float32, x [][]float32) {
		copy(dst, x[1])
		t.normalizeParam(append([]float32(nil), x[0]...), dst, x[2], x[3], 0.5, 0.25)
	},
		func(x []float64) (float64, float64) { return x[1] + x[2], math.Abs(x[1]) + math.Abs(x[2]) }, ulp},
	{"gelu", 1, func(t *tier, dst []float32, x [][]float32) { t.gelu(dst, x[0]) },
		func(x []float64) (float64, float64) {
			if math.IsInf(x[0], -1) {
				return 0, 0 // the limit
			}
			return x[0] * (0.5 * math.Erfc(-x[0]/math.Sqrt2)), math.Abs(x[0])
		}, 2 * ulp},
	{"geluGrad", 2, func(t *tier, dst []float32, x [][]float32) { t.geluGrad(dst, x[0], x[1]) },
		func(x []float64) (float64, float64) {
			d := 0.5 * math.Erfc(-x[0]/math.Sqrt2)
			if !math.IsInf(x[0], 0) {
				d += x[0] * math.Exp(-x[0]*x[0]/2) / math.Sqrt(2*math.Pi)
			}
			return x[1] * float64(float32(d)), math.Abs(x[1]) // rounded first: 0 times Inf is NaN
		}, 2 * ulp},
	{"quickGELU", 1, func(t *tier, dst []float32, x [][]float32) { t.quickGELU(dst, x[0]) },
		func(x []float64) (float64, float64) {
			if math.IsInf(x[0], -1) {
				return 0, 0 // the limit
			}
			return x[0] / (1 + math.Exp(-1.702*x[0])), math.Abs(x[0])
		}, 3 * ulp},
	{"quickGELUGrad", 2, func(t *tier, dst []float32, x [][]float32) { t.quickGELUGrad(dst, x[0], x[1]) },
		func(x []float64) (float64, float64) {
			s := 1 / (1 + math.Exp(-1.702*x[0]))
			d := s
			if !math.IsInf(x[0], 0) {
				d *= 1 + 1.702*x[0]*(1-s)
			}
			return x[1] * float64(float32(d)), math.Abs(x[1])
		}, 2 * ulp},
}

// requireClose checks got against want, within tol of the larger of 1 and size.
// NaN must meet NaN, and Inf what is Inf as a float32.
func requireClose(t *testing.T, got float32, want, size, tol float64, where string, args ...any) {
	t.Helper()
	w := float32(want)
	switch {
	case want != want || got != got:
		if (want != want) == (got != got) {
			return
		}
	case math.IsInf(float64(w), 0) || math.IsInf(float64(got), 0):
		if w == got || max(size, math.Abs(want)) > math.MaxFloat32*(1-10*ulp) { // what is added up or rounded may overflow
			return
		}
	case math.IsInf(size, 0) || math.Abs(float64(got)-want) <= tol*max(1, size):
		return
	}
	require.Failf(t, "wrong value", "got %g, want %g at %s", got, want, fmt.Sprintf(where, args...))
}

// guard lies around every slice that a kernel gets to see.
const guard = 12345

// guarded returns a copy of x that starts offset elements into its memory, with
// guards on both sides, and a function that checks these.
func guarded(x []float32, offset int) (y []float32, check func(t *testing.T)) {
	const room = 64
	all := make([]float32, room+offset+len(x)+room)
	for i := range all {
		all[i] = guard
	}
	y = all[room+offset:][:len(x):len(x)]
	copy(y, x)
	return y, func(t *testing.T) {
		t.Helper()
		for i, v := range all {
			if (i < room+offset || i >= room+offset+len(x)) && v != guard {
				require.Failf(t, "wrote outside", "element %d of %d", i-room-offset, len(x))
			}
		}
	}
}

// special are values that approximations get wrong first.
var special = []float32{0, float32(math.Copysign(0, -1)), 1e-45, -1e-45, 1e-39, -1e-39, 1e-30, 0.5, -0.5, 1, -1,
	5, -5, 14.5, -14.5, 20, -20, 88, -88, 88.7, 89, -87.3, -103, -104, -105, 1e10, -1e10, math.MaxFloat32, -math.MaxFloat32,
	float32(math.Inf(1)), float32(math.Inf(-1)), float32(math.NaN())}

func TestElementwise(t *testing.T) {
	eachTier(t, func(t *testing.T, impl *tier) {
		for _, e := range elementwises {
			t.Run(e.name, func(t *testing.T) {
				rng := rand.New(rand.NewPCG(5, 6))
				for n := range 301 {
					x, old := make([][]float32, e.operands), make([][]float32, e.operands)
					for i := range x {
						old[i] = normals(rng, n)
						for j := range old[i] {
							old[i][j] *= 4
							if n%3 == 0 && rng.IntN(20) == 0 {
								old[i][j] = special[rng.IntN(len(special))]
							}
						}
						x[i], _ = guarded(old[i], rng.IntN(8))
					}
					dst, check := guarded(make([]float32, n), rng.IntN(8))
					e.run(impl, dst, x)
					check(t)
					point := make([]float64, e.operands)
					for j := range n {
						for i := range x {
							point[i] = float64(old[i][j])
						}
						want, size := e.want(point)
						requireClose(t, dst[j], want, size, e.tol, "element %d of %d, %v", j, n, point)
					}
				}
			})
		}
	})
}

// What an element becomes must depend neither on where it stands nor on
// whether the result overwrites an operand.
func TestElementwiseAlone(t *testing.T) {
	eachTier(t, func(t *testing.T, impl *tier) {
		rng := rand.New(rand.NewPCG(7, 8))
		for _, e := range elementwises {
			const n = 45
			x := make([][]float32, e.operands)
			for i := range x {
				x[i] = normals(rng, n)
			}
			whole := make([]float32, n)
			e.run(impl, whole, x)
			one := make([]float32, n)
			for j := range n {
				part := make([][]float32, e.operands)
				for i := range x {
					part[i] = x[i][j : j+1]
				}
				e.run(impl, one[j:j+1], part)
			}
			assert.Equal(t, whole, one, e.name)
			e.run(impl, x[0], x)
			if e.name != "normalizeParam's bias" { // which has two results
				assert.Equal(t, whole, x[0], "%s in place", e.name)
			}
		}
	})
}

// Every tier's approximations over the whole range of arguments that matters.
func TestApproximations(t *testing.T) {
	eachTier(t, func(t *testing.T, impl *tier) {
		for _, e := range elementwises {
			switch e.name {
			case "exp", "gelu", "geluGrad", "quickGELU", "quickGELUGrad":
			default:
				continue
			}
			const n = 40000
			x, ones := make([]float32, n), make([]float32, n)
			for i := range x {
				x[i], ones[i] = float32(i-n/2)*(120./n)*2, 1
			}
			dst := make([]float32, n)
			e.run(impl, dst, [][]float32{x, ones}[:e.operands])
			for i, v := range x {
				want, size := e.want([]float64{float64(v), 1})
				if e.name == "exp" { // a relative error; below the normal range half a denormal more
					if float32(want) == dst[i] {
						continue // Inf among others
					}
					if math.Abs(want) < math.MaxFloat32 {
						require.InDelta(t, want, float64(dst[i]), 1.5*ulp*want+0.8e-45, "exp(%g)", v)
					}
					continue
				}
				requireClose(t, dst[i], want, size, e.tol, "%s(%g)", e.name, v)
			}
		}
	})
}

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
	{"max", 1, func(t *tier, x [][]float32) float32 { return t.max(x[0]) }, greatest(1)},
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
				for n := range 301 {
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
		for n := range 301 {
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

// The functions that other packages call, on operands small enough to see.
func TestEntryPoints(t *testing.T) {
	x, y := []float32{1, -2, 3}, []float32{4, 5, -6}
	dst := make([]float32, 3)
	Add(dst, x, y)
	assert.Equal(t, []float32{5, 3, -3}, dst)
	Mul(dst, x, y)
	assert.Equal(t, []float32{4, -10, -18}, dst)
	Scale(dst, 2, x)
	assert.Equal(t, []float32{2, -4, 6}, dst)
	Axpy(dst, -1, y)
	assert.Equal(t, []float32{-2, -9, 12}, dst)
	assert.Equal(t, float32(-24), Dot(x, y))
	assert.Equal(t, float32(2), Sum(x))
	assert.Equal(t, float32(3), Max(x))
	assert.Equal(t, float32(math.Inf(-1)), Max(nil))
	Exp(dst, []float32{0, 0, float32(math.Inf(-1))})
	assert.Equal(t, []float32{1, 1, 0}, dst)
	Softmax(dst, []float32{0, 0, float32(math.Inf(-1))}, 3)
	assert.Equal(t, []float32{0.5, 0.5, 0}, dst)
	SoftmaxGrad(dst, []float32{0.5, 0.5, 0}, []float32{1, 3, 7}, 2)
	assert.Equal(t, []float32{-1, 1, 0}, dst)
	dst = dst[:2]
	mean, rstd := LayerNorm(dst, []float32{1, 3}, []float32{1, 2}, []float32{0, 1}, 0)
	assert.Equal(t, []float32{2, 1}, []float32{mean, rstd})
	assert.Equal(t, []float32{-1, 3}, dst)
	LayerNormGrad(dst, []float32{1, 1}, []float32{1, 3}, []float32{1, 1}, 2, 1)
	assert.Equal(t, []float32{0, 0}, dst)
	db := []float32{1, 1}
	LayerNormParamGrad(dst, db, []float32{5, 7}, []float32{1, 3}, 2, 1)
	assert.Equal(t, []float32{-5, 7}, dst)
	assert.Equal(t, []float32{6, 8}, db)
	zero := []float32{0, 0}
	GELU(dst, zero)
	assert.Equal(t, zero, dst)
	QuickGELU(dst, zero)
	assert.Equal(t, zero, dst)
	GELUGrad(dst, zero, []float32{2, 4})
	assert.InDeltaSlice(t, []float32{1, 2}, dst, 1e-6)
	QuickGELUGrad(dst, zero, []float32{2, 4})
	assert.InDeltaSlice(t, []float32{1, 2}, dst, 1e-6)
	assert.Equal(t, tiers[0].name, Tier())
}

func TestLengthsMustFit(t *testing.T) {
	x, y := make([]float32, 2), make([]float32, 3)
	for name, f := range map[string]func(){
		"Add":                func() { Add(x, x, y) },
		"Mul":                func() { Mul(x, x, y) },
		"Scale":              func() { Scale(x, 1, y) },
		"Axpy":               func() { Axpy(x, 1, y) },
		"Dot":                func() { Dot(x, y) },
		"Exp":                func() { Exp(x, y) },
		"Softmax":            func() { Softmax(x, y, 1) },
		"SoftmaxGrad":        func() { SoftmaxGrad(x, x, y, 1) },
		"LayerNorm":          func() { LayerNorm(x, x, x, y, 0) },
		"LayerNormGrad":      func() { LayerNormGrad(x, x, x, y, 0, 1) },
		"LayerNormParamGrad": func() { LayerNormParamGrad(x, x, x, y, 0, 1) },
		"GELU":               func() { GELU(x, y) },
		"GELUGrad":           func() { GELUGrad(x, x, y) },
		"QuickGELU":          func() { QuickGELU(x, y) },
		"QuickGELUGrad":      func() { QuickGELUGrad(x, x, y) },
	} {
		assert.PanicsWithValue(t, "kernel: "+name+": operands of 2 and 3 elements", f)
	}
}

func BenchmarkVector(b *testing.B) {
	x := normals(rand.New(rand.NewPCG(19, 20)), 768)
	dst := make([]float32, len(x))
	for i := range tiers {
		t := &tiers[i]
		for _, f := range []struct {
			name string
			run  func()
		}{
			{"Softmax", func() { softmax(t, dst, x, 0.125) }},
			{"LayerNorm", func() { layerNorm(t, dst, x, x, x, 1e-6) }},
			{"GELU", func() { t.gelu(dst, x) }},
			{"GELUGrad", func() { t.geluGrad(dst, x, x) }},
			{"QuickGELU", func() { t.quickGELU(dst, x) }},
			{"Add", func() { t.add(dst, x, x) }},
			{"Dot", func() { t.dot(x, x) }},
		} {
			b.Run(t.name+"/"+f.name, func(b *testing.B) {
				for b.Loop() {
					f.run()
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(x)), "ns/element")
			})
		}
	}
}
