package tensor

import "fmt"

// GatherTo copies rows of each image of src [B, R, D] to dst [B, n, D]: row j of image i is row rows[i*n+j]
// of that image in src. dst must be contiguous, src along D. It panics with a *ShapeError if a row is not in
// [0, R).
func GatherTo(dst, src *Tensor, rows []int) {
	gather("GatherTo", dst, src, rows, func(few, all []float32) { copy(few, all) })
}

// GatherBackwardTo is the adjoint of GatherTo: it writes to dsrc [B, R, D] the gradient of src, given dy [B,
// n, D], that of the result. dy must be contiguous, dsrc along D.
func GatherBackwardTo(dsrc, dy *Tensor, rows []int) {
	dsrc.Fill(0)
	gather("GatherBackwardTo", dy, dsrc, rows, func(few, all []float32) {
		for i, v := range few {
			all[i] += v
		}
	})
}

func gather(op string, few, all *Tensor, rows []int, do func(few, all []float32)) {
	if few.Rank() != 3 || all.Rank() != 3 || few.shape[0] != all.shape[0] || few.shape[2] != all.shape[2] || !all.evenRows() {
		panic(&ShapeError{op, [][]int{few.shape, all.shape}, "want [B, n, D] and [B, R, D], contiguous along D"})
	}
	images, n, d := few.shape[0], few.shape[1], few.shape[2]
	if len(rows) != images*n {
		panic(&ShapeError{op, [][]int{few.shape, all.shape}, fmt.Sprintf("want %d rows, got %d", images*n, len(rows))})
	}
	for _, row := range rows {
		if row < 0 || row >= all.shape[1] {
			panic(&ShapeError{op, [][]int{few.shape, all.shape}, fmt.Sprintf("row %d is outside [0, %d)", row, all.shape[1])})
		}
	}
	data := few.Data()
	if len(data) == 0 {
		return
	}
	gatherTasks.run(images, max(1, grain/(n*d)), gathering{data, all.data, rows, n, d, [2]int{all.stride[0], all.stride[1]}, do})
}

// gathering calls do with each gathered row and its source.
type gathering struct {
	few, all []float32
	rows     []int
	n, d     int    // rows of an image, and their width
	stride   [2]int // of all, from image to image and from row to row
	do       func(few, all []float32)
}

var gatherTasks tasks[gathering, *gathering]

// Do processes the images [from, to), each in one task, since a row may occur twice.
func (g *gathering) Do(from, to int) {
	for i := from * g.n; i < to*g.n; i++ {
		few, all := g.few[i*g.d:], g.all[i/g.n*g.stride[0]+g.rows[i]*g.stride[1]:]
		g.do(few[:g.d], all[:g.d])
	}
}
