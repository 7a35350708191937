package tensor

import (
	"fmt"
	"slices"
)

// PatchesTo cuts images [B, C, H, W] into squares of p by p pixels and writes them as rows to dst [B,
// H/p·W/p, C·p·p], each in the order of a convolution's weight [D, C, p, p]: multiplied by that weight, they
// are the patch embedding of a vision transformer. Both must be contiguous.
func PatchesTo(dst, images *Tensor, p int) { cut("PatchesTo", dst, images, p, (*patches).toRow) }

// PatchesBackwardTo is the adjoint of PatchesTo: it writes to dimages [B, C, H, W] the gradient of the
// images, given dy, that of its result.
func PatchesBackwardTo(dimages, dy *Tensor, p int) {
	cut("PatchesBackwardTo", dy, dimages, p, (*patches).toPixels)
}

// PatchesShape is the shape of PatchesTo's result. It panics if p does not divide the sides of the images.
func PatchesShape(images *Tensor, p int) []int {
	s := images.shape
	if len(s) != 4 || p < 1 || s[2]%p != 0 || s[3]%p != 0 {
		panic(&ShapeError{"Patches", [][]int{s}, fmt.Sprintf("want [B, C, H, W] with H and W multiples of %d", p)})
	}
	return []int{s[0], s[2] / p * (s[3] / p), s[1] * p * p}
}

func cut(op string, rows, images *Tensor, p int, do func(t *patches, row, pixels []float32)) {
	if want := PatchesShape(images, p); !slices.Equal(rows.shape, want) {
		panic(&ShapeError{op, [][]int{rows.shape, images.shape}, fmt.Sprintf("want rows %v", want)})
	}
	c, h, w := images.shape[1], images.shape[2]/p, images.shape[3]/p
	patchTasks.run(images.shape[0]*h, 1, patches{rows.Data(), images.Data(), c, h, w, p, do})
}

// patches copies the pixels of patches to rows, or back.
type patches struct {
	rows, images []float32
	c, h, w, p   int // channels, patches down and across, pixels of a side
	do           func(t *patches, row, pixels []float32)
}

var patchTasks tasks[patches, *patches]

// Do processes the rows [from, to) of patches, of which an image has h.
func (t *patches) Do(from, to int) {
	size := t.p * t.p
	for i := from; i < to; i++ {
		rows := t.rows[i*t.w*t.c*size:]
		image, down := i/t.h, i%t.h
		for line := range t.c * t.p { // of pixels
			channel, y := line/t.p, down*t.p+line%t.p
			pixels := t.images[((image*t.c+channel)*t.h*t.p+y)*t.w*t.p:]
			for x := range t.w {
				t.do(t, rows[x*t.c*size+line*t.p:], pixels[x*t.p:])
			}
		}
	}
}

func (t *patches) toRow(row, pixels []float32)    { copy(row[:t.p], pixels) }
func (t *patches) toPixels(row, pixels []float32) { copy(pixels[:t.p], row) }
