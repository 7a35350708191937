package kernel

import (
	"fmt"
	"math"
)

// KV holds the keys and values of rows to attend to, [A, d] each.
type KV struct{ K, V Matrix }

// Stats holds, per row, what AttentionGrad needs of Attention's softmax: with scores s in units of ln 2, the
// weights are 2^(s-Max)*Inv.
type Stats struct{ Max, Inv []float32 }

// Attention computes one head of scaled dot-product attention. K and V are the A rows of all kv,
// concatenated:
//
//	weights = softmax(scale*q·Kᵀ)    [R, A]
//	y       = weights·V              [R, d]
//
// Softmax is that of Softmax. Attention writes weights if it has rows, and stats if its slices have elements;
// y is the same either way, and a row of it does not depend on other rows of q. The columns of all matrices
// are contiguous. With no rows to attend to, y is 0.
func Attention(y, weights Matrix, stats Stats, q Matrix, scale float32, kv []KV) {
	checkAttention("Attention", y, q, kv)
	cols := 0
	for _, s := range kv {
		cols += s.K.Rows
	}
	if weights.Rows > 0 {
		weights.checkRows("Attention", "weights", q.Rows, cols)
	}
	if len(stats.Max) > 0 || len(stats.Inv) > 0 {
		stats.check("Attention", q.Rows)
	}
	y.raceWrite()
	weights.raceWrite()
	raceWrite(stats.Max)
	raceWrite(stats.Inv)
	q.raceRead()
	for _, s := range kv {
		s.K.raceRead()
		s.V.raceRead()
	}
	w := spaces.Get()
	defer spaces.Put(w)
	w.attention(best, y, weights, stats, q, scale, kv)
}

// Unlike FlashAttention (Dao et al., arXiv 2205.14135), this holds the scores of all keys at once, for a few
// queries: even thousands of scores fit a second-level cache, and no sum has to be corrected for a maximum
// found later. As in FlashAttention, scores never reach main memory, the d elements of the result are divided
// by a row's sum rather than the weights, and the adjoint recomputes the weights.
const (
	// attentionRows is roughly how many queries' scores are held at a time.
	attentionRows = 48
	// gradRows and gradScores limit the queries, and scores, that the adjoint processes at a time. It sums
	// over these queries, so smaller blocks would read and write the gradients of keys and values more often.
	// Scores and their gradients take 1 MB.
	gradRows   = 256
	gradScores = 1 << 17
)

// space is the scratch memory of one call of attention or attentionGrad.
type space struct{ keys, values, rows, right, scores, grads, few []float32 }

var spaces Stock[space]

func (w *space) attention(t *tier, y, weights Matrix, stats Stats, q Matrix, scale float32, kv []KV) {
	cols := 0
	for _, s := range kv {
		cols += s.K.Rows
	}
	keys := sized(&w.keys, roundUp(cols, t.nr)*q.Cols)
	values := sized(&w.values, cols*roundUp(q.Cols, t.nr))
	clear(keys[cols/t.nr*t.nr*q.Cols:]) // the last panel: the values of unused columns do not matter, but could be slow to compute with
	from := 0
	for _, s := range kv { // copied once, for all queries
		t.packColumns(keys, from, s.K)
		t.packRows(values, from, cols, s.V)
		from += s.K.Rows
	}
	block := blockRows(q.Rows, attentionRows, t.mr)
	row := roundUp(cols, cacheLine)
	scores := sized(&w.scores, block*row)
	few := sized(&w.few, 2*block)
	for i := 0; i < q.Rows; i += block {
		n := min(block, q.Rows-i)
		most, inv := few[:n], few[block:][:n]
		p := Matrix{scores, n, cols, row, 1}
		t.multiply(p, q.view(i, 0, n, q.Cols), keys, scale*math.Log2E, 0)
		t.maxRows(most, scores, row, cols)
		t.exp2Rows(inv, scores, row, cols, most)
		for r, sum := range inv {
			if sum != 0 { // it is 0 if there are no keys; y is then 0 anyway
				inv[r] = 1 / sum
			}
		}
		out := y.view(i, 0, n, y.Cols)
		t.multiply(out, p, values, 1, 0)
		t.scaleRows(out.Data, out.RowStride, out.Cols, inv)
		if len(stats.Max) > 0 {
			copy(stats.Max[i:], most)
			copy(stats.Inv[i:], inv)
		}
		if weights.Rows > 0 {
			for r := range n {
				t.scale(weights.Data[(i+r)*weights.RowStride:][:cols], inv[r], scores[r*row:][:cols])
			}
		}
	}
}

const cacheLine = 16 // float32s

func roundUp(n, unit int) int { return (n + unit - 1) / unit * unit }

