package vit

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/promptcam/promptcam/autograd"
	"github.com/promptcam/promptcam/tensor"
	"github.com/promptcam/promptcam/tensor/checkpoint"
	"github.com/promptcam/promptcam/tensor/tensortest"
)

// random returns a model of architecture c with random weights, and n images for it.
func random(t *testing.T, c Config, n int) (*Model, *tensor.Tensor) {
	t.Helper()
	m, err := LoadFrom(weightsOf(c, c.posRows(), 11), c)
	require.NoError(t, err)
	return m, noise(rand.New(rand.NewPCG(12, 0)), n, 3, c.ImageSize[0], c.ImageSize[1])
}

// The weights and photographs are real; the numbers are PyTorch's.
func TestTheRealViTEqualsTimms(t *testing.T) {
	weights := shared(t, "weights", "vit_tiny_patch16_224.safetensors")
	f, err := checkpoint.Open(shared(t, "golden", "vit_tiny.safetensors"))
	require.NoError(t, err)
	defer f.Close()
	want := func(name string) *tensor.Tensor {
		v, err := f.Tensor(name)
		require.NoError(t, err)
		return v
	}
	c, err := Preset("augreg-vitti16")
	require.NoError(t, err)
	m, err := Load(weights, c)
	require.NoError(t, err)

	tp := &autograd.Tape{NoGrad: true}
	images := tp.Const(want("images"))
	tensortest.Close(t, want("logits"), m.Classify(images).Value(), 2e-3)
	tensortest.Close(t, want("tokens"), m.Features(images).Value(), 2e-3)

	x, last := m.Embed(images), c.Depth-1
	for _, b := range m.Blocks[:last] {
		x = b.Forward(x, nil)
	}
	q, kv := m.Blocks[last].Project(x)
	_, attn := autograd.Attention(q, c.Heads, kv)
	tensortest.Close(t, want("attn_last"), attn, 1e-4)
}

func TestClassifyReadsTheClassToken(t *testing.T) {
	m, images := random(t, tinyHead, 3)
	tp := &autograd.Tape{NoGrad: true}
	scores := m.Classify(tp.Const(images)).Value()
	tokens := m.Features(tp.Const(images)).Value() // [B, 1+M, D]
	class := tokens.Select(1, 0).Clone()           // [B, D]
	tensortest.Close(t, m.Head.Forward(tp.Const(class)).Value(), scores, 1e-6)

	alone := m.Classify(tp.Const(images.Slice(0, 1, 2).Contig())).Value()
	assert.Equal(t, scores.Slice(0, 1, 2).Data(), alone.Data())

	bare, images := random(t, tiny, 1)
	assert.PanicsWithValue(t, `vit: Classify: model "tiny" was loaded without a classifier (Config.Labels is 0)`, func() { bare.Classify(tp.Const(images)) })
}

func TestEmbedOrdersClassRegistersPatches(t *testing.T) {
	m, images := random(t, tinyReg, 2)
	tp := &autograd.Tape{NoGrad: true}
	x := m.Embed(tp.Const(images)).Value() // [B, 1+4+M, D]
	h, w := tinyReg.Grid()
	assert.Equal(t, []int{2, tinyReg.Prefix() + h*w, tinyReg.Dim}, x.Shape())
	for b := range 2 {
		rows := x.Select(0, b)
		assert.Equal(t, m.ClassToken.Value.Select(0, 0), rows.Slice(0, 0, 1).Clone(), "no position")
		assert.Equal(t, m.Registers.Value.Select(0, 0), rows.Slice(0, 1, 5).Clone(), "no position")
	}
	patches := m.Patch.Forward(tp.Const(images)).Value().Add(m.Position.Value)
	tensortest.Close(t, patches, x.Slice(1, 5, x.Dim(1)).Clone(), 1e-6)

	assert.PanicsWithError(t, "tensor: Embed: shape [2 3 4 4]: want images [B, 3, 12, 12]", func() { m.Embed(tp.Const(tensor.New(2, 3, 4, 4))) })
	assert.PanicsWithError(t, "tensor: Embed: shape [3 12 12]: want images [B, 3, 12, 12]", func() { m.Embed(tp.Const(tensor.New(3, 12, 12))) })
}

