package tensor

import (
	"cmp"
	"fmt"
	"math"
	"runtime"

	"github.com/promptcam/promptcam/tensor/internal/kernel"
	"github.com/promptcam/promptcam/tensor/internal/parallel"
)

// KV is a set of rows to attend to: their keys and values, [B, A, D] each, or [A, D] where every image of the
// batch has the same.
type KV struct{ K, V *Tensor }

// AttentionTo is multi-head scaled dot-product attention (Vaswani et al., arXiv 1706.03762, eq. 1) of the
// rows q to all rows of all kv together:
//
//	weights = softmax(q·[K1 K2 ...]ᵀ / sqrt(D/heads))    [B, H, R, A1+A2+...]
//	dst     = weights·[V1 V2 ...]                         [B, R, D]
//
// q is [B, R, D], or [R, D] or [1, R, D] where every image has the same, and so are keys and values. All but
// weights may be views whose last dimension is contiguous.
//
// weights may be nil: then no more than some rows of one head of one image are held at a time. So may stats,
// [B, H, 2, R], the maxima of the rows' scores and the reciprocals of their sums as AttentionBackwardTo wants
// them. The bits of dst do not depend on either.
func AttentionTo(dst, stats, weights, q *Tensor, heads int, kv ...KV) {
	t := attentionTasks.Get()
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
	clear(t.kv)
	*t = attentionTask{kv: t.kv}
	attentionTasks.Put(t)
}

// fewRows is the number of rows below which the keys and values of a head of an image are not copied once
// more for another core to take part. A row does not depend on how many there are.
const fewRows = 48

// attentionTask is a call of AttentionTo, in parts: some rows of a head of an image.
type attentionTask struct {
	attention
	dst, stats, weights, q *Tensor
	kv                     []KV
	blocks                 int // of rows
}

var attentionTasks tasks[attentionTask, *attentionTask]

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
