package tensor_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gonum.org/v1/gonum/floats"

	"github.com/promptcam/promptcam/tensor"
	"github.com/promptcam/promptcam/tensor/tensortest"
)

// attend is attention of q [B, R, D] to k and v [B, A, D] in float64: the
// weights [B, H, R, A] and the result [B, R, D].
func attend(q, k, v []float64, batch, heads, rows, cols, d int) (w, y []float64) {
	y = make([]float64, len(q))
	width := d / heads
	for b := range batch {
		for h := range heads {
			for r := range rows {
				row := y[(b*rows+r)*d+h*width:][:width]
				scores := make([]float64, cols)
				for a := range scores {
					scores[a] = floats.Dot(q[(b*rows+r)*d+h*width:][:width], k[(b*cols+a)*d+h*width:][:width]) / math.Sqrt(float64(width))
				}
				for a, p := range softmax(scores, cols) {
					w = append(w, p)
					floats.AddScaled(row, p, v[(b*cols+a)*d+h*width:][:width])
				}
			}
		}
	}
	return w, y
}

// attentionCase is one shape of attention: the batch, the number of rows, and
// whether rows, and each segment, have images of their own.
type attentionCase struct {
	name                  string
	batch, heads, rows, d int
	qShared               bool
	segments              []int
	shared                []bool
}

var attentionCases = []attentionCase{
	{"one image", 1, 1, 2, 4, false, []int{3}, []bool{false}},
	{"heads", 2, 3, 4, 6, false, []int{5}, []bool{false}},
	{"width of one", 2, 3, 2, 3, false, []int{4}, []bool{false}},
	{"one row", 3, 2, 1, 8, false, []int{9}, []bool{false}},
	{"two segments", 2, 2, 3, 8, false, []int{4, 2}, []bool{false, true}},
	{"shared rows", 3, 2, 3, 4, true, []int{5}, []bool{false}},
	{"prompts", 2, 2, 3, 4, true, []int{3, 5}, []bool{true, false}},
	{"many images", 7, 2, 3, 4, true, []int{3, 5}, []bool{true, false}},
	{"three segments", 2, 2, 3, 4, false, []int{1, 4, 2}, []bool{true, false, true}},
	{"five segments", 2, 2, 3, 4, false, []int{1, 4, 2, 3, 1}, []bool{true, false, true, false, false}},
	{"an empty segment", 2, 2, 3, 4, false, []int{0, 4}, []bool{false, true}},
}

// operand returns a random [B, rows, D], or what all images share: [rows, D] or [1, rows, D].
func (c attentionCase) operand(rng *rand.Rand, rows int, shared bool) *tensor.Tensor {
	switch {
	case shared && rng.IntN(2) == 0:
		return tensortest.Random(rng, rows, c.d)
	case shared:
		return tensortest.Random(rng, 1, rows, c.d)
	}
	return tensortest.Random(rng, c.batch, rows, c.d)
}

func (c attentionCase) operands() (q *tensor.Tensor, kv []tensor.KV) {
	rng := newRand()
	q = c.operand(rng, c.rows, c.qShared)
	for i, n := range c.segments {
		kv = append(kv, tensor.KV{K: c.operand(rng, n, c.shared[i]), V: c.operand(rng, n, c.shared[i])})
	}
	return q, kv
}

// cols is the number of columns of the weights.
func (c attentionCase) cols() (n int) {
	for _, s := range c.segments {
		n += s
	}
	return n
}

// joined returns all images' rows of several segments in one tensor [B, A, D].
func (c attentionCase) joined(parts ...*tensor.Tensor) *tensor.Tensor {
	n := 0
	for _, p := range parts {
		n += p.Dim(-2)
	}
	all, from := tensor.New(c.batch, n, c.d), 0
	for _, p := range parts {
		tensor.CopyTo(all.Slice(1, from, from+p.Dim(-2)), p)
		from += p.Dim(-2)
	}
	return all
}

