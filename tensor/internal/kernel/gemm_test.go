package kernel

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/promptcam/promptcam/tensor/internal/parallel"
)

// eachTier runs a test on every implementation this processor has.
func eachTier(t *testing.T, f func(t *testing.T, impl *tier)) {
	for i := range tiers {
		t.Run(tiers[i].name, func(t *testing.T) { f(t, &tiers[i]) })
	}
}

// trials is n, or fewer for go test -short: in an emulator everything takes ten times as long.
func trials(n int) int {
	if testing.Short() {
		return n / 5
	}
	return n
}

func normals(rng *rand.Rand, n int) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(rng.NormFloat64())
	}
	return x
}

// layout draws strides for a rows x cols operand: by rows, by columns, or with
// gaps both ways; each with or without padding between rows.
func layout(rng *rand.Rand, rows, cols int) Matrix {
	m := Matrix{Rows: rows, Cols: cols, RowStride: cols + rng.IntN(2)*rng.IntN(20), ColStride: 1}
	switch rng.IntN(3) {
	case 1:
		m = Matrix{Rows: rows, Cols: cols, RowStride: 1, ColStride: rows + rng.IntN(2)*rng.IntN(20)}
	case 2:
		m.ColStride = 1 + rng.IntN(3)
		m.RowStride *= m.ColStride
	}
	m.Data = normals(rng, (rows-1)*m.RowStride+(cols-1)*m.ColStride+1)
	return m
}

func (m Matrix) at(i, j int) float64 { return float64(m.Data[i*m.RowStride+j*m.ColStride]) }

// product returns beta*c + alpha*a·b in float64, without gaps between rows, and
// the same of the absolute values, to which errors are in proportion.
func product(c, a, b Matrix, alpha, beta float32) (want, size []float64) {
	want, size = make([]float64, c.Rows*c.Cols), make([]float64, c.Rows*c.Cols)
	for i := range c.Rows {
		for p := range a.Cols {
			x := float64(alpha) * a.at(i, p)
			for j := range c.Cols {
				y := x * b.at(p, j)
				want[i*c.Cols+j] += y
				size[i*c.Cols+j] += math.Abs(y)
			}
		}
		for j := range c.Cols {
			if beta != 0 {
				want[i*c.Cols+j] += float64(beta) * c.at(i, j)
				size[i*c.Cols+j] += math.Abs(float64(beta) * c.at(i, j))
			}
		}
	}
	return want, size
}

func TestGemm(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for trial := range trials(150) {
		m, k, n := 1+rng.IntN(300), 1+rng.IntN(300), 1+rng.IntN(300)
		switch trial % 10 {
		case 0:
			m = 1
		case 1:
			k = 1 + rng.IntN(2*blockK) // several blocks
		case 2:
			n = 1 + rng.IntN(64)
		case 3:
			n = 1 + rng.IntN(8)
		case 4:
			n = 250 + rng.IntN(80) // about where b is cut
		case 5:
			m, n = 1+rng.IntN(fewRows), 32*(1+rng.IntN(4)) // b may be read in place
		}
		a, b := layout(rng, m, k), layout(rng, k, n)
		c := Matrix{normals(rng, m*(n+20)), m, n, n + rng.IntN(20), 1}
		want, size := product(c, a, b, 1, 0)
		for i := range m {
			c.Data[i*c.RowStride+rng.IntN(n)] = float32(math.NaN()) // not read
		}
		for _, impl := range tiers {
			operand := right{plain: b}
			if trial%2 == 1 {
				operand = right{packed: packed(&impl, b)}
			}
			got := c
			got.Data = append([]float32(nil), c.Data...)
			gemm(&impl, got, a, operand, nil)
			for i := range m {
				row := got.Data[i*got.RowStride:]
				for j, v := range row[:n] {
					if !(math.Abs(float64(v)-want[i*n+j]) <= 3e-7*size[i*n+j]*(1+math.Sqrt(float64(k)))) {
						require.Failf(t, "wrong product", "%s: element (%d, %d) of %dx%dx%d: got %g, want %g",
							impl.name, i, j, m, k, n, v, want[i*n+j])
					}
				}
				require.Equal(t, c.Data[i*c.RowStride+n:(i+1)*c.RowStride], row[n:c.RowStride], "past the end of row %d", i)
			}
		}
	}
}

func packed(t *tier, m Matrix) Packed {
	p := newPacked(t, m.Rows, m.Cols)
	p.fill(t, m, 0, p.Panels())
	return p
}

// Whoever splits a product among goroutines must get the same bits for any split.
func TestGemmSplit(t *testing.T) {
	eachTier(t, func(t *testing.T, impl *tier) {
		rng := rand.New(rand.NewPCG(3, 4))
		for range 40 {
			m, k, n := 1+rng.IntN(100), 1+rng.IntN(600), 1+rng.IntN(100)
			a, b := layout(rng, m, k), layout(rng, k, n)
			start := normals(rng, m*n)
			whole := Matrix{append([]float32(nil), start...), m, n, n, 1}
			gemm(impl, whole, a, right{plain: b}, nil)
			p := packed(impl, b)
			parts := Matrix{append([]float32(nil), start...), m, n, n, 1}
			for i, rows := 0, 0; i < m; i += rows {
				rows = min(1+rng.IntN(40), m-i)
				for j, cols := 0, 0; j < n; j += cols {
					cols = min(1+rng.IntN(70), n-j)
					part := right{plain: b.view(0, j, k, cols)}
					if j%impl.nr == 0 && rng.IntN(2) == 0 {
						part = right{packed: p.Cols(j, j+cols)}
					}
					gemm(impl, parts.view(i, j, rows, cols), a.view(i, 0, rows, k), part, nil)
				}
			}
			require.Equal(t, whole.Data, parts.Data, "%dx%dx%d", m, k, n)
		}
	})
}

