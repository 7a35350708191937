package kernel

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// What special values do in the kernels between attention's products; TestRows has ordinary ones.
func TestRowsOfSpecialValues(t *testing.T) {
	eachTier(t, func(t *testing.T, impl *tier) {
		rng := rand.New(rand.NewPCG(21, 22))
		for n := 1; n < 301; n++ {
			old := normals(rng, n)
			for i := range old {
				if rng.IntN(10) == 0 {
					old[i] = special[rng.IntN(len(special))]
				}
			}
			want, sum := math.Inf(-1), 0.
			nan := false
			for _, v := range old {
				nan = nan || v != v
				if float64(v) > want {
					want = float64(v)
				}
			}
			most, got := make([]float32, 1), make([]float32, 1)
			x, check := guarded(old, rng.IntN(8))
			impl.maxRows(most, x, n, n)
			if nan { // which may or may not be ignored
				most[0] = float32(want)
			}
			require.Equal(t, float32(want), most[0], "maximum of %d", n)
			impl.exp2Rows(got, x, n, n, most)
			check(t)
			for i, v := range old {
				power := math.Exp2(float64(v - most[0]))
				if power < 0x1p-126 && x[i] == 0 {
					continue
				}
				requireClose(t, x[i], power, 0, 1.5*ulp, "2^(%g-%g), element %d of %d", v, most[0], i, n)
				sum += power
			}
			requireClose(t, got[0], sum, sum, 1e-5, "sum of %d", n)
		}
	})
}

// oneHead is a head of an image whose keys and values come in segments of any
// layout, and what attention makes of it in float64.
type oneHead struct {
	q, dy   Matrix
	kv      []KV
	scale   float32
	w, y    [][]float64 // [R, A], [R, d]
	dq      [][]float64
	dk, dv  [][]float64 // [A, d]
	rows, d int
}

func table(rows, cols int) [][]float64 {
	t := make([][]float64, rows)
	for i := range t {
		t[i] = make([]float64, cols)
	}
	return t
}

// spread is a matrix whose rows lie some way apart.
func spread(rng *rand.Rand, rows, cols int) Matrix {
	row := cols + rng.IntN(2)*rng.IntN(30)
	return Matrix{normals(rng, max(0, (rows-1)*row+cols)), rows, cols, row, 1}
}

func drawHead(rng *rand.Rand, rows, d int, segments ...int) oneHead {
	h := oneHead{q: spread(rng, rows, d), dy: spread(rng, rows, d), scale: float32(1 / math.Sqrt(float64(d))), rows: rows, d: d}
	for _, n := range segments {
		h.kv = append(h.kv, KV{spread(rng, n, d), spread(rng, n, d)})
	}
	return h
}

func (h *oneHead) compute() {
	var k, v [][]float64
	for _, s := range h.kv {
		for i := range s.K.Rows {
			k, v = append(k, make([]float64, h.d)), append(v, make([]float64, h.d))
			for c := range h.d {
				k[len(k)-1][c], v[len(v)-1][c] = s.K.at(i, c), s.V.at(i, c)
			}
		}
	}
	h.w, h.y, h.dq = table(h.rows, len(k)), table(h.rows, h.d), table(h.rows, h.d)
	h.dk, h.dv = table(len(k), h.d), table(len(k), h.d)
	for r := range h.rows {
		top, sum := math.Inf(-1), 0.
		for a := range k {
			for c := range h.d {
				h.w[r][a] += float64(h.scale) * h.q.at(r, c) * k[a][c]
			}
			top = max(top, h.w[r][a])
		}
		for a := range k {
			h.w[r][a] = math.Exp(h.w[r][a] - top)
			sum += h.w[r][a]
		}
		dp, dot := make([]float64, len(k)), 0.
		for a := range k {
			h.w[r][a] /= sum
			for c := range h.d {
				h.y[r][c] += h.w[r][a] * v[a][c]
				h.dv[a][c] += h.w[r][a] * h.dy.at(r, c)
				dp[a] += h.dy.at(r, c) * v[a][c]
			}
			dot += h.w[r][a] * dp[a]
		}
		for a := range k {
			ds := float64(h.scale) * h.w[r][a] * (dp[a] - dot)
			for c := range h.d {
				h.dq[r][c] += ds * k[a][c]
				h.dk[a][c] += ds * h.q.at(r, c)
			}
		}
	}
}

// requireMatrix compares m with rows of want from one on.
func requireMatrix(t *testing.T, m Matrix, want [][]float64, from int, tol float64, what string) {
	t.Helper()
	for i := range m.Rows {
		for j := range m.Cols {
			requireClose(t, float32(m.at(i, j)), want[from+i][j], 1, tol, "%s (%d, %d) of %dx%d", what, i, j, m.Rows, m.Cols)
		}
	}
}

