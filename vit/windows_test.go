package vit

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/promptcam/promptcam/autograd"
	"github.com/promptcam/promptcam/autograd/gradcheck"
	"github.com/promptcam/promptcam/tensor/tensortest"
)

// windowed has 4 rows of 6 patches, and five tokens before them.
var windowed = with(tinyReg, func(c *Config) { c.ImageSize, c.Depth, c.Window = [2]int{16, 24}, 4, 2 })

// Each window is an image to its block: here the patches of some are picked by hand.
func TestWindowsSeeThemselves(t *testing.T) {
	m, images := random(t, windowed, 2)
	h, w := windowed.Grid()
	tp := &autograd.Tape{NoGrad: true}
	const prefix = 5
	before := m.Embed(tp.Const(images))
	for n, windows := range [][][]int{
		{{0, 1, 6, 7}, {4, 5, 10, 11}, {14, 15, 20, 21}},
		{{7, 8, 13, 14}, {11, 6, 17, 12}, {19, 20, 1, 2}, {23, 18, 5, 0}}, // half a window on, and round the border
		{{2, 3, 8, 9}},
	} {
		after := m.Run(before, h, w, n, n+1)
		for _, window := range windows {
			rows := make([]int, 0, 8)
			for range 2 {
				for _, i := range window {
					rows = append(rows, prefix+i)
				}
			}
			alone := m.Blocks[n].Forward(autograd.Gather(before, rows), nil)
			tensortest.Close(t, alone.Value(), autograd.Gather(after, rows).Value(), 1e-6)
		}
		assert.Equal(t, before.Value().Slice(1, 0, prefix).Contig().Data(), after.Value().Slice(1, 0, prefix).Contig().Data(), "class token and registers wait")
		before = after
	}
	// In the last block all see all.
	tensortest.Close(t, m.Blocks[3].Forward(before, nil).Value(), m.Run(before, h, w, 3, 4).Value(), 0)
	tensortest.Close(t, m.Tokens(tp.Const(images), 3).Value(), before.Value(), 0)
	assert.Same(t, before, m.Run(before, h, w, 2, 2), "no blocks")

	assert.PanicsWithError(t, "tensor: Run: shape [2 29 8]: want 13 rows and 4x2 patches in windows of 2x2", func() { m.Run(before, 4, 2, 0, 1) })
	assert.Panics(t, func() { m.Run(before, 3, 8, 0, 1) })
}

// What differs in one patch is seen no farther away than windows reach.
func TestWindowsKeepThingsNear(t *testing.T) {
	m, images := random(t, windowed, 1)
	other := images.Clone()
	for c := range 3 {
		other.Set(9, 0, c, 1, 1) // in patch 0
	}
	tp := &autograd.Tape{NoGrad: true}
	changed := func(n int) (rows []int) {
		a, b := m.Tokens(tp.Const(images), n).Value(), m.Tokens(tp.Const(other), n).Value()
		for i := range a.Dim(1) {
			if !slices.Equal(a.Select(1, i).Contig().Data(), b.Select(1, i).Contig().Data()) {
				rows = append(rows, i-windowed.Prefix())
			}
		}
		return rows
	}
	assert.Equal(t, []int{0}, changed(0))
	assert.Equal(t, []int{0, 1, 6, 7}, changed(1))
	assert.Equal(t, []int{0, 1, 2, 5, 6, 7, 8, 11, 12, 13, 14, 17, 18, 19, 20, 23}, changed(2))
	assert.Len(t, changed(4), windowed.Prefix()+24)
}

func TestGradientThroughWindows(t *testing.T) {
	m, images := random(t, windowed, 2)
	learned := []*autograd.Param{m.Blocks[0].Attn.QKV.Weight, m.Blocks[1].MLP.FC1.Weight, m.Position, m.Registers}
	for _, p := range learned {
		p.Frozen = false
	}
	off, err := gradcheck.Error(rand.New(rand.NewPCG(5, 6)), func(tp *autograd.Tape) *autograd.Var {
		tokens := m.Features(tp.Const(images))
		return autograd.CrossEntropy(autograd.Reshape(tokens, -1, windowed.Dim), make([]int, 2*(windowed.Prefix()+24)))
	}, learned...)
	require.NoError(t, err)
	assert.Less(t, off, 1e-3)
}
