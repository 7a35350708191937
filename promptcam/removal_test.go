package promptcam

import (
	"context"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/promptcam/promptcam/autograd"
	"github.com/promptcam/promptcam/nn"
	"github.com/promptcam/promptcam/tensor"
	"github.com/promptcam/promptcam/tensor/tensortest"
	"github.com/promptcam/promptcam/vit"
)

// masked computes the scores with all rows in one sequence, prompts first, where the removed patches stay but no
// row attends to them. Attention is in float64.
func masked(m *Model, images *tensor.Tensor, removed [][]int) *tensor.Tensor {
	tp := &autograd.Tape{NoGrad: true}
	x := m.Backbone.Embed(tp.Const(images)) // [B, T, D]
	b, tokens, prefix, last := x.Dim(0), x.Dim(1), m.Backbone.Config.Prefix(), len(m.Backbone.Blocks)-1
	row := func(p *autograd.Param) *autograd.Var {
		return tp.Const(p.Value.Reshape(1, p.Value.Dim(0), p.Value.Dim(1)).Expand(b, p.Value.Dim(0), p.Value.Dim(1)))
	}
	for n, block := range m.Backbone.Blocks {
		agnostic := 0
		switch {
		case n == m.first:
			x = autograd.Concat(row(m.Class), x)
		case n < m.first && len(m.Agnostic) > 0:
			agnostic = m.Config.Agnostic
			x = autograd.Concat(row(m.Agnostic[n]), x)
		}
		if n == last {
			block = m.last
		}
		q, kv := block.Project(x)
		patches := x.Dim(1) - tokens + prefix // the row of the first
		y := tensor.New(x.Shape()...)
		for i := range b {
			sees := make([]bool, x.Dim(1)) // all rows see the same
			for col := range sees {
				sees[col] = col >= patches || n < last || !m.Config.PatchesOnly
			}
			for _, p := range removed[i] {
				sees[patches+p] = false
			}
			attend(y.Select(0, i), q.Value().Select(0, i), kv.K.Value().Select(0, i), kv.V.Value().Select(0, i), block.Heads, sees)
		}
		x = block.Complete(x, tp.Const(y))
		x = autograd.Concat(autograd.Slice(x, 1, agnostic, x.Dim(1)))
	}
	return m.score(autograd.Concat(autograd.Slice(x, 1, 0, m.Config.Classes))).Value()
}

// attend is multi-head attention of rows q to the rows k and v that are seen, [R, D] each.
func attend(y, q, k, v *tensor.Tensor, heads int, sees []bool) {
	d := q.Dim(1) / heads
	part := func(t *tensor.Tensor, row, h int) []float32 { return t.Select(0, row).Data()[h*d:][:d] }
	for h := range heads {
		for r := range q.Dim(0) {
			var sum float64
			out := make([]float64, d)
			for col, seen := range sees {
				if !seen {
					continue
				}
				var dot float64
				key := part(k, col, h)
				for j, a := range part(q, r, h) {
					dot += float64(a) * float64(key[j])
				}
				w := math.Exp(dot / math.Sqrt(float64(d)))
				sum += w
				for j, a := range part(v, col, h) {
					out[j] += w * float64(a)
				}
			}
			for j, o := range out {
				part(y, r, h)[j] = float32(o / sum)
			}
		}
	}
}

// removals draws n patches for each of a number of images.
func removals(rng *rand.Rand, m *Model, images, n int) [][]int {
	all := make([][]int, images)
	for i := range all {
		all[i] = rng.Perm(m.patches())[:n]
	}
	return all
}

// To remove patches is to let no row attend to them in any block.
func TestScoresWithoutEqualsAMaskInEveryBlock(t *testing.T) {
	check := func(t *testing.T, m *Model, images *tensor.Tensor) {
		rng := rand.New(rand.NewPCG(5, 6))
		tensortest.Close(t, masked(m, images, make([][]int, images.Dim(0))), m.scoresWithoutNone(t, images), 1e-5)
		for _, n := range []int{1, m.patches() / 2, m.patches() - 1} {
			removed := removals(rng, m, images.Dim(0), n)
			got, err := m.ScoresWithout(t.Context(), images, removed)
			require.NoError(t, err)
			tensortest.Close(t, masked(m, images, removed), got, 1e-5)
			assert.NotEqual(t, m.scoresWithoutNone(t, images), got)
			for i := range removed {
				one, err := m.ScoresWithout(t.Context(), images.Slice(0, i, i+1).Contig(), removed[i:i+1])
				require.NoError(t, err)
				assert.Equal(t, got.Select(0, i).Data(), one.Data(), "alone as in a batch")
			}
		}
	}
	forEachConfig(t, func(t *testing.T, m *Model, g *golden) {
		for _, patchesOnly := range []bool{false, true} {
			m.Config.PatchesOnly = patchesOnly
			check(t, m, g.images.Value)
		}
		b := m.Backbone
		b.Config.Registers = 2
		b.Registers = nn.NewParam(1, 2, b.Config.Dim)
		nn.Uniform(rand.New(rand.NewPCG(3, 4)), b.Registers, 1)
		nn.Freeze(b)
		check(t, m, g.images.Value)
	})
	forEachFamily(t, func(t *testing.T, g *golden) { check(t, g.model(), g.images.Value) })
}