func TestAttention(t *testing.T) {
	eachTier(t, func(t *testing.T, impl *tier) {
		rng := rand.New(rand.NewPCG(23, 24))
		for trial := range trials(30) {
			segments := make([]int, 1+rng.IntN(4))
			for i := range segments {
				segments[i] = rng.IntN(600 / len(segments))
			}
			segments[0]++
			rows, d := 1+rng.IntN(300), 1+rng.IntN(100)
			switch trial % 6 {
			case 0:
				d = 64
			case 1:
				rows = 1 + rng.IntN(12)
			}
			if impl.name == "generic" || trial%6 > 2 {
				rows, d = 1+rows/4, 1+d/2
			}
			h := drawHead(rng, rows, d, segments...)
			h.compute()
			cols := len(h.dk)
			y, weights := spread(rng, rows, d), spread(rng, rows, cols)
			stats := Stats{make([]float32, rows), make([]float32, rows)}
			new(space).attention(impl, y, weights, stats, h.q, h.scale, h.kv)
			requireMatrix(t, y, h.y, 0, 1e-5, "y")
			requireMatrix(t, weights, h.w, 0, 1e-5, "weights")

			alone := spread(rng, rows, d)
			from := rng.IntN(rows)
			new(space).attention(impl, alone.view(from, 0, rows-from, d), Matrix{}, Stats{}, h.q.view(from, 0, rows-from, d), h.scale, h.kv)
			for r := from; r < rows; r++ {
				require.Equal(t, y.Data[r*y.RowStride:][:d], alone.Data[r*alone.RowStride:][:d], "row %d alone", r)
			}

			// A gradient that is there is added to.
			dq, dkv := Grad{spread(rng, rows, d), 0}, []KVGrad{}
			const was = 3
			from = 0
			for _, s := range h.kv {
				dkv = append(dkv, KVGrad{Grad{spread(rng, s.K.Rows, d), 0}, Grad{spread(rng, s.K.Rows, d), 1}})
				v := dkv[len(dkv)-1].V
				for i := range v.Rows {
					for j := range d {
						v.Data[i*v.RowStride+j] = was
						h.dv[from+i][j] += was
					}
				}
				from += s.K.Rows
			}
			new(space).attentionGrad(impl, dq, dkv, h.dy, y, stats, h.q, h.scale, h.kv)
			requireMatrix(t, dq.Matrix, h.dq, 0, 2e-5, "dq")
			from = 0
			for _, g := range dkv {
				requireMatrix(t, g.K.Matrix, h.dk, from, 5e-5, "dk")
				requireMatrix(t, g.V.Matrix, h.dv, from, 5e-5, "dv")
				from += g.K.Rows
			}
		}
	})
}

// weightsOf returns the weights of keys with the given scores, and checks that
// the adjoint finds the same and that the result is made of them.
func weightsOf(t *testing.T, impl *tier, scores []float32) []float32 {
	t.Helper()
	n := len(scores)
	column := func(x []float32) Matrix { return Matrix{x, n, 1, 1, 1} }
	number := func(x float32) Matrix { return Matrix{[]float32{x}, 1, 1, 1, 1} }
	values := make([]float32, n)
	for i := range values {
		values[i] = float32(i)
	}
	y, w, stats := number(0), Matrix{make([]float32, n), 1, n, n, 1}, Stats{make([]float32, 1), make([]float32, 1)}
	kv := []KV{{column(scores), column(values)}}
	new(space).attention(impl, y, w, stats, number(1), 1, kv)
	var want float64
	for i, p := range w.Data {
		want += float64(p) * float64(i)
	}
	requireClose(t, y.Data[0], want, want, 1e-6, "result of %d", n)
	dv := make([]float32, n)
	new(space).attentionGrad(impl, Grad{}, []KVGrad{{V: Grad{column(dv), 0}}}, number(1), y, stats, number(1), 1, kv)
	for i, p := range w.Data {
		requireClose(t, dv[i], float64(p), 0, 0, "the adjoint's weight %d of %d", i, n)
	}
	return w.Data
}

func TestAttentionOfExtremes(t *testing.T) {
	inf, nan := float32(math.Inf(1)), float32(math.NaN())
	eachTier(t, func(t *testing.T, impl *tier) {
		for _, n := range []int{2, 5, 16, 37, 100} {
			scores := func(most, one float32) []float32 {
				x := make([]float32, n)
				for i := range x {
					x[i] = most
				}
				x[n/2] = one
				return x
			}
			for _, s := range []float32{0, 1e30, -1e30, 1e-40} {
				for i, w := range weightsOf(t, impl, scores(s, s)) {
					require.InDelta(t, 1/float64(n), w, 1e-7, "weight %d of %d, all scores are %g", i, n, s)
				}
			}
			for _, low := range []float32{-inf, -1e30, -200} {
				for i, w := range weightsOf(t, impl, scores(low, 3)) {
					want := float32(0)
					if i == n/2 {
						want = 1
					}
					require.Equal(t, want, w, "weight %d of %d, all scores but one are %g", i, n, low)
				}
			}
			for _, x := range [][]float32{scores(1, inf), scores(1, nan), scores(-inf, -inf)} {
				for i, w := range weightsOf(t, impl, x) {
					require.True(t, w != w, "weight %d of %g", i, x)
				}
			}
		}
	})
}

