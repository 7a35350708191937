package kernel

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// The tiers of one processor differ by rounding only: whatever one of them
// computes, another one does to within the two roundings' errors.
func TestTiersAgree(t *testing.T) {
	rng := rand.New(rand.NewPCG(33, 34))
	// each holds what f computes on every tier against the fastest one's.
	each := func(name string, tol float64, f func(t *tier) []float32) {
		want := f(&tiers[0])
		for i := range tiers[1:] {
			other := &tiers[i+1]
			for j, v := range f(other) {
				if !(math.Abs(float64(v)-float64(want[j])) <= tol*max(1, math.Abs(float64(want[j])))) {
					require.Failf(t, "tiers differ", "%s, element %d: %s %g, %s %g", name, j, tiers[0].name, want[j], other.name, v)
				}
			}
		}
	}
	for range 20 {
		n := 1 + rng.IntN(1100)
		x, y, z := normals(rng, n), normals(rng, n), normals(rng, n)
		for _, e := range elementwises {
			operands := [][]float32{x, y, z, y}[:e.operands]
			each(e.name, 8*e.tol, func(t *tier) []float32 {
				dst := make([]float32, n)
				e.run(t, dst, operands)
				return dst
			})
		}
		each("softmax", 1e-6, func(t *tier) []float32 {
			dst := make([]float32, n)
			softmax(t, dst, x, 3)
			return dst
		})
		each("layer norm", 4e-6, func(t *tier) []float32 {
			dst := make([]float32, n)
			layerNorm(t, dst, x, y, z, 1e-6)
			return dst
		})

		m, k := 1+rng.IntN(60), 1+rng.IntN(700)
		a, b := layout(rng, m, k), layout(rng, k, n)
		each("product", 4*ulp*float64(k), func(t *tier) []float32 {
			c := Matrix{make([]float32, m*n), m, n, n, 1}
			gemm(t, c, a, right{plain: b}, nil)
			return c.Data
		})
		rows, d := 1+rng.IntN(60), 1+rng.IntN(70)
		q := Matrix{normals(rng, m*d), m, d, d, 1}
		kv := []KV{{Matrix{normals(rng, rows*d), rows, d, d, 1}, Matrix{normals(rng, rows*d), rows, d, d, 1}}}
		each("attention", 1e-5, func(t *tier) []float32 {
			y := Matrix{make([]float32, m*d), m, d, d, 1}
			new(space).attention(t, y, Matrix{}, Stats{}, q, 0.1, kv)
			return y.Data
		})
	}
}
