package promptcam

import (
	"context"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/promptcam/promptcam/autograd"
	"github.com/promptcam/promptcam/tensor"
)

// Leaving a patch out equals the whole last block with altered keys and values.
func TestLeaveOneOutEqualsTheWholeBlock(t *testing.T) {
	forEachConfig(t, func(t *testing.T, m *Model, g *golden) {
		referred(t, m, g)
		pixels := g.images.Value.Slice(0, 1, 2).Contig()
		e := m.explain(pixels)
		q := Between(1, 3)
		tape := m.tape(context.Background())
		defer m.done(tape)
		x, z := m.joint(m.tokens(tape.Const(pixels), nil), m.prompts(tape, m.Class))
		prefix, patches, d := m.Backbone.Config.Prefix(), m.patches(), x.Dim(2)
		mean := func(rows *tensor.Tensor) []float32 {
			sum := make([]float32, d)
			for i, v := range rows.Contig().Data() {
				sum[i%d] += v / float32(patches)
			}
			return sum
		}
		for how := ByBaseline; how <= ByMeanToken; how++ {
			falls := e.LeaveOneOut(q, how)
			for _, j := range []int{0, 3, patches - 1} {
				var margin float64
				for _, w := range e.weighted(q) {
					tokens := x.Value().Clone()
					if how == ByMeanToken {
						all := tokens.Select(0, 0)
						copy(all.Select(0, prefix+j).Data(), mean(all.Slice(0, prefix, prefix+patches)))
					}
					l := m.enter(tape.Const(tokens), z)
					kv := &l.kv[len(l.kv)-1]
					rows := kv.V.Dim(1)
					at := rows - patches + j
					values := kv.V.Value().Clone()
					row := values.Select(0, 0).Select(0, at).Data()
					switch how {
					case ByBaseline:
						copy(row, e.baseline(w, q))
					case ByMeanValue:
						copy(row, mean(values.Select(0, 0).Slice(0, rows-patches, rows)))
					}
					kv.V = tape.Const(values)
					if how == ByOthers {
						without := func(t *tensor.Tensor) *autograd.Var {
							return tape.Const(joined(1, t.Slice(1, 0, at), t.Slice(1, at+1, rows)))
						}
						*kv = autograd.KV{K: without(kv.K.Value()), V: without(values)}
					}
					margin += w.weight * float64(l.scores().Value().At(0, w.class))
				}
				want := float64(e.Scores[1]-e.Scores[3]) - margin
				assert.InDelta(t, want, falls.Values[j], 1e-5, "substitute %d of patch %d", how, j)
			}
		}
	})
}