// blockRows divides rows evenly into blocks of about most rows or fewer, a multiple of unit.
func blockRows(rows, most, unit int) int {
	blocks := max(1, (rows+most-1)/most)
	return roundUp((rows+blocks-1)/blocks, unit)
}

// multiply computes c = beta*c + alpha*a·b for b in panels, with all summands in one block. It prefetches
// nothing: b is in the second-level cache.
func (t *tier) multiply(c, a Matrix, b []float32, alpha, beta float32) {
	for i := 0; i < c.Rows && c.Cols > 0; i += t.mr {
		t.tile(min(t.mr, c.Rows-i), c.Cols, a.Cols, alpha, a.Data[i*a.RowStride:], a.RowStride, a.ColStride,
			b, t.nr, t.nr*a.Cols, beta, c.Data[i*c.RowStride:], c.RowStride, b)
	}
}

// packColumns copies the transpose of m to panels of nr columns, starting at column from. Compare packB.
func (t *tier) packColumns(panels []float32, from int, m Matrix) {
	for i := 0; i < m.Rows && m.Cols > 0; {
		j := (from + i) % t.nr
		n := min(t.nr-j, m.Rows-i)
		t.transpose(panels[(from+i-j)*m.Cols+j:], t.nr, m.Data[i*m.RowStride:], m.RowStride, n, m.Cols)
		i += n
	}
}

// packRows copies m to panels of nr columns and rows rows, starting at row from. Compare packB.
func (t *tier) packRows(panels []float32, from, rows int, m Matrix) {
	if m.Rows == 0 {
		return
	}
	full := m.Cols / t.nr
	for p := range full {
		t.pack(panels[(p*rows+from)*t.nr:], m.Data[p*t.nr:], m.RowStride, m.Rows, 1)
	}
	if rest := m.Cols - full*t.nr; rest > 0 {
		last := panels[(full*rows+from)*t.nr:]
		for i := range m.Rows {
			clear(last[i*t.nr:][copy(last[i*t.nr:][:rest], m.Data[i*m.RowStride+full*t.nr:]):t.nr])
		}
	}
}

// Grad is where to write a gradient: each element becomes Beta times its old value plus the gradient; if Beta
// is 0 the old value is not read. A Grad without rows is not computed.
type Grad struct {
	Matrix
	Beta float32
}

// KVGrad holds the gradients of a KV.
type KVGrad struct{ K, V Grad }

// AttentionGrad is the adjoint of Attention, given dy, the gradient of its result y, and the stats it wrote.
// It recomputes the weights P. With dP = dy·Vᵀ and dS = scale * P * (dP - rows' sums of dy*y),
//
//	dq = dS·K,  dK = dSᵀ·q,  dV = Pᵀ·dy
//
// q must have rows. V and y are not read if neither dq nor a dK is wanted.
func AttentionGrad(dq Grad, dkv []KVGrad, dy, y Matrix, stats Stats, q Matrix, scale float32, kv []KV) {
	const op = "AttentionGrad"
	checkAttention(op, y, q, kv)
	dy.checkRows(op, "dy", q.Rows, q.Cols)
	stats.check(op, q.Rows)
	dq.check(op, "dq", q)
	if len(dkv) != len(kv) {
		panic(fmt.Sprintf("kernel: %s: %d gradients for %d sets of keys and values", op, len(dkv), len(kv)))
	}
	for i, s := range kv {
		dkv[i].K.check(op, "dK", s.K)
		dkv[i].V.check(op, "dV", s.V)
	}
	dq.raceWrite()
	dy.raceRead()
	y.raceRead()
	raceRead(stats.Max)
	raceRead(stats.Inv)
	q.raceRead()
	for i, s := range kv {
		dkv[i].K.raceWrite()
		dkv[i].V.raceWrite()
		s.K.raceRead()
		s.V.raceRead()
	}
	w := spaces.Get()
	defer spaces.Put(w)
	w.attentionGrad(best, dq, dkv, dy, y, stats, q, scale, kv)
}