func keysAndValues(kv []tensor.KV) (k, v []*tensor.Tensor) {
	for _, s := range kv {
		k, v = append(k, s.K), append(v, s.V)
	}
	return k, v
}

// attention returns the result and the weights, and checks that the result does without.
func (c attentionCase) attention(t *testing.T, q *tensor.Tensor, kv ...tensor.KV) (y, w *tensor.Tensor) {
	t.Helper()
	y, w = tensor.New(c.batch, c.rows, c.d).Fill(nan), tensor.New(c.batch, c.heads, c.rows, c.cols()).Fill(nan)
	tensor.AttentionTo(y, nil, w, q, c.heads, kv...)
	without := tensor.New(c.batch, c.rows, c.d).Fill(nan)
	tensor.AttentionTo(without, nil, nil, q, c.heads, kv...)
	require.Equal(t, y.Data(), without.Data(), "weights or not")
	withStats, _ := c.withStats(q, kv...)
	require.Equal(t, y.Data(), withStats.Data(), "stats or not")
	return y, w
}

// withStats returns the result and what the adjoint wants.
func (c attentionCase) withStats(q *tensor.Tensor, kv ...tensor.KV) (y, stats *tensor.Tensor) {
	y, stats = tensor.New(c.batch, c.rows, c.d).Fill(nan), tensor.New(c.batch, c.heads, 2, c.rows).Fill(nan)
	tensor.AttentionTo(y, stats, nil, q, c.heads, kv...)
	return y, stats
}

// likeOf returns memory for the gradient of x.
func likeOf(x *tensor.Tensor) *tensor.Tensor { return tensor.New(x.Shape()...).Fill(nan) }

// gradients returns the gradients of all operands.
func (c attentionCase) gradients(dy, q *tensor.Tensor, kv ...tensor.KV) (dq *tensor.Tensor, dkv []tensor.KV) {
	y, stats := c.withStats(q, kv...)
	dq = likeOf(q)
	for _, s := range kv {
		dkv = append(dkv, tensor.KV{K: likeOf(s.K), V: likeOf(s.V)})
	}
	tensor.AttentionBackwardTo(dq, dkv, dy, y, stats, q, c.heads, kv...)
	return dq, dkv
}

func TestAttention(t *testing.T) {
	for _, c := range attentionCases {
		t.Run(c.name, func(t *testing.T) {
			q, kv := c.operands()
			y, w := c.attention(t, q, kv...)
			k, v := keysAndValues(kv)
			wantW, wantY := attend(doubles(c.joined(q)), doubles(c.joined(k...)), doubles(c.joined(v...)), c.batch, c.heads, c.rows, c.cols(), c.d)
			tensortest.Close(t, wantW, w.Data(), 1e-6)
			tensortest.Close(t, wantY, y.Data(), 1e-5)
			tensortest.Close(t, tensor.New(c.batch, c.heads, c.rows).Fill(1), w.Sum(-1), 1e-6)
		})
	}
}

