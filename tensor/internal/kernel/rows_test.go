package kernel

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The kernels that take a matrix row by row leave what lies between rows alone.
func TestRows(t *testing.T) {
	eachTier(t, func(t *testing.T, impl *tier) {
		rng := rand.New(rand.NewPCG(27, 28))
		for cols := range 100 {
			rows := rng.IntN(5)
			row := cols + rng.IntN(3)
			x := normals(rng, rows*row)
			for i := range x {
				x[i] *= 20
			}
			most, sum := make([]float32, rows), make([]float32, rows)
			impl.maxRows(most, x, row, cols)
			for r := range rows {
				want := float32(math.Inf(-1))
				for _, v := range x[r*row:][:cols] {
					want = max(want, v)
				}
				require.Equal(t, want, most[r], "row %d of %d columns", r, cols)
			}

			y, check := guarded(x, rng.IntN(8))
			impl.exp2Rows(sum, y, row, cols, most)
			check(t)
			for r := range rows {
				var want float64
				for j, v := range x[r*row:][:cols] {
					e := math.Exp2(float64(v) - float64(most[r]))
					requireClose(t, y[r*row+j], e, e, 1e-5, "2^(%g-%g)", v, most[r])
					want += e
				}
				requireClose(t, sum[r], want, want, 1e-5, "sum of %d", cols)
				require.Equal(t, x[r*row:][cols:row], y[r*row:][cols:row], "between rows")
			}

			factors := normals(rng, rows)
			y, check = guarded(x, rng.IntN(8))
			impl.scaleRows(y, row, cols, factors)
			check(t)
			for r := range rows {
				for j, v := range x[r*row:][:cols] {
					require.Equal(t, v*factors[r], y[r*row+j])
				}
				require.Equal(t, x[r*row:][cols:row], y[r*row:][cols:row], "between rows")
			}
		}
	})
}

// 2^x over the range that softmax needs, and its limits.
func TestExp2Rows(t *testing.T) {
	eachTier(t, func(t *testing.T, impl *tier) {
		const n = 12600
		x, sum := make([]float32, n), []float32{0}
		for i := range x {
			x[i] = -float32(i) / 100
		}
		y := append([]float32(nil), x...)
		impl.exp2Rows(sum, y, n, n, []float32{0})
		for i, v := range x {
			want := math.Exp2(float64(v))
			require.InDelta(t, want, float64(y[i]), 2*ulp*want, "2^%g", v)
		}
		inf, nan := float32(math.Inf(1)), float32(math.NaN())
		for cols := 1; cols < 20; cols++ {
			x := make([]float32, cols)
			x[cols-1] = -inf
			impl.exp2Rows(sum, x, cols, cols, []float32{0})
			assert.Zero(t, x[cols-1])
			assert.InEpsilon(t, 1+float32(cols-1), 1+sum[0], 2*ulp)
			x[cols-1] = nan
			impl.exp2Rows(sum, x, cols, cols, []float32{0})
			assert.True(t, x[cols-1] != x[cols-1] && sum[0] != sum[0], "NaN as element %d", cols-1)
		}
	})
}
