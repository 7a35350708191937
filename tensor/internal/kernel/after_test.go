package kernel

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// What follows a product, element by element in float64, whether the product is
// computed at once or in parts.
func TestAfter(t *testing.T) {
	eachTier(t, func(t *testing.T, impl *tier) {
		rng := rand.New(rand.NewPCG(31, 32))
		acts := []func(x float64) (y, dy float64){
			Identity: func(x float64) (float64, float64) { return x, 1 },
			GELUAct: func(x float64) (float64, float64) {
				phi := math.Erfc(-x/math.Sqrt2) / 2
				return x * phi, phi + x*math.Exp(-x*x/2)/math.Sqrt(2*math.Pi)
			},
			QuickGELUAct: func(x float64) (float64, float64) {
				s := 1 / (1 + math.Exp(-1.702*x))
				return x * s, s * (1 + 1.702*x*(1-s))
			},
		}
		for trial := range trials(200) {
			m, k, n := 1+rng.IntN(60), 1+rng.IntN(20), 1+rng.IntN(300)
			if trial%10 == 0 {
				k = blockK + rng.IntN(40) // applied once, after the last block
			}
			a, b := layout(rng, m, k), layout(rng, k, n)
			c := Matrix{make([]float32, m*(n+3)), m, n, n + 3, 1}
			want, size := product(c, a, b, 1, 0)
			after := After{Act: Activation(rng.IntN(3)), Derivative: rng.IntN(2) == 0}
			if rng.IntN(2) == 0 {
				after.Bias = normals(rng, n)
			}
			if rng.IntN(2) == 0 || after.Derivative {
				after.Pre = Matrix{normals(rng, m*(n+5)), m, n, n + 5, 1}
			}
			if rng.IntN(2) == 0 {
				after.Scale = normals(rng, n)
			}
			if rng.IntN(2) == 0 {
				after.Residual = Matrix{normals(rng, m*(n+7)), m, n, n + 7, 1}
			}
			pre := make([]float64, m*n)
			for i := range m {
				for j := range n {
					y := &want[i*n+j]
					if after.Bias != nil {
						*y += float64(after.Bias[j])
					}
					if after.Derivative {
						_, d := acts[after.Act](after.Pre.at(i, j))
						*y *= d
					} else {
						pre[i*n+j] = *y
						*y, _ = acts[after.Act](*y)
					}
					if after.Scale != nil {
						*y *= float64(after.Scale[j])
					}
					if after.Residual.Data != nil {
						*y += after.Residual.at(i, j)
					}
				}
			}
			x := right{plain: b}
			if trial%2 == 0 {
				x = right{packed: packed(impl, b)}
			}
			gemm(impl, c, a, x, &after)
			for i := range m {
				for j := range n {
					tol := 1e-5 * (1 + size[i*n+j])
					if !(math.Abs(c.at(i, j)-want[i*n+j]) <= 4*tol) {
						require.Failf(t, "wrong result", "%dx%dx%d, %+v: got %g, want %g", m, k, n, after, c.at(i, j), want[i*n+j])
					}
					if after.Pre.Data != nil && !after.Derivative && !(math.Abs(after.Pre.at(i, j)-pre[i*n+j]) <= tol) {
						require.Failf(t, "wrong Pre", "%dx%dx%d, %+v: got %g, want %g", m, k, n, after, after.Pre.at(i, j), pre[i*n+j])
					}
				}
				require.Equal(t, []float32{0, 0, 0}, c.Data[i*c.RowStride+n:][:3], "past the end of row %d", i)
			}

			parts := Matrix{make([]float32, m*(n+3)), m, n, n + 3, 1}
			for i, rows := 0, 0; i < m; i += rows {
				rows = min(1+rng.IntN(40), m-i)
				for j, cols := 0, 0; j < n; j += cols {
					cols = min(1+rng.IntN(200), n-j)
					v := after.View(i, j, rows, cols)
					gemm(impl, parts.view(i, j, rows, cols), a.view(i, 0, rows, k), right{plain: b.view(0, j, k, cols)}, &v)
				}
			}
			require.Equal(t, c.Data, parts.Data, "in parts")
		}
	})
}

func TestAfterPanics(t *testing.T) {
	x := make([]float32, 6)
	c, a, b := Matrix{x, 2, 3, 3, 1}, Matrix{x, 2, 1, 1, 1}, Matrix{x, 1, 3, 3, 1}
	assert.PanicsWithValue(t, "kernel: Gemm: 2 numbers for 3 columns", func() { Gemm(c, a, b, &After{Bias: x[:2]}) })
	assert.PanicsWithValue(t, "kernel: Gemm: 2x2 after a product of 2x3", func() { Gemm(c, a, b, &After{Residual: Matrix{x, 2, 2, 2, 1}}) })
	assert.PanicsWithValue(t, "kernel: Gemm: nothing to take the derivative at", func() { Gemm(c, a, b, &After{Act: GELUAct, Derivative: true}) })
}