func TestAttentionBackward(t *testing.T) {
	for _, c := range attentionCases {
		t.Run(c.name, func(t *testing.T) {
			q, kv := c.operands()
			dy := tensortest.Random(newRand(), c.batch, c.rows, c.d)
			dq, dkv := c.gradients(dy, q, kv...)

			k, v := keysAndValues(kv)
			qs, ks, vs := doubles(c.joined(q)), doubles(c.joined(k...)), doubles(c.joined(v...))
			loss := func(q, k, v []float64) float64 {
				_, y := attend(q, k, v, c.batch, c.heads, c.rows, c.cols(), c.d)
				return dot(dy, y)
			}
			c.checkGradient(t, gradient(func(x []float64) float64 { return loss(x, ks, vs) }, qs), dq)
			dk, dv := keysAndValues(dkv)
			c.checkGradient(t, gradient(func(x []float64) float64 { return loss(qs, x, vs) }, ks), dk...)
			c.checkGradient(t, gradient(func(x []float64) float64 { return loss(qs, ks, x) }, vs), dv...)

			// Each gradient is the same alone.
			y, stats := c.withStats(q, kv...)
			none := make([]tensor.KV, len(kv))
			alone := likeOf(q)
			tensor.AttentionBackwardTo(alone, none, dy, y, stats, q, c.heads, kv...)
			assert.Equal(t, dq.Data(), alone.Data())
			for i, s := range kv {
				only := append([]tensor.KV{}, none...)
				only[i].K = likeOf(s.K)
				tensor.AttentionBackwardTo(nil, only, dy, y, stats, q, c.heads, kv...)
				tensortest.Close(t, dkv[i].K, only[i].K, 0)
				only[i] = tensor.KV{V: likeOf(s.V)}
				tensor.AttentionBackwardTo(nil, only, dy, y, stats, q, c.heads, kv...)
				tensortest.Close(t, dkv[i].V, only[i].V, 0)
			}
		})
	}
}

// checkGradient compares gradients of operands, whose rows lie one below the
// other, with want [B, A, D].
func (c attentionCase) checkGradient(t *testing.T, want []float64, got ...*tensor.Tensor) {
	t.Helper()
	n := len(want) / c.batch / c.d // all rows
	from := 0
	for _, g := range got {
		rows := g.Dim(-2)
		expected := make([]float64, g.Len())
		for b := range c.batch {
			for i := range rows * c.d {
				expected[(b*rows*c.d+i)%g.Len()] += want[(b*n+from)*c.d+i] // shared: the sum over images
			}
		}
		tensortest.Close(t, expected, g.Data(), 1e-5)
		from += rows
	}
}

// Queries, keys and values are parts of one projection [B, R, 3D], and so are their gradients.
func TestAttentionOnViews(t *testing.T) {
	const batch, heads, rows, d = 2, 2, 5, 8
	part := func(x *tensor.Tensor, i int) *tensor.Tensor { return x.Slice(2, i*d, i*d+d) }
	c := attentionCase{batch: batch, heads: heads, rows: rows, d: d, segments: []int{rows}}
	qkv := tensortest.Random(newRand(), batch, rows, 3*d)
	q, k, v := part(qkv, 0).Clone(), part(qkv, 1).Clone(), part(qkv, 2).Clone()
	y, w := c.attention(t, q, tensor.KV{K: k, V: v})
	views := tensor.KV{K: part(qkv, 1), V: part(qkv, 2)}
	yv, wv := c.attention(t, part(qkv, 0), views)
	assert.Equal(t, y.Data(), yv.Data())
	assert.Equal(t, w.Data(), wv.Data())

	dy := tensortest.Random(newRand(), batch, rows, d)
	dq, dkv := c.gradients(dy, q, tensor.KV{K: k, V: v})
	all, wide := tensor.New(batch, rows, 3*d), tensortest.Random(newRand(), batch, rows, 2*d)
	tensor.CopyTo(part(wide, 1), dy)
	_, stats := c.withStats(q, tensor.KV{K: k, V: v})
	tensor.AttentionBackwardTo(part(all, 0), []tensor.KV{{K: part(all, 1), V: part(all, 2)}}, part(wide, 1), y, stats, part(qkv, 0), heads, views)
	for i, g := range []*tensor.Tensor{dq, dkv[0].K, dkv[0].V} {
		tensortest.Close(t, g, part(all, i), 0)
	}

	// Images lie anywhere, such as side by side.
	across := qkv.Permute(1, 0, 2).Clone().Permute(1, 0, 2)
	ya, _ := c.attention(t, part(across, 0), tensor.KV{K: part(across, 1), V: part(across, 2)})
	assert.Equal(t, y.Data(), ya.Data())
	shared := part(qkv, 1).Slice(0, 0, 1)
	ys, _ := c.attention(t, q, tensor.KV{K: shared, V: v})
	ye, _ := c.attention(t, q, tensor.KV{K: shared.Expand(batch, rows, d), V: v})
	assert.Equal(t, ys.Data(), ye.Data())
}

