package tensor_test

import (
	"runtime"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/promptcam/promptcam/tensor"
	"github.com/promptcam/promptcam/tensor/tensortest"
)

func TestGather(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	rng := newRand()
	const b, r, n, d = 5, 7, 3, 4
	wide := tensortest.Random(rng, b, r, 3*d)
	rows := make([]int, b*n) // of an image some may be the same
	for i := range rows {
		rows[i] = rng.IntN(r)
	}
	for _, processors := range []int{1, 2, 3} {
		runtime.GOMAXPROCS(processors)
		for _, src := range []*tensor.Tensor{wide, wide.Slice(2, d, 2*d), wide.Slice(1, 0, r).Slice(2, 0, 1)} {
			width := src.Dim(2)
			dst := tensor.New(b, n, width).Fill(nan)
			tensor.GatherTo(dst, src, rows)
			want := tensor.New(b, r, width)
			for i := range b {
				for j := range n {
					row := rows[i*n+j]
					assert.Equal(t, src.Select(0, i).Select(0, row).Clone(), dst.Select(0, i).Select(0, j).Clone())
					tensor.Axpy(want.Select(0, i).Select(0, row), 1, dst.Select(0, i).Select(0, j))
				}
			}
			whole := tensor.New(b, r, 3*d).Fill(nan)
			back := whole.Slice(2, 0, width)
			tensor.GatherBackwardTo(back, dst, rows)
			assert.Equal(t, want, back.Clone())
		}
	}
	tensor.GatherTo(tensor.New(2, 0, d), tensor.New(2, 0, d), nil)
	tensor.GatherTo(tensor.New(0, 2, d), tensor.New(0, 2, d), nil)
}

func TestGatherPanics(t *testing.T) {
	dst, src := tensor.New(2, 1, 4), tensor.New(2, 3, 4)
	requirePanic(t, "tensor: GatherTo: shapes [2 1 4] and [2 3 4]: want 2 rows, got 1", func() { tensor.GatherTo(dst, src, []int{0}) })
	requirePanic(t, "tensor: GatherTo: shapes [2 1 4] and [2 3 4]: row 3 is outside [0, 3)", func() { tensor.GatherTo(dst, src, []int{0, 3}) })
	requirePanic(t, "tensor: GatherBackwardTo: shapes [2 1 4] and [2 3 4]: row -1 is outside [0, 3)", func() { tensor.GatherBackwardTo(src, dst, []int{0, -1}) })
	requirePanic(t, "tensor: GatherTo: shapes [2 1 4] and [2 3 5]: want [B, n, D] and [B, R, D], contiguous along D", func() { tensor.GatherTo(dst, tensor.New(2, 3, 5), []int{0, 0}) })
	requirePanic(t, "tensor: GatherTo: shapes [2 1 4] and [2 3 4]: want [B, n, D] and [B, R, D], contiguous along D", func() { tensor.GatherTo(dst, tensor.New(2, 4, 3).Transpose(), []int{0, 0}) })
}