// Blocks one after the other, from whichever tokens one begins with, end in the same ones.
func TestTokensEnterTheirBlock(t *testing.T) {
	m, images := random(t, tinyReg, 2)
	tp := &autograd.Tape{NoGrad: true}
	x := m.Embed(tp.Const(images))
	for n, b := range m.Blocks {
		assert.Equal(t, x.Value().Data(), m.Tokens(tp.Const(images), n).Value().Data())
		x = b.Forward(x, nil)
	}
	last := m.Tokens(tp.Const(images), tinyReg.Depth)
	assert.Equal(t, x.Value().Data(), last.Value().Data())
	assert.Equal(t, m.Norm.Forward(last).Value().Data(), m.Features(tp.Const(images)).Value().Data())
	assert.PanicsWithValue(t, "vit: Tokens: block 3 of 2", func() { m.Tokens(tp.Const(images), 3) })
	for _, blocks := range [][2]int{{-1, 1}, {0, 3}, {2, 1}} {
		assert.PanicsWithValue(t, fmt.Sprintf("vit: Run: blocks [%d, %d) of 2", blocks[0], blocks[1]), func() {
			h, w := m.Config.Grid()
			m.Run(m.Embed(tp.Const(images)), h, w, blocks[0], blocks[1])
		})
	}
	assert.PanicsWithValue(t, "vit: Tokens: block -1 of 2", func() { m.Tokens(tp.Const(images), -1) })
}

// The class token alone is the first row of the whole last block, and so is where it looks.
func TestClassIsTheFirstRow(t *testing.T) {
	for _, c := range []Config{tiny, tinyReg, tinyClip, tinyDINO} {
		m, images := random(t, c, 2)
		tp := &autograd.Tape{NoGrad: true}
		x := m.Tokens(tp.Const(images), c.Depth-1)
		q, kv := m.Blocks[c.Depth-1].Project(x)
		_, all := autograd.Attention(q, c.Heads, kv) // [B, H, R, R]
		class, got := m.Class(x)                     // [B, 1, D], [B, H, R]
		assert.Equal(t, []int{2, c.Heads, x.Dim(1)}, got.Shape())
		tensortest.Close(t, all.Select(2, 0).Clone(), got, 1e-6)
		assert.Equal(t, m.Features(tp.Const(images)).Value().Slice(1, 0, 1).Clone(), class.Value().Clone())
	}
}

// Rows that are only looked at, and rows of a block in two parts, give what one sequence gives.
func TestBlockInPartsEqualsTheWhole(t *testing.T) {
	for _, c := range []Config{tiny, tinyClip, tinyDINO} {
		m, images := random(t, c, 2)
		tp := &autograd.Tape{NoGrad: true}
		x := m.Embed(tp.Const(images)) // [B, 10, D]
		whole := m.Blocks[0].Forward(x, nil).Value()
		a, b := autograd.Concat(autograd.Slice(x, 1, 0, 4)), autograd.Concat(autograd.Slice(x, 1, 4, 10)) // contiguous
		tensortest.Close(t, whole.Slice(1, 0, 4).Clone(), m.Blocks[0].Forward(a, b).Value(), 1e-5)
		tensortest.Close(t, whole.Slice(1, 4, 10).Clone(), m.Blocks[0].Forward(b, a).Value(), 1e-5)
	}
}

// What a damaged file says of its backbone must not decide how much memory is taken.
func TestLoadTakesNoMemoryForWeightsThatAreNotThere(t *testing.T) {
	huge := with(tiny, func(c *Config) { c.Dim, c.Hidden, c.Depth = 1<<14, 1<<14, 5 })
	require.NoError(t, huge.Validate())
	weights := weightsOf(tiny, 10, 13)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := LoadFrom(weights, huge)
	runtime.ReadMemStats(&after)
	assert.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(1<<20))
	assert.ErrorContains(t, err, `the weights are a ViT of 2 blocks of width 8 with patches of 4 pixels, architecture "tiny" is a ViT of 5 blocks of width 16384`)
}
