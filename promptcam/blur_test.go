package promptcam

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/promptcam/promptcam/autograd"
	"github.com/promptcam/promptcam/nn"
	"github.com/promptcam/promptcam/tensor"
	"github.com/promptcam/promptcam/vit"
)

func TestBlurRefusesWhatIsNot(t *testing.T) {
	g := openGolden(t, "dino")
	e := g.model().explain(g.images.Value.Slice(0, 0, 1).Contig())
	for _, f := range []func(class int, blur Blur){
		func(class int, blur Blur) { e.Rank(class, blur) },
		func(class int, blur Blur) { e.Survives(class, blur) },
		func(class int, blur Blur) { e.Subsets(class, blur) },
		func(class int, blur Blur) { e.SubsetsAgainst(class, 1, blur) },
		func(class int, blur Blur) { e.SubsetsAgainst(1, class, blur) },
	} {
		assert.PanicsWithValue(t, "promptcam: class 5, want 0 to 4", func() { f(5, BlurPatches) })
		assert.PanicsWithValue(t, "promptcam: class -1, want 0 to 4", func() { f(-1, BlurPatches) })
		assert.PanicsWithValue(t, "promptcam: blur 7 is unknown", func() { f(0, 7) })
	}
}

// scoreBlurred returns the score of a class with a choice of heads blurred.
func scoreBlurred(e *Explanation, class int, blur Blur, choice []bool) float32 {
	return e.blurred(class, e.headOutputs(class, blur), [][]bool{choice})[0]
}

// wholeLayer returns the scores [C] that the whole last layer gives, all classes' rows of it, when the attention
// weights of these classes' rows are replaced in each blurred head.
func wholeLayer(e *Explanation, blur Blur, blurred []bool, classes ...int) []float32 {
	m, heads, d := e.model, e.Heads(), e.values.Dim(1)
	attn, y := e.attn.Clone(), tensor.New(1, len(e.Scores), d)
	for h := range heads {
		for _, class := range classes {
			if blurred[h] {
				row := attn.Select(0, h).Select(0, class)
				from := 0
				if blur == BlurPatches {
					from = row.Len() - m.patches()
				}
				row.Fill(0)
				row.Slice(0, from, row.Len()).Fill(1 / float32(row.Len()-from))
			}
		}
		gathered := attn.Select(0, h).MatMul(e.values.Slice(1, h*d/heads, (h+1)*d/heads)) // [C, d]
		tensor.CopyTo(y.Select(0, 0).Slice(1, h*d/heads, (h+1)*d/heads), gathered)
	}
	tp := &autograd.Tape{NoGrad: true}
	return m.score(m.last.Complete(tp.Const(e.z), tp.Const(y))).Value().Data()
}

// eachSubset calls f for each choice of heads to blur, whose number has the bits of the blurred heads.
func eachSubset(heads int, f func(number int, blurred []bool)) {
	for number := range 1 << heads {
		blurred := make([]bool, heads)
		for h := range blurred {
			blurred[h] = number>>h&1 == 1
		}
		f(number, blurred)
	}
}

// forEachModel runs f on the models of forEachConfig, also with LayerScale and registers, and of forEachFamily, of
// which one has QuickGELU.
func forEachModel(t *testing.T, f func(t *testing.T, m *Model, g *golden)) {
	forEachConfig(t, f)
	t.Run("LayerScale and registers", func(t *testing.T) {
		forEachConfig(t, func(t *testing.T, m *Model, g *golden) {
			b, rng := m.Backbone, rand.New(rand.NewPCG(5, 6))
			b.Config.Registers = 2
			b.Registers = nn.NewParam(1, 2, b.Config.Dim)
			nn.Uniform(rng, b.Registers, 1)
			for _, scale := range []**vit.LayerScale{&m.last.LS1, &m.last.LS2} {
				*scale = &vit.LayerScale{Gamma: nn.NewParam(b.Config.Dim)}
				nn.Uniform(rng, (*scale).Gamma, 2)
			}
			nn.Freeze(b)
			f(t, m, g)
		})
	})
	forEachFamily(t, func(t *testing.T, g *golden) { f(t, g.model(), g) })
}

// The score after blurring must be that of the whole last layer, and the other classes' scores do not move.
func TestBlurredEqualsTheWholeLayer(t *testing.T) {
	forEachModel(t, func(t *testing.T, m *Model, g *golden) {
		e := m.explain(g.images.Value.Slice(0, 2, 3).Contig())
		const class, other = 1, 2
		for _, blur := range []Blur{BlurPatches, BlurAll} {
			subsets, against := e.Subsets(class, blur), e.SubsetsAgainst(class, other, blur)
			assert.Len(t, subsets.Values, 1<<e.Heads())
			eachSubset(e.Heads(), func(number int, blurred []bool) {
				want := wholeLayer(e, blur, blurred, class)
				assert.InDelta(t, want[class], scoreBlurred(e, class, blur, blurred), 1e-5)
				assert.InDelta(t, want[class], subsets.Values[number], 1e-5)
				for c, score := range e.Scores {
					if c != class {
						assert.InDelta(t, want[c], score, 1e-5)
					}
				}
				both := wholeLayer(e, blur, blurred, class, other)
				assert.InDelta(t, both[class]-both[other], against.Values[number], 1e-5)
			})
			assert.Equal(t, float64(e.Scores[class]), subsets.Values[0], "as predicted")
			assert.Equal(t, float64(e.Scores[class])-float64(e.Scores[other]), against.Values[0])
		}
	})
}