func TestAttentionOfSegmentsInAnotherOrder(t *testing.T) {
	c := attentionCase{batch: 2, heads: 2, rows: 3, d: 8, segments: []int{4, 2}, shared: []bool{false, true}}
	q, kv := c.operands()
	y, w := c.attention(t, q, kv...)
	swapped, ws := c.attention(t, q, kv[1], kv[0])
	tensortest.Close(t, y, swapped, 1e-6)
	tensortest.Close(t, w.Slice(3, 0, 4), ws.Slice(3, 2, 6), 1e-6)
	tensortest.Close(t, w.Slice(3, 4, 6), ws.Slice(3, 0, 2), 1e-6)
	joint, wj := c.attention(t, q, tensor.KV{K: c.joined(kv[0].K, kv[1].K), V: c.joined(kv[0].V, kv[1].V)})
	tensortest.Close(t, y, joint, 1e-6)
	tensortest.Close(t, w, wj, 1e-6)
}

func TestAttentionSameBits(t *testing.T) {
	c := attentionCase{batch: 4, heads: 3, rows: 50, d: 48, segments: []int{50, 7}, shared: []bool{false, true}}
	q, kv := c.operands()
	y, w := c.attention(t, q, kv...)
	sameBits(t, func() *tensor.Tensor { y, _ := c.attention(t, q, kv...); return y })
	c.sameGradients(t, y, q, kv...)

	one := c
	one.batch = 1
	for i := range c.batch {
		// An image alone equals it in a batch.
		alone, wa := one.attention(t, q.Slice(0, i, i+1), tensor.KV{K: kv[0].K.Slice(0, i, i+1), V: kv[0].V.Slice(0, i, i+1)}, kv[1])
		assert.Equal(t, y.Select(0, i).Data(), alone.Data())
		assert.Equal(t, w.Select(0, i).Data(), wa.Data())
	}

	// Rows do not see one another.
	some := c
	some.rows = 9
	part, _ := some.attention(t, q.Slice(1, 20, 29), kv...)
	tensortest.Close(t, y.Slice(1, 20, 29), part, 0)
}

// sameGradients checks that the bits of no gradient depend on the number of processors.
func (c attentionCase) sameGradients(t *testing.T, dy, q *tensor.Tensor, kv ...tensor.KV) {
	t.Helper()
	for i := range 1 + 2*len(kv) {
		sameBits(t, func() *tensor.Tensor {
			dq, dkv := c.gradients(dy, q, kv...)
			dk, dv := keysAndValues(dkv)
			return slices.Concat([]*tensor.Tensor{dq}, dk, dv)[i]
		})
	}
}

// The rows of few heads are divided among the processors.
func TestAttentionInBlocksOfRows(t *testing.T) {
	c := attentionCase{batch: 1, heads: 2, rows: 200, d: 32, segments: []int{200, 5}, shared: []bool{false, true}}
	q, kv := c.operands()
	k, v := keysAndValues(kv)
	wantW, wantY := attend(doubles(c.joined(q)), doubles(c.joined(k...)), doubles(c.joined(v...)), c.batch, c.heads, c.rows, c.cols(), c.d)
	y, stats, w := tensor.New(1, c.rows, c.d), tensor.New(1, c.heads, 2, c.rows), tensor.New(1, c.heads, c.rows, c.cols())
	for _, part := range []*tensor.Tensor{y, stats, w} {
		sameBits(t, func() *tensor.Tensor {
			for _, x := range []*tensor.Tensor{y, stats, w} {
				x.Fill(nan)
			}
			tensor.AttentionTo(y, stats, w, q, c.heads, kv...)
			tensortest.Close(t, wantW, w.Data(), 1e-6)
			tensortest.Close(t, wantY, y.Data(), 1e-5)
			return part.Clone()
		})
	}
	for h := range c.heads {
		inv := stats.Select(0, 0).Select(0, h).Select(0, 1)
		for r := range c.rows { // the weight of the row's largest score is 2^0 times the reciprocal
			assert.InDelta(t, slices.Max(w.Select(0, 0).Select(0, h).Select(0, r).Data()), inv.At(r), 1e-7)
		}
	}
	c.sameGradients(t, y, q, kv...)
}

