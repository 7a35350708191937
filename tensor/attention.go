package tensor

import (
	"cmp"
	"fmt"
	"math"
	"runtime"
	"slices"
	"sync"

	"github.com/promptcam/promptcam/tensor/internal/kernel"
	"github.com/promptcam/promptcam/tensor/internal/parallel"
)

// KV is a set of rows to attend to: their keys and values, [B, A, D] each, or
// [A, D] where every image of the batch has the same.
type KV struct{ K, V *Tensor }

// AttentionTo is multi-head scaled dot-product attention (Vaswani et al.,
// arXiv 1706.03762, eq. 1) of the rows q to all rows of all kv together:
//
//	weights = softmax(q·[K1 K2 ...]ᵀ / sqrt(D/heads))    [B, H, R, A1+A2+...]
//	dst     = weights·[V1 V2 ...]                         [B, R, D]
//
// q is [B, R, D], or [R, D] or [1, R, D] where every image has the same, and
// so are keys and values. All but weights may be views whose last dimension is
// contiguous.
//
// weights may be nil: then no more than some rows of one head of one image are
// held at a time. So may stats, [B, H, 2, R], the maxima of the rows' scores and
// the reciprocals of their sums as AttentionBackwardTo wants them. The bits of
// dst do not depend on either.
func AttentionTo(dst, stats, weights, q *Tensor, heads int, kv ...KV) {
	t := attentionTasks.Get().(*attentionTask)
	defer attentionTasks.Put(t)
	t.attention = newAttention("AttentionTo", q, heads, kv)
	t.checkRows("AttentionTo", dst)
	dst.writable("AttentionTo")
	if stats != nil {
		t.checkStats("AttentionTo", stats)
	}
	if weights != nil {
		t.checkWeights("AttentionTo", weights)
	}
	t.dst, t.stats, t.weights, t.q = dst, stats, weights, q
	t.kv = append(t.kv[:0], kv...)
	t.blocks = 1
	if n, enough := t.batch*heads, 3*runtime.GOMAXPROCS(0); 0 < n && n < enough {
		t.blocks = max(1, min((enough+n-1)/n, t.rows/fewRows))
	}
	parallel.Run(t.batch*heads*t.blocks, 1, t)
}

// fewRows is the number of rows below which the keys and values of a head of an
// image are not copied once more for another core to take part. A row does not
// depend on how many there are.
const fewRows = 48

// attentionTask is a call of AttentionTo, in parts: some rows of a head of an image.
type attentionTask struct {
	attention
	dst, stats, weights, q *Tensor
	kv                     []KV
	blocks                 int // of rows
}

var attentionTasks = sync.Pool{New: func() any { return new(attentionTask) }}

// Do implements parallel.Task.
func (t *attentionTask) Do(from, to int) {
	for i := from; i < to; i++ {
		head, block := i/t.blocks, i%t.blocks
		b, h := head/t.heads, head%t.heads
		first, last := block*t.rows/t.blocks, (block+1)*t.rows/t.blocks
		var w kernel.Matrix
		if t.weights != nil {
			size := t.rows * t.cols
			w = rowsOf(kernel.Matrix{Data: t.weights.Data()[head*size:][:size], Rows: t.rows, Cols: t.cols, RowStride: t.cols, ColStride: 1}, first, last)
		}
		s := t.statsOf(t.stats, head)
		if t.stats != nil {
			s.Max, s.Inv = s.Max[first:last], s.Inv[first:last]
		}
		var few [fewSegments]kernel.KV
		kernel.Attention(rowsOf(t.head(t.dst, b, h), first, last), w, s, rowsOf(t.head(t.q, b, h), first, last), t.scale, t.segments(few[:0], t.kv, b, h))
	}
}

// fewSegments is how many sets of keys and values need no memory of their own.
const fewSegments = 4

// AttentionBackwardTo is the adjoint of AttentionTo given dy [B, R, D], the
// gradient of its result y, and the stats it wrote; it computes the weights again. It
// writes dq and, for each kv, dkv's K and V, each in the shape of its operand:
// where the images share that, the gradient is the sum over them. Each may be
// nil. Operands are views or not as in AttentionTo. V and y are not read without dq or a K.
func AttentionBackwardTo(dq *Tensor, dkv []KV, dy, y, stats, q *Tensor, heads int, kv ...KV) {
	const op = "AttentionBackwardTo"
	t := attentionGradTasks.Get().(*attentionGradTask)
	defer attentionGradTasks.Put(t)
	t.attention = newAttention(op, q, heads, kv)
	if len(dkv) != len(kv) {
		panic(&ShapeError{op, [][]int{q.shape}, fmt.Sprintf("%d gradients for %d sets of keys and values", len(dkv), len(kv))})
	}
	t.checkRows(op, dy)
	t.checkRows(op, y)
	t.checkStats(op, stats)
	t.dy, t.y, t.stats, t.q = dy, y, stats, q
	t.kv, t.dkv = append(t.kv[:0], kv...), t.dkv[:0]
	t.size = 0
	t.dq = t.gradient(op, dq, q)
	for i, s := range kv {
		t.dkv = append(t.dkv, kvGradient{t.gradient(op, dkv[i].K, s.K), t.gradient(op, dkv[i].V, s.V)})
	}
	if t.batch == 0 || t.rows == 0 {
		for _, g := range t.dkv {
			g.k.clear()
			g.v.clear()
		}
		t.dq.clear()
		return
	}
	t.groups = t.batch
	if t.size > 0 {
		t.groups = min(t.batch, imageGroups)
		t.partial = slices.Grow(t.partial[:0], (t.groups-1)*t.size)[:(t.groups-1)*t.size]
	}
	parallel.Run(heads*t.groups, 1, t)
	if t.size > 0 && t.groups > 1 {
		parallel.Run(t.size, grain, (*partialSums)(t))
	}
}