func TestAttentionPanics(t *testing.T) {
	m := func(rows, cols int) Matrix { return Matrix{make([]float32, rows*cols), rows, cols, cols, 1} }
	short := func(m Matrix) Matrix { m.Data = m.Data[:len(m.Data)-1]; return m }
	stats := func(rows int) Stats { return Stats{make([]float32, rows), make([]float32, rows)} }
	type operands struct {
		y, weights, q, dy Matrix
		stats             Stats
		kv                KV
		dq                Grad
		dkv               []KVGrad
	}
	attention := func(o operands) { Attention(o.y, o.weights, o.stats, o.q, 1, []KV{o.kv}) }
	grad := func(o operands) { AttentionGrad(o.dq, o.dkv, o.dy, o.y, o.stats, o.q, 1, []KV{o.kv}) }
	for _, c := range []struct {
		want  string
		call  func(o operands)
		spoil func(o *operands)
	}{
		{"Attention: q has 11 elements, want 12", attention, func(o *operands) { o.q = short(o.q) }},
		{"Attention: y is 3x5 with strides 5 and 1, want 3x4, contiguous columns", attention, func(o *operands) { o.y = m(3, 5) }},
		{"Attention: y has 11 elements, want 12", attention, func(o *operands) { o.y = short(o.y) }},
		{"Attention: K is 2x3 with strides 3 and 1, want 2x4, contiguous columns", attention, func(o *operands) { o.kv.K = m(2, 3) }},
		{"Attention: K is 2x4 with strides 1 and 2, want 2x4, contiguous columns", attention, func(o *operands) { o.kv.K = m(4, 2).T() }},
		{"Attention: V is 1x4 with strides 4 and 1, want 2x4, contiguous columns", attention, func(o *operands) { o.kv.V = m(1, 4) }},
		{"Attention: weights is 3x1 with strides 1 and 1, want 3x2, contiguous columns", attention, func(o *operands) { o.weights = m(3, 1) }},
		{"Attention: stats of 2 and 2 rows, want 3", attention, func(o *operands) { o.stats = stats(2) }},
		{"Attention: stats of 0 and 3 rows, want 3", attention, func(o *operands) { o.stats.Max = nil }},
		{"AttentionGrad: V has 7 elements, want 8", grad, func(o *operands) { o.kv.V = short(o.kv.V) }},
		{"AttentionGrad: dy is 2x4 with strides 4 and 1, want 3x4, contiguous columns", grad, func(o *operands) { o.dy = m(2, 4) }},
		{"AttentionGrad: stats of 0 and 0 rows, want 3", grad, func(o *operands) { o.stats = Stats{} }},
		{"AttentionGrad: dq is 4x4 with strides 4 and 1, want 3x4, contiguous columns", grad, func(o *operands) { o.dq.Matrix = m(4, 4) }},
		{"AttentionGrad: dK has 7 elements, want 8", grad, func(o *operands) { o.dkv[0].K.Matrix = short(m(2, 4)) }},
		{"AttentionGrad: dV is 3x4 with strides 4 and 1, want 2x4, contiguous columns", grad, func(o *operands) { o.dkv[0].V.Matrix = m(3, 4) }},
		{"AttentionGrad: 0 gradients for 1 sets of keys and values", grad, func(o *operands) { o.dkv = nil }},
	} {
		o := operands{y: m(3, 4), weights: m(3, 2), q: m(3, 4), dy: m(3, 4), stats: stats(3), kv: KV{m(2, 4), m(2, 4)}, dq: Grad{Matrix: m(3, 4)}, dkv: make([]KVGrad, 1)}
		require.NotPanics(t, func() { c.call(o) })
		c.spoil(&o)
		require.PanicsWithValue(t, "kernel: "+c.want, func() { c.call(o) })
	}
}

// What a call holds does not grow with the number of queries.
func TestAttentionHoldsFewScores(t *testing.T) {
	const keys = 300
	for _, rows := range []int{500, 4000} {
		h := drawHead(rand.New(rand.NewPCG(25, 26)), rows, 8, keys)
		y, stats := spread(rand.New(rand.NewPCG(27, 28)), rows, 8), Stats{make([]float32, rows), make([]float32, rows)}
		w := new(space)
		w.attention(best, y, Matrix{}, stats, h.q, 1, h.kv)
		assert.Less(t, cap(w.scores), 2*attentionRows*keys)
		dkv := []KVGrad{{Grad{Matrix{make([]float32, keys*8), keys, 8, 8, 1}, 0}, Grad{}}}
		w.attentionGrad(best, Grad{}, dkv, h.dy, y, stats, h.q, 1, h.kv)
		assert.Less(t, cap(w.scores)+cap(w.grads), 4*gradScores)
	}
}
