package vit

import (
	"fmt"

	"github.com/promptcam/promptcam/autograd"
	"github.com/promptcam/promptcam/tensor"
)

// Run updates the tokens x [B, prefix+h·w, D] of images with h rows and w columns of patches, which
// need not be Config's, by the blocks from, counted from 0, to to-1. It does not release x. It panics if x has
// other rows or Config.Window does not divide h and w.
//
// With Config.Window, patches see in all blocks but the last those of their window alone, and the
// class token and registers wait for that last block (ViTDet's windows, Li et al., arXiv 2203.16527;
// shifted by half in every other block as Swin's, Liu et al., arXiv 2103.14030; a late class token as
// CaiT's, Touvron et al., arXiv 2103.17239). So a patch's token tells of what is near it, and what the
// class token or a prompt looks at is where its evidence is: without, any patch may come to hold
// what another shows. A shifted window at the far border goes on at the near one and, unlike Swin's, sees both.
// Stochastic depth leaves out the branches of windows, not of images.
func (m *Model) Run(x *autograd.Var, h, w, from, to int) *autograd.Var {
	if m.Config.Window > 0 && (x.Dim(1) != m.Config.Prefix()+h*w || h%m.Config.Window != 0 || w%m.Config.Window != 0) {
		panic(&tensor.ShapeError{Op: "Run", Shapes: [][]int{x.Shape()}, Reason: fmt.Sprintf("want %d rows and %dx%d patches in windows of %dx%[4]d", m.Config.Prefix()+h*w, h, w, m.Config.Window)})
	}
	y := x
	turn := func(next *autograd.Var) {
		if y != x {
			y.Release()
		}
		y = next
	}
	if windowed := min(to, len(m.Blocks)-1); m.Config.Window > 0 && from < windowed {
		prefix := m.Config.Prefix()
		waiting := autograd.Slice(x, 1, 0, prefix)     // [B, prefix, D]
		turn(autograd.Slice(x, 1, prefix, prefix+h*w)) // [B, h·w, D]
		for ; from < windowed; from++ {
			turn(m.inWindows(y, h, w, from))
		}
		turn(autograd.Concat(waiting, y)) // [B, prefix+h·w, D]
		waiting.Release()
	}
	for _, block := range m.Blocks[from:to] {
		turn(block.Forward(y, nil))
	}
	return y
}

// inWindows updates patches x [B, h·w, D] by block n, each window as if it were an image.
func (m *Model) inWindows(x *autograd.Var, h, w, n int) *autograd.Var {
	side, images, d := m.Config.Window, x.Dim(0), x.Dim(2)
	shift := n % 2 * (side / 2)
	order, back := make([]int, images*h*w), make([]int, images*h*w) // patches window by window, and where each is in that order
	for i := range order {
		image, at := i/(h*w), i%(h*w)
		window, in := at/(side*side), at%(side*side)
		row := (window/(w/side)*side + in/side + shift) % h
		col := (window%(w/side)*side + in%side + shift) % w
		order[i], back[image*h*w+row*w+col] = row*w+col, at
	}
	apart := autograd.Gather(x, order)                   // [B, h·w, D]
	windows := autograd.Reshape(apart, -1, side*side, d) // [B·windows, side², D]
	updated := m.Blocks[n].Forward(windows, nil)         // [B·windows, side², D]
	apart.Release()
	windows.Release()
	together := autograd.Reshape(updated, images, h*w, d) // [B, h·w, D]
	y := autograd.Gather(together, back)                  // [B, h·w, D]
	updated.Release()
	together.Release()
	return y
}
