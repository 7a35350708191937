package tensor_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/promptcam/promptcam/tensor"
	"github.com/promptcam/promptcam/tensor/tensortest"
)

func TestPatches(t *testing.T) {
	for _, p := range []int{1, 2, 5} {
		const b, c, h, w = 3, 2, 4, 3
		images := tensortest.Ramp(b, c, h*p, w*p)
		assert.Equal(t, []int{b, h * w, c * p * p}, tensor.PatchesShape(images, p))
		rows := tensor.New(b, h*w, c*p*p).Fill(nan)
		tensor.PatchesTo(rows, images, p)
		// [B, C, h, p, w, p] to [B, h, w, C, p, p]
		want := images.Reshape(b, c, h, p, w, p).Permute(0, 2, 4, 1, 3, 5).Contig().Reshape(b, h*w, c*p*p)
		tensortest.Close(t, want, rows, 0)
		back := tensor.New(b, c, h*p, w*p).Fill(nan)
		tensor.PatchesBackwardTo(back, rows, p)
		tensortest.Close(t, images, back, 0)
	}
}

func TestPatchesPanics(t *testing.T) {
	images := tensor.New(2, 3, 4, 6)
	requirePanic(t, "tensor: Patches: shape [2 3 4 6]: want [B, C, H, W] with H and W multiples of 4", func() { tensor.PatchesTo(tensor.New(2, 3, 48), images, 4) })
	requirePanic(t, "tensor: PatchesTo: shapes [2 6 10] and [2 3 4 6]: want rows [2 6 12]", func() { tensor.PatchesTo(tensor.New(2, 6, 10), images, 2) })
}
