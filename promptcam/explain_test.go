package promptcam

import (
	"context"
	"iter"
	"math"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/promptcam/promptcam/autograd"
	"github.com/promptcam/promptcam/data"
	"github.com/promptcam/promptcam/tensor"
)

// explain runs the model on normalised pixels [1, 3, H, W].
func (m *Model) explain(pixels *tensor.Tensor) *Explanation {
	tape := m.tape(context.Background())
	defer m.done(tape)
	all, err := m.explainAll(tape, &data.Batch{Values: pixels})
	if err != nil {
		panic(err)
	}
	return all[0]
}

func TestExplainAgreesWithForward(t *testing.T) {
	forEachConfig(t, func(t *testing.T, m *Model, g *golden) {
		scores, attn := forward(m, g.images.Value)
		for i := range g.labels {
			e := m.explain(g.images.Value.Slice(0, i, i+1).Contig())
			assert.Equal(t, scores.Select(0, i).Data(), e.Scores)
			assert.Equal(t, scores.Slice(0, i, i+1).ArgMax()[0], e.Predicted())
			for c := range m.Config.Classes {
				for h := range e.Heads() {
					heat, share := e.Heat(c, h), e.Share(c, h)
					assert.Equal(t, attn.Select(0, i).Select(0, h).Select(0, c).Clone().Data(), heat.Values)
					var sum float64
					for _, v := range heat.Values {
						sum += float64(v)
					}
					assert.InDelta(t, sum, share.Patches, 1e-6)
					assert.InDelta(t, 1, share.Patches+share.Prompts+share.CLS+share.Registers, 1e-5)
					if m.Config.PatchesOnly {
						assert.InDelta(t, 1, share.Patches, 1e-5)
					}
				}
			}
		}
	})
}

func TestExplainAnImage(t *testing.T) {
	g := openGolden(t, "dino")
	m := g.model()
	img := data.NewRGB(50, 40)
	for i := range img.Pix {
		img.Pix[i] = uint8(i * 7)
	}
	e, err := m.Explain(img)
	require.NoError(t, err)
	var sum float64
	for _, p := range e.Probabilities {
		sum += p
	}
	assert.InDelta(t, 1, sum, 1e-12)
	assert.Len(t, e.Top(99), m.Config.Classes)
	assert.True(t, slices.IsSortedFunc(e.Top(5), func(a, b int) int { return int(math.Copysign(1, float64(e.Scores[b]-e.Scores[a]))) }))

	assert.Equal(t, [2]int{-1, -1}, [2]int{e.Index, e.Label})
	assert.Same(t, img, e.Seen)

	m.Transform.ShortSide = 36
	e, err = m.Explain(img)
	require.NoError(t, err)
	assert.Equal(t, m.Transform.Apply(img, nil), e.Seen, "the middle")

	_, err = m.Explain(data.NewRGB(0, 0))
	assert.ErrorContains(t, err, "empty")
	m.Transform = data.EvalTransform([2]int{48, 48}, g.config.Mean, g.config.Std)
	_, err = m.Explain(img)
	assert.ErrorContains(t, err, "48x48 pixels, the backbone wants 32x32")
	m.Transform = data.EvalTransform([2]int{32, 32}, [3]float32{}, [3]float32{})
	_, err = m.Explain(img)
	assert.ErrorContains(t, err, "the transform does not normalise: its Std is 0")
}

// batches gives images, or tokens, in batches of two.
type batches struct {
	kind   data.Kind
	values *tensor.Tensor
	labels []int
}

func (b batches) Len() int     { return len(b.labels) }
func (b batches) Batches() int { return (len(b.labels) + 1) / 2 }
func (b batches) Epoch(context.Context, data.Plan) iter.Seq2[*data.Batch, error] {
	return func(yield func(*data.Batch, error) bool) {
		for i := 0; i < len(b.labels); i += 2 {
			end := min(i+2, len(b.labels))
			batch := &data.Batch{Kind: b.kind, Values: b.values.Slice(0, i, end).Clone(), Labels: b.labels[i:end], Index: tensorRange(end)[i:]}
			ok := yield(batch, nil)
			batch.Values.Fill(0) // it is valid until the next alone
			if !ok {
				return
			}
		}
	}
}