func TestGemmConcurrently(t *testing.T) {
	rng := rand.New(rand.NewPCG(21, 22))
	const m, k, n = 150, 300, 170
	for range 10 {
		a, b := layout(rng, m, k), layout(rng, k, n)
		want := Matrix{make([]float32, m*n), m, n, n, 1}
		Gemm(want, a, b, nil)
		got := Matrix{make([]float32, m*n), m, n, n, 1}
		parallel.For(m, 20, func(from, to int) {
			Gemm(got.view(from, 0, to-from, n), a.view(from, 0, to-from, k), b, nil)
		})
		require.Equal(t, want.Data, got.Data)
	}
}

func TestGemmPropagatesNaN(t *testing.T) {
	eachTier(t, func(t *testing.T, impl *tier) {
		nan := float32(math.NaN())
		a := Matrix{[]float32{0, nan, 0, 0}, 2, 2, 2, 1}
		b := Matrix{[]float32{1, 1, 1, float32(math.Inf(1))}, 2, 2, 2, 1}
		c := Matrix{make([]float32, 4), 2, 2, 2, 1}
		gemm(impl, c, a, right{plain: b}, nil)
		assert.True(t, c.Data[0] != c.Data[0] && c.Data[1] != c.Data[1], "NaN times 1")
		assert.Zero(t, c.Data[2])
		assert.True(t, c.Data[3] != c.Data[3], "0 times Inf")
	})
}

func TestGemmWithoutSummands(t *testing.T) {
	eachTier(t, func(t *testing.T, impl *tier) {
		for _, n := range []int{3, 8, 16, 64, 300} {
			c := Matrix{normals(rand.New(rand.NewPCG(23, 24)), 2*n), 2, n, n, 1}
			gemm(impl, c, Matrix{Rows: 2, ColStride: 1}, right{plain: Matrix{Cols: n, RowStride: n, ColStride: 1}}, nil)
			assert.Equal(t, make([]float32, 2*n), c.Data)
		}
	})
}

func TestGemmPanics(t *testing.T) {
	x := make([]float32, 6)
	assert.PanicsWithValue(t, "kernel: Gemm: 2x3 times 2x3 into 2x3", func() {
		Gemm(Matrix{x, 2, 3, 3, 1}, Matrix{x, 2, 3, 3, 1}, Matrix{x, 2, 3, 3, 1}, nil)
	})
	assert.PanicsWithValue(t, "kernel: Gemm: b is 3x3 with strides 3 and 1 over 6 elements, want 9", func() {
		Gemm(Matrix{x, 2, 3, 3, 1}, Matrix{x, 2, 3, 3, 1}, Matrix{x, 3, 3, 3, 1}, nil)
	})
	assert.PanicsWithValue(t, "kernel: Gemm: c has column stride 2, want 1", func() {
		Gemm(Matrix{x, 2, 2, 1, 2}, Matrix{x, 2, 2, 2, 1}, Matrix{x, 2, 2, 2, 1}, nil)
	})
}

func TestGemmDoesNotAllocate(t *testing.T) {
	x := make([]float32, 100*100)
	a, b, c := Matrix{x, 100, 100, 1, 100}, Matrix{x, 100, 100, 1, 100}, Matrix{make([]float32, 100*100), 100, 100, 100, 1}
	Gemm(c, a, b, nil)
	assert.Less(t, testing.AllocsPerRun(100, func() { Gemm(c, a, b, nil) }), 0.5)
}

func BenchmarkGemm(b *testing.B) {
	for i := range tiers {
		for _, s := range [][3]int{{1024, 1024, 1024}, {197, 768, 3072}, {197, 192, 768}, {197, 64, 197}, {1, 768, 768}} {
			for _, layout := range []string{"nn", "nt", "tn"} {
				m, k, n := s[0], s[1], s[2]
				x := Matrix{make([]float32, m*k), m, k, k, 1}
				y := Matrix{make([]float32, k*n), k, n, n, 1}
				c := Matrix{make([]float32, m*n), m, n, n, 1}
				if layout[0] == 't' {
					x.RowStride, x.ColStride = 1, m
				}
				if layout[1] == 't' {
					y.RowStride, y.ColStride = 1, k
				}
				b.Run(fmt.Sprintf("%s/%dx%dx%d/%s", tiers[i].name, m, k, n, layout), func(b *testing.B) {
					for b.Loop() {
						gemm(&tiers[i], c, x, right{plain: y}, nil)
					}
					b.ReportMetric(2*float64(m)*float64(k)*float64(n)*float64(b.N)/float64(b.Elapsed().Nanoseconds()), "GFLOP/s")
				})
			}
		}
	}
}
