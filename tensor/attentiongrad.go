package tensor

import (
	"fmt"
	"slices"

	"github.com/promptcam/promptcam/tensor/internal/kernel"
	"github.com/promptcam/promptcam/tensor/internal/parallel"
)

// AttentionBackwardTo is the adjoint of AttentionTo given dy [B, R, D], the gradient of its result y, and the
// stats it wrote; it recomputes the weights. It writes dq and, for each kv, K and V of dkv, each in the shape
// of its operand: if images share the operand, its gradient is the sum over them. Each may be nil. y and V
// are only read for dq or a K of dkv. Operands may be views as in AttentionTo.
func AttentionBackwardTo(dq *Tensor, dkv []KV, dy, y, stats, q *Tensor, heads int, kv ...KV) {
	const op = "AttentionBackwardTo"
	t := attentionGradTasks.Get()
	t.attention = newAttention(op, q, heads, kv)
	if len(dkv) != len(kv) {
		panic(&ShapeError{op, [][]int{q.shape}, fmt.Sprintf("%d gradients for %d sets of keys and values", len(dkv), len(kv))})
	}
	t.checkRows(op, dy)
	t.checkRows(op, y)
	t.checkHeads(op, "stats", stats, 2, t.rows)
	t.dy, t.y, t.stats, t.q = dy, y, stats, q
	t.kv = append(t.kv[:0], kv...)
	t.dq = t.gradient(op, dq, q)
	for i, s := range kv {
		t.dkv = append(t.dkv, kvGradient{t.gradient(op, dkv[i].K, s.K), t.gradient(op, dkv[i].V, s.V)})
	}
	if t.batch > 0 && t.rows > 0 {
		t.run()
	} else {
		t.clear()
	}
	clear(t.kv)
	clear(t.dkv)
	*t = attentionGradTask{kv: t.kv, dkv: t.dkv[:0], partial: t.partial}
	attentionGradTasks.Put(t)
}

// imageGroups is the number of groups of images if gradients are summed over images: a task computes one head
// of one group, and each group has its own sums.
const imageGroups = 4

// attentionGradTask is a call of AttentionBackwardTo. Its parts are heads of groups of images.
type attentionGradTask struct {
	attention
	dy, y, stats, q *Tensor
	dq              gradient
	kv              []KV
	dkv             []kvGradient
	groups          int       // of images
	size            int       // of all gradients summed over images
	partial         []float32 // the sums of all groups but the first, whose are in the result
}

var attentionGradTasks tasks[attentionGradTask, *attentionGradTask]

func (t *attentionGradTask) run() {
	t.groups = t.batch
	if t.size > 0 {
		t.groups = min(t.batch, imageGroups)
		t.partial = slices.Grow(t.partial[:0], (t.groups-1)*t.size)[:(t.groups-1)*t.size]
	}
	parallel.Run(t.heads*t.groups, 1, t)
	if t.size > 0 && t.groups > 1 {
		parallel.Run(t.size, grain, (*partialSums)(t))
	}
}

// clear sets the gradients to 0, for a call without rows.
func (t *attentionGradTask) clear() {
	for _, g := range append(t.dkv, kvGradient{k: t.dq}) {
		for _, x := range []*Tensor{g.k.t, g.v.t} {
			if x != nil {
				x.Fill(0)
			}
		}
	}
}

// gradient is where to write a gradient; t is nil if it is not wanted.
type gradient struct {
	t      *Tensor
	shared bool
	at     int // offset of a shared one in a group's partial sums
}

type kvGradient struct{ k, v gradient }

// gradient checks g, the gradient of operand, and assigns it a place.
func (t *attentionGradTask) gradient(op string, g, operand *Tensor) gradient {
	if g == nil {
		return gradient{}
	}
	checkShape(op, g, operand.shape...)
	g.writable(op)
	to := gradient{t: g, shared: g.Len() < t.batch*g.Dim(-2)*g.Dim(-1), at: t.size}
	if to.shared {
		t.size += g.Len()
	}
	return to
}

// of returns where head h of image b adds its part of g. The image belongs to a group that starts with image
// first.
func (t *attentionGradTask) of(g gradient, group, first, b, h int) kernel.Grad {
	if g.t == nil {
		return kernel.Grad{}
	}
	m := kernel.Grad{Matrix: t.head(g.t, b, h)}
	if g.shared && b > first {
		m.Beta = 1
	}
	if g.shared && group > 0 && m.Rows > 0 {
		m.Data, m.RowStride = t.partial[(group-1)*t.size+g.at+h*t.width:], t.heads*t.width
	}
	return m
}

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

// partialSums adds up the sums of the groups of images, the last step of AttentionBackwardTo.
type partialSums attentionGradTask

func (t *partialSums) Do(from, to int) {
	t.add(t.dq, from, to)
	for _, g := range t.dkv {
		t.add(g.k, from, to)
		t.add(g.v, from, to)
	}
}

// add adds the partial sums to the elements of g in [from, to).
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
