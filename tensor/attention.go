package tensor

import (
	"fmt"
	"math"
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
// so are keys and values. Keys and values are never copied together: each kv
// fills its own columns of the weights. All but weights may be views whose last
// dimension is contiguous. weights may be nil: then no more than some rows
// of one head of one image are held at a time.
func AttentionTo(dst, weights, q *Tensor, heads int, kv ...KV) {
	a := newAttention("AttentionTo", q, heads, kv)
	a.checkRows("AttentionTo", dst, a.rows)
	dst.writable("AttentionTo")
	if weights != nil {
		a.checkWeights("AttentionTo", weights)
	}
	blocks := (a.rows + attentionRows - 1) / attentionRows
	parallel.For(a.batch*heads*blocks, 1, func(from, to int) {
		for i := from; i < to; i++ {
			b, h := i/blocks/heads, i/blocks%heads
			first := i % blocks * a.rows / blocks
			last := (i%blocks + 1) * a.rows / blocks
			var scratch *[]float32
			var w kernel.Matrix // [last-first, A1+A2+...]
			if weights != nil {
				w = rowsOf(a.weightsOf(weights, i/blocks), first, last)
			} else {
				scratch = getScratch((last - first) * a.cols)
				w = a.matrix(*scratch, last-first)
			}
			q := rowsOf(a.head(q, b, h), first, last)
			col := 0
			for _, s := range kv {
				kernel.Gemm(colsOf(w, col, s.K.Dim(-2)), q, a.head(s.K, b, h).T(), 1, 0)
				col += s.K.Dim(-2)
			}
			for r := range w.Rows {
				row := w.Data[r*a.cols : (r+1)*a.cols]
				kernel.Softmax(row, row, a.scale)
			}
			y := rowsOf(a.head(dst, b, h), first, last)
			col = 0
			for j, s := range kv {
				kernel.Gemm(y, colsOf(w, col, s.V.Dim(-2)), a.head(s.V, b, h), 1, beta(j > 0))
				col += s.V.Dim(-2)
			}
			if scratch != nil {
				scratchPool.Put(scratch)
			}
		}
	})
}

// attentionRows is the most rows of one head of one image that are computed at
// a time: their weights, 128 x 1370 for DINOv2 at 518 pixels, stay in the
// second-level cache, and few images of few heads still make work for many cores.
const attentionRows = 128

// AttentionBackwardTo is the adjoint of AttentionTo given dy [B, R, D], the
// gradient of its result, and the weights it wrote. It writes dq [B, R, D] and, for
// each kv, dkv's K and V [B, A, D]; each may be nil. The gradients have an
// image dimension even where the operand is shared by the images of a batch:
// sum them with SumTo. Operands are views or not as in AttentionTo. What no
// gradient asked for depends on is not read: q without one of K, K without dq,
// V without either.
func AttentionBackwardTo(dq *Tensor, dkv []KV, dy, weights, q *Tensor, heads int, kv ...KV) {
	a := newAttention("AttentionBackwardTo", q, heads, kv)
	if len(dkv) != len(kv) {
		panic(&ShapeError{"AttentionBackwardTo", [][]int{q.shape}, fmt.Sprintf("%d gradients for %d sets of keys and values", len(dkv), len(kv))})
	}
	a.checkRows("AttentionBackwardTo", dy, a.rows)
	a.checkWeights("AttentionBackwardTo", weights)
	if dq != nil {
		a.checkRows("AttentionBackwardTo", dq, a.rows)
		dq.writable("AttentionBackwardTo")
	}
	for i, s := range kv {
		for _, g := range []*Tensor{dkv[i].K, dkv[i].V} {
			if g != nil {
				a.checkRows("AttentionBackwardTo", g, s.K.Dim(-2))
				g.writable("AttentionBackwardTo")
			}
		}
	}
	scores := dq != nil || slices.ContainsFunc(dkv, func(s KV) bool { return s.K != nil })
	parallel.For(a.batch*heads, 1, func(from, to int) {
		scratch := getScratch(a.rows * a.cols)
		defer scratchPool.Put(scratch)
		for i := from; i < to; i++ {
			b, h := i/heads, i%heads
			w := a.weightsOf(weights, i)
			dw := a.matrix(*scratch, a.rows) // gradient of the weights, then of the scores
			g := a.head(dy, b, h)
			col := 0
			for j, s := range kv {
				n := s.K.Dim(-2)
				if scores {
					kernel.Gemm(colsOf(dw, col, n), g, a.head(s.V, b, h).T(), 1, 0)
				}
				if dkv[j].V != nil {
					kernel.Gemm(a.head(dkv[j].V, b, h), colsOf(w, col, n).T(), g, 1, 0)
				}
				col += n
			}
			if !scores {
				continue
			}
			for r := range a.rows {
				y, d := w.Data[r*a.cols:(r+1)*a.cols], dw.Data[r*a.cols:(r+1)*a.cols]
				kernel.SoftmaxGrad(d, y, d, a.scale)
			}
			col = 0
			for j, s := range kv {
				n := s.K.Dim(-2)
				if dq != nil {
					kernel.Gemm(a.head(dq, b, h), colsOf(dw, col, n), a.head(s.K, b, h), 1, beta(j > 0))
				}
				if dkv[j].K != nil {
					kernel.Gemm(a.head(dkv[j].K, b, h), colsOf(dw, col, n).T(), a.head(q, b, h), 1, 0)
				}
				col += n
			}
		}
	})
}

// attention holds the sizes of one call.
type attention struct {
	batch, rows, cols, heads, width int // B, R, A1+A2+..., H, d = D/H
	scale                           float32
}

func newAttention(op string, q *Tensor, heads int, kv []KV) attention {
	a := attention{batch: 1, heads: heads}
	fail := func(reason string) {
		shapes := [][]int{q.shape}
		for _, s := range kv {
			shapes = append(shapes, s.K.shape, s.V.shape)
		}
		panic(&ShapeError{op, shapes, reason})
	}
	if len(kv) == 0 || heads < 1 || q.Rank() < 2 || q.Dim(-1)%heads != 0 {
		fail(fmt.Sprintf("want keys, and rows of a width that %d heads divide", heads))
	}
	a.rows, a.width = q.Dim(-2), q.Dim(-1)/heads
	a.scale = float32(1 / math.Sqrt(float64(a.width)))
	operand := func(t *Tensor) {
		if t.Rank() < 2 || t.Rank() > 3 || t.Dim(-1) != q.Dim(-1) || !t.evenRows() {
			fail("want [B, rows, D] or [rows, D], contiguous along D, of one D")
		}
		if t.Rank() == 2 || t.Dim(0) == 1 {
			return
		}
		if a.batch != 1 && t.Dim(0) != a.batch {
			fail("numbers of images differ")
		}
		a.batch = t.Dim(0)
	}
	operand(q)
	for _, s := range kv {
		operand(s.K)
		operand(s.V)
		if s.K.Dim(-2) != s.V.Dim(-2) {
			fail("numbers of keys and values differ")
		}
		a.cols += s.K.Dim(-2)
	}
	return a
}

// checkRows checks a result or a gradient, which has images of its own.
func (a attention) checkRows(op string, t *Tensor, rows int) {
	width := a.width * a.heads
	if t.Rank() < 2 || t.Rank() > 3 || t.Dim(-1) != width || t.Dim(-2) != rows || t.Len() != a.batch*rows*width || !t.evenRows() {
		panic(&ShapeError{op, [][]int{t.shape}, fmt.Sprintf("want [%d %d %d], contiguous along the last", a.batch, rows, width)})
	}
}

func (a attention) checkWeights(op string, t *Tensor) {
	if t.Rank() < 2 || t.Dim(-1) != a.cols || t.Dim(-2) != a.rows || t.Len() != a.batch*a.heads*a.rows*a.cols || !t.Contiguous() {
		panic(&ShapeError{op, [][]int{t.shape}, fmt.Sprintf("want contiguous weights [%d %d %d %d]", a.batch, a.heads, a.rows, a.cols)})
	}
}

// evenRows reports whether t's last dimension is contiguous.
func (t *Tensor) evenRows() bool {
	last := len(t.shape) - 1
	return t.stride[last] == 1 || t.shape[last] == 1
}

// head is head h of image b: [rows, d]. An operand without images is the same for each.
func (a attention) head(t *Tensor, b, h int) kernel.Matrix {
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

// weightsOf is the i-th [R, A1+A2+...] matrix of weights.
func (a attention) weightsOf(weights *Tensor, i int) kernel.Matrix {
	size := a.rows * a.cols
	return a.matrix(weights.Data()[i*size:(i+1)*size], a.rows)
}

// matrix is data as rows of weights.
func (a attention) matrix(data []float32, rows int) kernel.Matrix {
	return kernel.Matrix{Data: data, Rows: rows, Cols: a.cols, RowStride: a.cols, ColStride: 1}
}

// colsOf is n columns of m from one on.
func colsOf(m kernel.Matrix, from, n int) kernel.Matrix {
	m.Cols = n
	if m.Rows > 0 {
		m.Data = m.Data[from*m.ColStride:]
	}
	return m
}

func beta(add bool) float32 {
	if add {
		return 1
	}
	return 0
}

var scratchPool = sync.Pool{New: func() any { return new([]float32) }}

func getScratch(n int) *[]float32 {
	s := scratchPool.Get().(*[]float32)
	if cap(*s) < n {
		*s = make([]float32, n)
	}
	*s = (*s)[:n]
	return s
}
