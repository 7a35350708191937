package promptcam

import (
	"context"
	"fmt"
	"math"

	"github.com/promptcam/promptcam/autograd"
	"github.com/promptcam/promptcam/tensor"
	"github.com/promptcam/promptcam/vit/heat"
)

// Substitute says what class prompts read in the last block in place of a patch that is left out.
type Substitute int

const (
	// ByBaseline keeps the attention on the patch, and each head reads the baseline of the Question there.
	ByBaseline Substitute = iota
	// ByOthers puts nothing in its place: the attention on all else grows.
	ByOthers
	// ByMeanValue keeps the attention on the patch, and each head reads the mean of the patches' values there.
	ByMeanValue
	// ByMeanToken puts the mean of the patches' tokens in its place, with a key and a value of its own. It runs
	// the blocks from Model.Layer on again or, with class-agnostic prompts, the whole backbone.
	ByMeanToken
)

// LeaveOneOut returns by how much the margin of a Question falls when a patch is left out of the last block, for
// each patch alone: exact, without a gradient, at the cost of a row per patch and class through the end of the
// block. The falls do not sum to the margin. It panics as Evidence does, and for an unknown Substitute.
func (e *Explanation) LeaveOneOut(q Question, how Substitute) heat.Map {
	if how < ByBaseline || how > ByMeanToken {
		panic(fmt.Sprintf("promptcam: LeaveOneOut: substitute %d is unknown", how))
	}
	var mean meanToken
	if how == ByMeanToken {
		mean = e.meanToken()
	}
	patches, d := e.model.patches(), e.values.Dim(1)
	columns := e.values.Dim(0)
	width := d / e.Heads()
	falls := make([]float32, columns)
	for _, w := range e.weighted(q) {
		out := e.headOutputs(w.class, BlurPatches)
		read, in := out.sharp, e.baseline(w, q)
		if how == ByMeanValue {
			in = out.blurred
		}
		rows := tensor.New(1, patches+1, d) // without each patch, and with all
		for j := range patches {
			row := rows.Data()[j*d:][:d]
			key := columns - patches + j
			value := e.values.Data()[key*d:][:d]
			for h := range e.Heads() {
				a := e.attn.Select(0, h).Select(0, w.class).Data()[key]
				weight, norm := a, float32(1) // of what is read instead, and the sum of all attention
				switch how {
				case ByOthers:
					weight, norm = 0, 1-a
				case ByMeanToken:
					weight = a * mean.ratio(w.class, h, j)
					norm = 1 - a + weight
				}
				for i := h * width; i < (h+1)*width; i++ {
					instead := in[i]
					if how == ByMeanToken {
						instead = mean.value[i]
					}
					row[i] = (read[i] - a*value[i] + weight*instead) / norm
				}
				if norm < leastNorm { // all the attention is on the patch
					copy(row[h*width:(h+1)*width], out.blurred[h*width:])
				}
			}
		}
		copy(rows.Data()[patches*d:], read)
		scores := e.scoresOf(w.class, rows)
		for j := range patches {
			falls[columns-patches+j] += float32(w.weight) * (scores[patches] - scores[j])
		}
	}
	return e.model.heat(falls)
}

// leastNorm is the share of attention below which what is left says nothing.
const leastNorm = 1e-5

// scoresOf returns the scores of class c, were its prompt to read each of rows [1, R, D].
func (e *Explanation) scoresOf(c int, rows *tensor.Tensor) []float32 {
	tape := e.model.tape(context.Background())
	defer e.model.done(tape)
	z := tape.Const(e.z.Slice(0, c, c+1)) // [1, D]
	scores := e.model.score(e.model.last.Complete(z, tape.Const(rows)))
	return append([]float32(nil), scores.Value().Data()...)
}

// meanToken is the mean of the patches' tokens that enter the last block, as that block sees it.
type meanToken struct {
	query, keys, key, value []float32 // [C, D], [M, D], [D], [D]
	width, d                int
}

// ratio is how many times as much attention head h of class c's prompt gives the mean token in the place of patch
// j, before the attention is normalised again.
func (t meanToken) ratio(c, h, j int) float32 {
	var dot float64
	for i := h * t.width; i < (h+1)*t.width; i++ {
		dot += float64(t.query[c*t.d+i]) * float64(t.key[i]-t.keys[j*t.d+i])
	}
	return float32(math.Exp(min(dot/math.Sqrt(float64(t.width)), 80)))
}

func (e *Explanation) meanToken() meanToken {
	m := e.model
	tape := m.tape(context.Background())
	defer m.done(tape)
	x, z := e.entering(tape) // [1, prefix+M, D]
	patches, prefix, d := m.patches(), m.Backbone.Config.Prefix(), x.Dim(2)
	tokens := x.Value().Select(0, 0).Slice(0, prefix, prefix+patches) // [M, D]
	mean := tensor.New(1, 1, d)
	for i, v := range tokens.Contig().Data() {
		mean.Data()[i%d] += v / float32(patches)
	}
	all, one := m.last.Keys(tape.Const(tokens.Contig())), m.last.Keys(tape.Const(mean))
	clone := func(v *autograd.Var) []float32 { return append([]float32(nil), v.Value().Contig().Data()...) }
	return meanToken{
		query: clone(m.last.Query(z)), keys: clone(all.K), key: clone(one.K), value: clone(one.V), width: d / e.Heads(), d: d,
	}
}

// entering returns the tokens [1, prefix+M, D] and class prompts that enter the last block. It runs the blocks from
// Model.Layer on again or, with class-agnostic prompts, the whole backbone.
func (e *Explanation) entering(tape *autograd.Tape) (x, z *autograd.Var) {
	m := e.model
	x = tape.Const(e.input)
	if len(m.Agnostic) > 0 {
		x = m.tokens(x, nil)
	}
	return m.joint(x, m.prompts(tape, m.Class))
}
