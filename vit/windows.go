package vit

import (
	"fmt"

	"github.com/promptcam/promptcam/autograd"
	"github.com/promptcam/promptcam/tensor"
)

// Run applies the blocks [from, to), counted from 0, to the tokens x [B, prefix+h·w, D] of images with h rows
// and w columns of patches, which may differ from Config's. Without Config.Window, any of the rows may be
// missing. With it, Run panics if x has another number of rows or the window's side does not divide h and w, and
// always for blocks that do not exist. Once the tape's Context is done, it skips the blocks that are left: see
// autograd.Tape.
//
// With Config.Window, patches in all blocks but the last attend only to patches in their window, and the
// class token and registers skip these blocks (windows as in ViTDet, Li et al., arXiv 2203.16527, shifted by
// half in every other block as in Swin, Liu et al., arXiv 2103.14030; a late class token as in CaiT, Touvron
// et al., arXiv 2103.17239). A patch's token then depends on what is near the patch, so that attention of the
// class token or a prompt points at the evidence; without windows any patch may encode what another shows.
// Shifted windows wrap around the border and, unlike Swin's, attend across it. Stochastic depth drops
// branches per window, not per image.
func (m *Model) Run(x *autograd.Var, h, w, from, to int) *autograd.Var {
	if m.Config.Window > 0 && (x.Dim(1) != m.Config.Prefix()+h*w || h%m.Config.Window != 0 || w%m.Config.Window != 0) {
		panic(&tensor.ShapeError{Op: "Run", Shapes: [][]int{x.Shape()}, Reason: fmt.Sprintf("want %d rows and %dx%d patches in windows of %dx%[4]d", m.Config.Prefix()+h*w, h, w, m.Config.Window)})
	}
	if from < 0 || to < from || to > len(m.Blocks) {
		panic(fmt.Sprintf("vit: Run: blocks [%d, %d) of %d", from, to, len(m.Blocks)))
	}
	f := x.Tape().Frame()
	if windowed := min(to, len(m.Blocks)-1); m.Config.Window > 0 && from < windowed {
		prefix := m.Config.Prefix()
		waiting := autograd.Slice(x, 1, 0, prefix)          // [B, prefix, D]
		patches := autograd.Slice(x, 1, prefix, prefix+h*w) // [B, h·w, D]
		for ; from < windowed && x.Tape().Err() == nil; from++ {
			patches = f.Keep(m.inWindows(patches, h, w, from), waiting)
		}
		x = f.Keep(autograd.Concat(waiting, patches)) // [B, prefix+h·w, D]
	}
	for _, block := range m.Blocks[from:to] {
		if x.Tape().Err() != nil {
			break
		}
		x = f.Keep(block.Forward(x, nil))
	}
	return x
}

// inWindows applies block n to patches x [B, h·w, D], treating each window as an image.
func (m *Model) inWindows(x *autograd.Var, h, w, n int) *autograd.Var {
	side, images, d := m.Config.Window, x.Dim(0), x.Dim(2)
	shift := n % 2 * (side / 2)
	order, back := make([]int, images*h*w), make([]int, images*h*w) // patches window by window, and the inverse
	for i := range order {
		image, at := i/(h*w), i%(h*w)
		window, in := at/(side*side), at%(side*side)
		row := (window/(w/side)*side + in/side + shift) % h
		col := (window%(w/side)*side + in%side + shift) % w
		order[i], back[image*h*w+row*w+col] = row*w+col, at
	}
	f := x.Tape().Frame()
	windows := autograd.Reshape(autograd.Gather(x, order), -1, side*side, d)        // [B·windows, side², D]
	windows = f.Keep(m.Blocks[n].Forward(windows, nil))                             // [B·windows, side², D]
	return f.Keep(autograd.Gather(autograd.Reshape(windows, images, h*w, d), back)) // [B, h·w, D]
}
