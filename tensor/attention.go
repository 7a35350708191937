package tensor

import (
	"cmp"
	"fmt"
	"math"
	"runtime"
	"slices"

	"github.com/promptcam/promptcam/tensor/internal/kernel"
	"github.com/promptcam/promptcam/tensor/internal/parallel"
)

// KV holds the keys and values of rows to attend to, [B, A, D] each, or [A, D] if all images of the batch
// share them.
type KV struct{ K, V *Tensor }

// AttentionTo is multi-head scaled dot-product attention (Vaswani et al., arXiv 1706.03762, eq. 1) of the
// rows q to all rows of all kv together:
//
//	weights = softmax(q·[K1 K2 ...]ᵀ / sqrt(D/heads))    [B, H, R, A1+A2+...]
//	dst     = weights·[V1 V2 ...]                         [B, R, D]
//
// q is [B, R, D], or [R, D] or [1, R, D] if all images share it; likewise keys and values. All but weights
// and stats may be views whose last dimension is contiguous.
//
// weights may be nil; then only a few rows of a head are held at a time. stats, [B, H, 2, R], receives the
// maxima of the rows' scores and the reciprocals of their sums for AttentionBackwardTo; it may be nil, too.
// The bits of dst are the same either way.
func AttentionTo(dst, stats, weights, q *Tensor, heads int, kv ...KV) {
	t := attentionTasks.Get()
	t.attention = newAttention("AttentionTo", q, heads, kv)
	t.checkRows("AttentionTo", dst)
	dst.writable("AttentionTo")
	if stats != nil {
		t.checkHeads("AttentionTo", "stats", stats, 2, t.rows)
	}
	if weights != nil {
		t.checkHeads("AttentionTo", "weights", weights, t.rows, t.cols)
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

// fewRows is the least number of rows for which another core copies the keys and values of a head once more
// to take part. A row's bits do not depend on it.
const fewRows = 48

// attentionTask is a call of AttentionTo. Its parts are blocks of rows of a head of an image.
type attentionTask struct {
	attention
	dst, stats, weights, q *Tensor
	kv                     []KV
	blocks                 int // of rows
}

var attentionTasks tasks[attentionTask, *attentionTask]

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

// fewSegments is how many sets of keys and values fit on the stack.
const fewSegments = 4

// attention holds the sizes of a call.
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

// operand checks t, an operand beside q, and notes its number of images.
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

// checkRows checks dst, y or dy, which images do not share.
func (a *attention) checkRows(op string, t *Tensor) {
	checkShape(op, t, a.batch, a.rows, a.width*a.heads)
}

// checkShape panics unless t has two or three dimensions that end as want does, as many elements, and is
// contiguous along the last.
func checkShape(op string, t *Tensor, want ...int) {
	n := len(want)
	if t.Rank() < 2 || t.Rank() > 3 || t.Dim(-1) != want[n-1] || t.Dim(-2) != want[n-2] || t.Len() != Size(op, want) || !t.evenRows() {
		panic(&ShapeError{op, [][]int{t.shape}, fmt.Sprintf("want %v, contiguous along the last", slices.Clone(want))})
	}
}

// checkHeads panics unless t, the operand called name, is a contiguous [B, H, rows, cols].
func (a *attention) checkHeads(op, name string, t *Tensor, rows, cols int) {
	if t.Rank() < 2 || t.Dim(-1) != cols || t.Dim(-2) != rows || t.Len() != a.batch*a.heads*rows*cols || !t.Contiguous() {
		panic(&ShapeError{op, [][]int{t.shape}, fmt.Sprintf("want contiguous %s [%d %d %d %d]", name, a.batch, a.heads, rows, cols)})
	}
}

// evenRows reports whether t's last dimension is contiguous.
func (t *Tensor) evenRows() bool {
	last := len(t.shape) - 1
	return t.stride[last] == 1 || t.shape[last] == 1
}

// head returns head h of image b, [rows, d].
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

// statsOf returns the stats of head i, counted over all images.
func (a *attention) statsOf(stats *Tensor, i int) kernel.Stats {
	if stats == nil {
		return kernel.Stats{}
	}
	s := stats.Data()[2*i*a.rows:][:2*a.rows]
	return kernel.Stats{Max: s[:a.rows], Inv: s[a.rows:]}
}