// The predictions of explanations, which keep the attention, have the bits of Evaluate, which does not.
func TestExplanationsPredictAsEvaluateDoes(t *testing.T) {
	forEachConfig(t, func(t *testing.T, m *Model, g *golden) {
		labels := make([]int, len(g.labels))
		for i := range labels {
			labels[i] = (2 * i) % m.Config.Classes
		}
		sources := []batches{{data.Images, g.images.Value, labels}}
		if n, ok := m.Layer(); ok {
			tape := &autograd.Tape{NoGrad: true}
			sources = append(sources, batches{data.Tokens, m.Backbone.Tokens(tape.Const(g.images.Value), n).Value(), labels})
		}
		for _, l := range sources {
			want, err := m.Evaluate(t.Context(), l, nil)
			require.NoError(t, err)
			got := NewEvaluation(m.Config.Classes)
			for e, err := range m.Explanations(t.Context(), l) {
				require.NoError(t, err)
				assert.Equal(t, labels[e.Index], e.Label)
				assert.Nil(t, e.Seen)
				got.Add(e)
			}
			assert.InDelta(t, want.Loss, got.Loss, 1e-6)
			got.Loss, got.loss = want.Loss, want.loss // which are rounded after each batch
			assert.Equal(t, want, got)
		}
		for e := range m.Explanations(t.Context(), sources[0]) {
			alone := m.explain(g.images.Value.Slice(0, 0, 1).Contig())
			assert.Equal(t, alone.ClassToken(), e.ClassToken())
			assert.Equal(t, alone.Rank(1, BlurPatches), e.Rank(1, BlurPatches), "after the batch has gone")
			break
		}
	})
}

func TestRankStopsAtTheSufficientTraits(t *testing.T) {
	forEachFamily(t, func(t *testing.T, g *golden) {
		m := g.model()
		for i := range g.labels {
			e := m.explain(g.images.Value.Slice(0, i, i+1).Contig())
			for class := range m.Config.Classes {
				r := e.Rank(class, BlurPatches)
				order := make([]int, len(r.Heads))
				for k, h := range r.Heads {
					order[k] = h.Head
				}
				assert.ElementsMatch(t, tensorRange(len(order)), order, "each head once")
				wins := func(keep int) bool { // with all but the first keep heads blurred
					blurred := make([]bool, len(order))
					for _, h := range order[keep:] {
						blurred[h] = true
					}
					scores := slices.Clone(e.Scores)
					scores[class] = scoreBlurred(e, class, BlurPatches, blurred)
					return top(scores, 1)[0] == class
				}
				if class != e.Predicted() {
					assert.Equal(t, -1, r.Sufficient)
					assert.False(t, e.Survives(class, BlurPatches), "it is not predicted at all")
					continue
				}
				assert.Equal(t, wins(0), e.Survives(class, BlurPatches))
				assert.Equal(t, wins(0), r.Sufficient == 0)
				for keep := len(order); keep >= r.Sufficient && r.Sufficient > 0; keep-- {
					assert.True(t, wins(keep))
				}
				if r.Sufficient > 0 {
					assert.False(t, wins(r.Sufficient-1))
				}
			}
		}
	})
}

func tensorRange(n int) []int {
	r := make([]int, n)
	for i := range r {
		r[i] = i
	}
	return r
}

func TestTopTakesTheFirstOfEquals(t *testing.T) {
	assert.Equal(t, []int{1, 3, 0}, top([]float32{2, 5, 1, 5}, 3))
	assert.Equal(t, 1, tensor.FromSlice([]float32{2, 5, 1, 5}, 1, 4).ArgMax()[0], "Evaluate and Train agree")
}

func TestExplainIsSafeForConcurrentUse(t *testing.T) {
	forEachConfig(t, func(t *testing.T, m *Model, g *golden) {
		image := func(i int) *tensor.Tensor { return g.images.Value.Slice(0, i, i+1).Contig() }
		rankings, subsets := make([]Ranking, len(g.labels)), make([]*Subsets, len(g.labels))
		var wg sync.WaitGroup
		for i := range g.labels {
			wg.Go(func() {
				e := m.explain(image(i))
				rankings[i], subsets[i] = e.Rank(e.Predicted(), BlurPatches), e.Subsets(0, BlurPatches)
			})
		}
		wg.Wait()
		for i, r := range rankings {
			e := m.explain(image(i))
			assert.Equal(t, e.Rank(e.Predicted(), BlurPatches), r)
			assert.Equal(t, e.Subsets(0, BlurPatches), subsets[i])
		}
	})
}