func TestAttentionOfNotNumbers(t *testing.T) {
	q := tensor.FromSlice([]float32{1, nan, 1}, 3, 1)
	k := tensor.FromSlice([]float32{1e30, 1e30}, 2, 1)
	v := tensor.FromSlice([]float32{2, 4}, 2, 1)
	y := tensor.New(3, 1)
	tensor.AttentionTo(y, nil, nil, q, 1, tensor.KV{K: k, V: v})
	tensortest.Close(t, []float32{3, nan, 3}, y.Data(), 0)
	k.Set(-inf, 0, 0)
	tensor.AttentionTo(y, nil, nil, q, 1, tensor.KV{K: k, V: v})
	tensortest.Close(t, []float32{4, nan, 4}, y.Data(), 0)
}

func TestAttentionOfNothing(t *testing.T) {
	c := attentionCase{batch: 2, heads: 2, rows: 0, d: 4, segments: []int{3, 2}, shared: []bool{false, true}}
	q, kv := c.operands()
	c.attention(t, q, kv...)
	c = attentionCase{batch: 2, heads: 2, rows: 3, d: 4, segments: []int{0}, shared: []bool{false}}
	q, kv = c.operands()
	y, _ := c.attention(t, q, kv...)
	assert.Equal(t, make([]float32, 24), y.Data(), "no rows to gather from")
	c = attentionCase{batch: 0, heads: 2, rows: 3, d: 4, segments: []int{3}, shared: []bool{false}}
	q, kv = c.operands()
	c.attention(t, q, kv...)
}

func TestAttentionDoesNotAllocate(t *testing.T) {
	c := attentionCase{batch: 8, heads: 12, rows: 3, d: 48, segments: []int{3, 2}, shared: []bool{false, true}}
	q, kv := c.operands()
	y, stats := c.withStats(q, kv...)
	dq, dkv := c.gradients(y, q, kv...)
	assert.Less(t, testing.AllocsPerRun(20, func() {
		tensor.AttentionTo(y, stats, nil, q, c.heads, kv...)
		tensor.AttentionBackwardTo(dq, dkv, y, y, stats, q, c.heads, kv...)
	}), 1.)
}