// imageGroups is into how many parts images are divided where gradients are summed
// over them: one head of one part is computed at a time, and each part has sums of its own.
const imageGroups = 4

// attentionGradTask is a call of AttentionBackwardTo, in parts: one head of a group of images.
type attentionGradTask struct {
	attention
	dy, y, stats, q *Tensor
	dq              gradient
	kv              []KV
	dkv             []kvGradient
	groups          int       // of images
	size            int       // of all gradients that are summed over images
	partial         []float32 // those of each group but the first, which are where the result will be
}

var attentionGradTasks = sync.Pool{New: func() any { return new(attentionGradTask) }}

// gradient is where a gradient goes; t is nil where it is not wanted.
type gradient struct {
	t      *Tensor
	shared bool
	at     int // where a shared one lies among a group's partial sums
}

type kvGradient struct{ k, v gradient }

// gradient checks the gradient of an operand and finds it a place.
func (t *attentionGradTask) gradient(op string, g, operand *Tensor) gradient {
	if g == nil {
		return gradient{}
	}
	t.checkGradient(op, g, operand)
	to := gradient{t: g, shared: t.batch > 1 && g.Len() < t.batch*g.Dim(-2)*g.Dim(-1), at: t.size}
	if to.shared {
		t.size += g.Len()
	}
	return to
}

func (g gradient) clear() {
	if g.t != nil {
		g.t.Fill(0)
	}
}

// of returns where head h of image b, which belongs to a group that starts with
// image first, adds its part of g.
func (t *attentionGradTask) of(g gradient, group, first, b, h int) kernel.Grad {
	if g.t == nil {
		return kernel.Grad{}
	}
	m := kernel.Grad{Matrix: t.head(g.t, b, h)}
	if g.shared {
		m.Beta = beta(b > first)
		if group > 0 && m.Rows > 0 {
			d := g.t.Dim(-1)
			m.Data, m.RowStride = t.partial[(group-1)*t.size+g.at+h*t.width:], d
		}
	}
	return m
}

// Do implements parallel.Task.
func (t *attentionGradTask) Do(from, to int) {
	for i := from; i < to; i++ {
		group, h := i/t.heads, i%t.heads
		first, last := group*t.batch/t.groups, (group+1)*t.batch/t.groups
		for b := first; b < last; b++ {
			var few [fewSegments]kernel.KV
			var fewGrads [fewSegments]kernel.KVGrad
			dkv := fewGrads[:0]
			for _, g := range t.dkv {
				dkv = append(dkv, kernel.KVGrad{K: t.of(g.k, group, first, b, h), V: t.of(g.v, group, first, b, h)})
			}
			kernel.AttentionGrad(t.of(t.dq, group, first, b, h), dkv, t.head(t.dy, b, h), t.head(t.y, b, h), t.statsOf(t.stats, b*t.heads+h),
				t.head(t.q, b, h), t.scale, t.segments(few[:0], t.kv, b, h))
		}
	}
}

// partialSums is the end of a call of AttentionBackwardTo: it adds up the sums
// over groups of images.
type partialSums attentionGradTask

// Do implements parallel.Task.
func (t *partialSums) Do(from, to int) {
	t.add(t.dq, from, to)
	for _, g := range t.dkv {
		t.add(g.k, from, to)
		t.add(g.v, from, to)
	}
}

// add adds partial sums to those elements of g that lie within from and to.
func (t *partialSums) add(g gradient, from, to int) {
	if !g.shared {
		return
	}
	m, d := g.t.matrix(), g.t.Dim(-1)
	from, to = max(from-g.at, 0), min(to-g.at, g.t.Len())
	for from < to {
		r, c := from/d, from%d
		n := min(d-c, to-from)
		for group := range t.groups - 1 {
			kernel.Axpy(m.Data[r*m.RowStride+c:][:n], 1, t.partial[group*t.size+g.at+from:][:n])
		}
		from += n
	}
}

// attention holds the sizes of one call.
type attention struct {
	batch, rows, cols, heads, width int // B, R, A1+A2+..., H, d = D/H
	scale                           float32
}