// scoresWithoutNone returns ScoresWithout of no patches, which are Scores, to the bit.
func (m *Model) scoresWithoutNone(t *testing.T, images *tensor.Tensor) *tensor.Tensor {
	got, err := m.ScoresWithout(t.Context(), images, make([][]int, images.Dim(0)))
	require.NoError(t, err)
	tp := &autograd.Tape{NoGrad: true}
	assert.Equal(t, m.Scores(tp.Const(images)).Value().Data(), got.Data())
	return got
}

// What is removed leaves no trace: other pixels there give the same scores.
func TestRemovedPixelsDoNotMatter(t *testing.T) {
	forEachConfig(t, func(t *testing.T, m *Model, g *golden) {
		images := g.images.Value.Clone()
		removed := make([][]int, images.Dim(0))
		for i := range removed {
			removed[i] = []int{0} // the upper left
		}
		want, err := m.ScoresWithout(t.Context(), images, removed)
		require.NoError(t, err)
		p := m.Backbone.Config.PatchSize
		images.Slice(2, 0, p).Slice(3, 0, p).Fill(7)
		got, err := m.ScoresWithout(t.Context(), images, removed)
		require.NoError(t, err)
		assert.Equal(t, want, got)
	})
}

func TestScoresWithoutEndsBetweenBlocks(t *testing.T) {
	forEachConfig(t, func(t *testing.T, m *Model, g *golden) {
		removed := removals(rand.New(rand.NewPCG(5, 6)), m, len(g.labels), 2)
		all := &ending{Context: context.Background(), after: 1 << 20}
		want, err := m.ScoresWithout(all, g.images.Value, removed)
		require.NoError(t, err)
		assert.GreaterOrEqual(t, all.asked, len(m.Backbone.Blocks)-1)
		for after := range all.asked {
			_, err := m.ScoresWithout(&ending{Context: context.Background(), after: after}, g.images.Value, removed)
			assert.ErrorIs(t, err, context.DeadlineExceeded)
		}
		got, err := m.ScoresWithout(t.Context(), g.images.Value, removed)
		require.NoError(t, err)
		assert.Equal(t, want, got)
	})
}

func TestScoresWithoutRejects(t *testing.T) {
	g := openGolden(t, "dino")
	m := g.model()
	one := g.images.Value.Slice(0, 0, 2).Contig()
	every := removals(rand.New(rand.NewPCG(5, 6)), m, 2, m.patches())
	for want, removed := range map[string][][]int{
		"1 lists of patches for 2 images":                               {{1}},
		"image 1 loses 2 of 16 patches, the first 1: want equally many": {{1}, {1, 2}},
		"image 0 loses 16 of 16 patches":                                every,
		"image 1 loses patches [2 2]: want each once, from 0 to 15":     {{1, 2}, {2, 2}},
		"image 0 loses patches [16]":                                    {{16}, {2}},
		"image 0 loses patches [-1]":                                    {{-1}, {2}},
	} {
		func() {
			defer func() { assert.Contains(t, recover(), want) }()
			_, _ = m.ScoresWithout(t.Context(), one, removed)
		}()
	}

	m.Class.Value.Select(0, 2).Fill(float32(math.NaN()))
	_, err := m.ScoresWithout(t.Context(), one, [][]int{{1}, {2}})
	var bad *ScoreError
	require.ErrorAs(t, err, &bad)
	assert.Equal(t, 0, bad.Index)

	c := m.Backbone.Config
	c.ImageSize, c.Window = [2]int{4 * c.PatchSize, 6 * c.PatchSize}, 2
	b, err := vit.New(c, rand.New(rand.NewPCG(7, 8)))
	require.NoError(t, err)
	m, err = New(b, Config{Mode: Last, Classes: 3}, rand.New(rand.NewPCG(1, 2)))
	require.NoError(t, err)
	_, err = m.ScoresWithout(t.Context(), tensor.New(1, 3, c.ImageSize[0], c.ImageSize[1]), [][]int{{1}})
	assert.EqualError(t, err, "promptcam: patches cannot be removed: the backbone's blocks see windows of 2x2 patches, and all of these must be there: want a backbone without windows")
}