func (w *space) attentionGrad(t *tier, dq Grad, dkv []KVGrad, dy, y Matrix, stats Stats, q Matrix, scale float32, kv []KV) {
	cols, wantK, wantV := 0, false, false
	for i, s := range kv {
		cols += s.K.Rows
		wantK = wantK || dkv[i].K.Rows > 0
		wantV = wantV || dkv[i].V.Rows > 0
	}
	wantQ := dq.Rows > 0
	d, width := q.Cols, roundUp(q.Cols, t.nr)
	keys := sized(&w.keys, roundUp(cols, t.nr)*d)     // Kᵀ
	values := sized(&w.values, roundUp(cols, t.nr)*d) // Vᵀ
	keyRows := sized(&w.rows, cols*width)             // K
	last := cols / t.nr * t.nr * d                    // the last panels, which may have unused columns
	clear(keys[last:])
	clear(values[last:])
	from := 0
	for _, s := range kv {
		t.packColumns(keys, from, s.K)
		if wantQ || wantK {
			t.packColumns(values, from, s.V)
		}
		if wantQ {
			t.packRows(keyRows, from, cols, s.K)
		}
		from += s.K.Rows
	}
	block := blockRows(q.Rows, max(attentionRows, min(gradRows, gradScores/max(1, cols))), t.mr)
	row := roundUp(cols, cacheLine)
	scores, grads := sized(&w.scores, block*row), sized(&w.grads, block*row)
	right := sized(&w.right, block*width)
	sums := sized(&w.few, block)
	for i := 0; i < q.Rows; i += block {
		n := min(block, q.Rows-i)
		p, ds := Matrix{scores, n, cols, row, 1}, Matrix{grads, n, cols, row, 1}
		qs, dys, inv := q.view(i, 0, n, d), dy.view(i, 0, n, d), stats.Inv[i:][:n]
		t.multiply(p, qs, keys, scale*math.Log2E, 0)
		t.exp2Rows(sums[:n], scores, row, cols, stats.Max[i:])
		// The rows of p still have to be multiplied by inv, which is cheaper where they are used.
		if wantV {
			t.packRows(right, 0, n, dys)
			for j := 0; j < d; j += t.nr {
				t.scaleRows(right[j*n:], t.nr, t.nr, inv)
			}
			from := 0
			for j, s := range kv {
				t.addProduct(dkv[j].V, p, from, s.V.Rows, right, i > 0)
				from += s.V.Rows
			}
		}
		if !wantQ && !wantK {
			continue
		}
		t.multiply(ds, dys, values, 1, 0)
		for r := range n {
			dot := t.dot(dys.Data[r*dys.RowStride:][:d], y.Data[(i+r)*y.RowStride:][:d])
			to := grads[r*row:][:cols]
			t.softmaxGrad(to, scores[r*row:][:cols], to, scale*inv[r], dot)
		}
		if wantQ {
			t.multiply(dq.view(i, 0, n, d), ds, keyRows, 1, dq.Beta)
		}
		if wantK {
			t.packRows(right, 0, n, qs)
			from := 0
			for j, s := range kv {
				t.addProduct(dkv[j].K, ds, from, s.K.Rows, right, i > 0)
				from += s.K.Rows
			}
		}
	}
}

// checkAttention panics unless the operands of op fit.
func checkAttention(op string, y, q Matrix, kv []KV) {
	q.checkRows(op, "q", q.Rows, q.Cols)
	y.checkRows(op, "y", q.Rows, q.Cols)
	for _, s := range kv {
		s.K.checkRows(op, "K", s.K.Rows, q.Cols)
		s.V.checkRows(op, "V", s.K.Rows, q.Cols)
	}
}

// checkRows panics unless m, op's operand called name, is rows x cols with contiguous columns within its
// data.
func (m Matrix) checkRows(op, name string, rows, cols int) {
	if m.Rows != rows || m.Cols != cols || rows < 0 || cols < 0 || m.RowStride < 0 || m.ColStride != 1 && cols > 1 {
		panic(fmt.Sprintf("kernel: %s: %s is %dx%d with strides %d and %d, want %dx%d, contiguous columns",
			op, name, m.Rows, m.Cols, m.RowStride, m.ColStride, rows, cols))
	}
	if n := (rows-1)*m.RowStride + cols; rows > 0 && cols > 0 && n > len(m.Data) {
		panic(fmt.Sprintf("kernel: %s: %s has %d elements, want %d", op, name, len(m.Data), n))
	}
}

// check panics unless g is not wanted or fits its operand.
func (g Grad) check(op, name string, operand Matrix) {
	if g.Rows > 0 {
		g.checkRows(op, name, operand.Rows, operand.Cols)
	}
}

// check panics unless s has the given number of rows.
func (s Stats) check(op string, rows int) {
	if len(s.Max) != rows || len(s.Inv) != rows {
		panic(fmt.Sprintf("kernel: %s: stats of %d and %d rows, want %d", op, len(s.Max), len(s.Inv), rows))
	}
}

// addProduct computes the product of the transpose of n columns of p, starting at from, with panels of p.Rows
// rows, and adds it to g or, unless add is set, writes it as g.Beta says.
func (t *tier) addProduct(g Grad, p Matrix, from, n int, panels []float32, add bool) {
	if g.Rows == 0 {
		return
	}
	beta := g.Beta
	if add {
		beta = 1
	}
	t.multiply(g.Matrix, p.view(0, from, p.Rows, n).T(), panels, 1, beta)
}