func newAttention(op string, q *Tensor, heads int, kv []KV) attention {
	a := attention{batch: 1, heads: heads}
	if len(kv) == 0 || heads < 1 || q.Rank() < 2 || q.Dim(-1)%heads != 0 {
		failAttention(op, q, kv, fmt.Sprintf("want keys, and rows of a width that %d heads divide", heads))
	}
	a.rows, a.width = q.Dim(-2), q.Dim(-1)/heads
	a.scale = float32(1 / math.Sqrt(float64(a.width)))
	fault := a.operand(q, q)
	for _, s := range kv {
		if fault = cmp.Or(fault, a.operand(q, s.K), a.operand(q, s.V)); fault != "" {
			break
		}
		if s.K.Dim(-2) != s.V.Dim(-2) {
			fault = "numbers of keys and values differ"
		}
		a.cols += s.K.Dim(-2)
	}
	if fault != "" {
		failAttention(op, q, kv, fault)
	}
	return a
}

// operand takes account of t, and says what is wrong with it.
func (a *attention) operand(q, t *Tensor) (fault string) {
	if t.Rank() < 2 || t.Rank() > 3 || t.Dim(-1) != q.Dim(-1) || !t.evenRows() {
		return "want [B, rows, D] or [rows, D], contiguous along D, of one D"
	}
	if t.Rank() == 2 || t.Dim(0) == 1 {
		return ""
	}
	if a.batch != 1 && t.Dim(0) != a.batch {
		return "numbers of images differ"
	}
	a.batch = t.Dim(0)
	return ""
}

func failAttention(op string, q *Tensor, kv []KV, reason string) {
	shapes := [][]int{q.shape}
	for _, s := range kv {
		shapes = append(shapes, s.K.shape, s.V.shape)
	}
	panic(&ShapeError{op, shapes, reason})
}

// checkRows checks dst, y or dy, which have images of their own.
func (a *attention) checkRows(op string, t *Tensor) {
	width := a.width * a.heads
	if t.Rank() < 2 || t.Rank() > 3 || t.Dim(-1) != width || t.Dim(-2) != a.rows || t.Len() != a.batch*a.rows*width || !t.evenRows() {
		panic(&ShapeError{op, [][]int{t.shape}, fmt.Sprintf("want [%d %d %d], contiguous along the last", a.batch, a.rows, width)})
	}
}

func (a *attention) checkGradient(op string, t, operand *Tensor) {
	if t.Rank() < 2 || t.Rank() > 3 || t.Dim(-1) != operand.Dim(-1) || t.Dim(-2) != operand.Dim(-2) || t.Len() != operand.Len() || !t.evenRows() {
		panic(&ShapeError{op, [][]int{t.shape}, fmt.Sprintf("want %v, contiguous along the last", operand.shape)})
	}
	t.writable(op)
}

func (a *attention) checkWeights(op string, t *Tensor) {
	if t.Rank() < 2 || t.Dim(-1) != a.cols || t.Dim(-2) != a.rows || t.Len() != a.batch*a.heads*a.rows*a.cols || !t.Contiguous() {
		panic(&ShapeError{op, [][]int{t.shape}, fmt.Sprintf("want contiguous weights [%d %d %d %d]", a.batch, a.heads, a.rows, a.cols)})
	}
}

func (a *attention) checkStats(op string, t *Tensor) {
	if t.Rank() < 2 || t.Dim(-1) != a.rows || t.Dim(-2) != 2 || t.Len() != a.batch*a.heads*2*a.rows || !t.Contiguous() {
		panic(&ShapeError{op, [][]int{t.shape}, fmt.Sprintf("want contiguous stats [%d %d 2 %d]", a.batch, a.heads, a.rows)})
	}
}

// evenRows reports whether t's last dimension is contiguous.
func (t *Tensor) evenRows() bool {
	last := len(t.shape) - 1
	return t.stride[last] == 1 || t.shape[last] == 1
}

// head is head h of image b: [rows, d]. An operand without images is the same for each.
func (a *attention) head(t *Tensor, b, h int) kernel.Matrix {
	m := t.matrix()
	m.Cols = a.width
	if m.Rows == 0 || m.Cols == 0 {
		return m
	}
	o := h * a.width
	if t.Rank() == 3 && t.shape[0] > 1 {
		o += b * t.stride[0]
	}
	m.Data = m.Data[o:]
	return m
}

// segments appends head h of image b of all kv to list.
func (a *attention) segments(list []kernel.KV, kv []KV, b, h int) []kernel.KV {
	for _, s := range kv {
		list = append(list, kernel.KV{K: a.head(s.K, b, h), V: a.head(s.V, b, h)})
	}
	return list
}

// statsOf is the stats of the i-th head of an image.
func (a *attention) statsOf(stats *Tensor, i int) kernel.Stats {
	if stats == nil {
		return kernel.Stats{}
	}
	s := stats.Data()[2*i*a.rows:][:2*a.rows]
	return kernel.Stats{Max: s[:a.rows], Inv: s[a.rows:]}
}

func beta(add bool) float32 {
	if add {
		return 1
	}
	return 0
}
