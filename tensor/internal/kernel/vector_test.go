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

// lengths is the number of lengths, from 0, that are tried one by one.
func lengths() int {
	if testing.Short() {
		return 301
	}
	return 1101
}

func TestElementwise(t *testing.T) {
	eachTier(t, func(t *testing.T, impl *tier) {
		for _, e := range elementwises {
			t.Run(e.name, func(t *testing.T) {
				rng := rand.New(rand.NewPCG(5, 6))
				for n := range lengths() {
					x, old := make([][]float32, e.operands), make([][]float32, e.operands)
					for i := range x {
						old[i] = normals(rng, n)
						for j := range old[i] {
							old[i][j] *= 4
							if n%3 == 0 && n <= 300 && rng.IntN(20) == 0 {
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
	assert.Equal(t, float32(2), Sum(x))
	Exp(dst, []float32{0, 0, float32(math.Inf(-1))})
	assert.Equal(t, []float32{1, 1, 0}, dst)
	Softmax(dst, []float32{0, 0, float32(math.Inf(-1))}, 3)
	assert.Equal(t, []float32{0.5, 0.5, 0}, dst)
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
}

func TestLengthsMustFit(t *testing.T) {
	x, y := make([]float32, 2), make([]float32, 3)
	for name, f := range map[string]func(){
		"Add":                func() { Add(x, x, y) },
		"Mul":                func() { Mul(x, x, y) },
		"Scale":              func() { Scale(x, 1, y) },
		"Axpy":               func() { Axpy(x, 1, y) },
		"Exp":                func() { Exp(x, y) },
		"Softmax":            func() { Softmax(x, y, 1) },
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