func TestAttentionPanics(t *testing.T) {
	x, two := tensor.New(2, 3, 4), tensor.New(5, 4)
	kv := tensor.KV{K: two, V: two}
	cases := []struct {
		want    string
		y, w, q *tensor.Tensor
		heads   int
		kv      tensor.KV
	}{
		{"shapes [2 3 4] and [5 4] and [5 4]: want keys, and rows of a width that 3 heads divide", x, nil, x, 3, kv},
		{"shapes [2 3 4] and [5 4] and [5 4]: want keys, and rows of a width that 0 heads divide", x, nil, x, 0, kv},
		{"shapes [2 3 4] and [5 4] and [3 4]: numbers of keys and values differ", x, nil, x, 2, tensor.KV{K: two, V: tensor.New(3, 4)}},
		{"shapes [2 3 4] and [3 3 4] and [5 4]: numbers of images differ", x, nil, x, 2, tensor.KV{K: tensor.New(3, 3, 4), V: two}},
		{"shapes [2 3 4] and [5 2] and [5 4]: want [B, rows, D] or [rows, D], contiguous along D, of one D", x, nil, x, 2, tensor.KV{K: tensor.New(5, 2), V: two}},
		{"shapes [2 3 4] and [5 4] and [5 4]: want [B, rows, D] or [rows, D], contiguous along D, of one D", x, nil, x, 2, tensor.KV{K: two, V: tensor.New(4, 5).Transpose()}},
		{"shape [6 4]: want [2 3 4], contiguous along the last", tensor.New(6, 4), nil, x, 2, kv},
		{"shape [2 4 3]: want [2 3 4], contiguous along the last", tensor.New(2, 4, 3), nil, x, 2, kv},
		{"shape [2 2 5 3]: want contiguous weights [2 2 3 5]", x, tensor.New(2, 2, 5, 3), x, 2, kv},
	}
	for _, c := range cases {
		requirePanic(t, "tensor: AttentionTo: "+c.want, func() { tensor.AttentionTo(c.y, nil, c.w, c.q, c.heads, c.kv) })
	}
	requirePanic(t, "tensor: AttentionTo: shape [2 3 4]: want keys, and rows of a width that 2 heads divide", func() { tensor.AttentionTo(x, nil, nil, x, 2) })
	stats := tensor.New(2, 2, 2, 3)
	requirePanic(t, "tensor: AttentionTo: shape [2 2 3]: want contiguous stats [2 2 2 3]", func() { tensor.AttentionTo(x, tensor.New(2, 2, 3), nil, x, 2, kv) })
	backward := func(dq, dk *tensor.Tensor) {
		tensor.AttentionBackwardTo(dq, []tensor.KV{{K: dk}}, x, x, stats, x, 2, kv)
	}
	requirePanic(t, "tensor: AttentionBackwardTo: shape [2 3 4]: 0 gradients for 1 sets of keys and values", func() {
		tensor.AttentionBackwardTo(nil, nil, x, x, stats, x, 2, kv)
	})
	requirePanic(t, "tensor: AttentionBackwardTo: shape [3 4]: want [2 3 4], contiguous along the last", func() { backward(tensor.New(3, 4), nil) })
	requirePanic(t, "tensor: AttentionBackwardTo: shape [2 5 4]: want [5 4], contiguous along the last", func() { backward(nil, tensor.New(2, 5, 4)) })
}

func BenchmarkAttention(b *testing.B) {
	for _, c := range []struct{ batch, heads, rows, d int }{{8, 6, 197, 64}, {8, 12, 397, 64}, {1, 6, 1370, 64}} {
		qkv := tensortest.Random(newRand(), c.batch, c.rows, 3*c.heads*c.d)
		part := func(x *tensor.Tensor, i int) *tensor.Tensor { return x.Slice(2, i*c.heads*c.d, (i+1)*c.heads*c.d) }
		q, kv := part(qkv, 0), tensor.KV{K: part(qkv, 1), V: part(qkv, 2)}
		y, stats := tensor.New(c.batch, c.rows, c.heads*c.d), tensor.New(c.batch, c.heads, 2, c.rows)
		dqkv := tensor.New(c.batch, c.rows, 3*c.heads*c.d)
		dq, dkv := part(dqkv, 0), []tensor.KV{{K: part(dqkv, 1), V: part(dqkv, 2)}}
		flops := 2 * float64(c.batch*c.heads*c.rows*c.rows*c.d) // of one product
		name := fmt.Sprintf("%dx%dx%dx%dx%d", c.batch, c.heads, c.rows, c.rows, c.d)
		run := func(name string, flops float64, f func()) {
			b.Run(name, func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					f()
				}
				b.ReportMetric(flops*float64(b.N)/b.Elapsed().Seconds()/1e9, "GFLOP/s")
			})
		}
		run("attention/"+name, 2*flops, func() { tensor.AttentionTo(y, stats, nil, q, c.heads, kv) })
		run("attention backward/"+name, 5*flops, func() { tensor.AttentionBackwardTo(dq, dkv, y, y, stats, q, c.heads, kv) })
	}
}
