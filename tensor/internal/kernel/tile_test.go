package kernel

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// Tiles of all sizes; the bits must not depend on how a lies, nor those of a row
// on how many there are.
func TestTile(t *testing.T) {
	eachTier(t, func(t *testing.T, impl *tier) {
		rng := rand.New(rand.NewPCG(25, 26))
		for rows := 1; rows <= impl.mr; rows++ {
			widths := []int{impl.nr + 1, 2*impl.nr - 1, 2 * impl.nr, 3*impl.nr - 2}
			for cols := range impl.nr {
				widths = append(widths, cols+1)
			}
			for _, cols := range widths {
				for _, k := range []int{0, 1, 2, 3, 4, 5, 8, 23} {
					alpha, beta := []float32{1, -0.5}[rng.IntN(2)], []float32{0, 1, 2.5}[rng.IntN(3)]
					panel := k*impl.nr + 5
					b := normals(rng, (cols+impl.nr-1)/impl.nr*panel)
					plain := Matrix{make([]float32, k*cols), k, cols, cols, 1}
					for p := range k {
						for j := range cols {
							plain.Data[p*cols+j] = b[j/impl.nr*panel+p*impl.nr+j%impl.nr]
						}
					}
					c := Matrix{normals(rng, rows*(cols+3)), rows, cols, cols + 3, 1}
					if beta == 0 {
						c.Data[rng.IntN(cols)] = float32(math.NaN())
					}
					a := Matrix{normals(rng, rows*k), rows, k, k, 1}
					want, size := product(c, a, plain, alpha, beta)
					var first []float32
					for _, strides := range [][2]int{{k, 1}, {k + 5, 1}, {1, rows}, {1, rows + 3}, {2*k + 1, 2}} {
						m := Matrix{make([]float32, rows*strides[0]+k*strides[1]), rows, k, strides[0], strides[1]}
						for i := range rows {
							for p := range k {
								m.Data[i*m.RowStride+p*m.ColStride] = a.Data[i*k+p]
							}
						}
						got, check := guarded(c.Data, rng.IntN(8))
						impl.tile(rows, cols, k, alpha, m.Data, m.RowStride, m.ColStride, b, impl.nr, panel, beta, got, c.RowStride, b)
						check(t)
						for i := range rows {
							for j := range cols {
								v := float64(got[i*c.RowStride+j])
								if !(math.Abs(v-want[i*cols+j]) <= 1e-6*(1+size[i*cols+j])) {
									require.Failf(t, "wrong sum", "(%d, %d) of %dx%dx%d: got %g, want %g", i, j, rows, k, cols, v, want[i*cols+j])
								}
							}
							require.True(t, slices.Equal(c.Data[i*c.RowStride:][cols:c.RowStride], got[i*c.RowStride:][cols:c.RowStride]), "past the end of row %d", i)
						}
						if first == nil {
							first = got
						}
						require.True(t, slices.Equal(first, got), "strides %v", strides)
						row := append([]float32(nil), c.Data[(rows-1)*c.RowStride:]...)
						impl.tile(1, cols, k, alpha, m.Data[(rows-1)*m.RowStride:], m.RowStride, m.ColStride, b, impl.nr, panel, beta, row, c.RowStride, b)
						require.True(t, slices.Equal(got[(rows-1)*c.RowStride:][:cols], row[:cols]), "the last row alone")
					}
				}
			}
		}
	})
}

// Denormal numbers may count as 0 in a tile, as on amd64, where products with them are slow; after it
// they are what they were.
func TestTileLeavesDenormalsToOthers(t *testing.T) {
	eachTier(t, func(t *testing.T, impl *tier) {
		tiny := float32(1e-40)
		a, b, c := make([]float32, impl.mr*9), make([]float32, 9*impl.nr), make([]float32, impl.mr*impl.nr)
		for i := range a {
			a[i] = tiny
		}
		for i := range b {
			b[i] = 1
		}
		for rows := 1; rows <= impl.mr; rows++ {
			for _, cols := range []int{1, impl.nr} {
				impl.tile(rows, cols, 9, 1, a, 9, 1, b, impl.nr, 9*impl.nr, 0, c, impl.nr, b)
				require.True(t, c[0] == 0 || math.Abs(float64(c[0])-9e-40) < 1e-44, "%g", c[0])
				require.NotZero(t, tiny*b[rows-1], "%d rows, %d columns", rows, cols)
			}
		}
	})
}
