package promptcam

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"image"
	"iter"
	"math"
	"slices"

	"github.com/promptcam/promptcam/autograd"
	"github.com/promptcam/promptcam/data"
	"github.com/promptcam/promptcam/tensor"
	"github.com/promptcam/promptcam/vit/heat"
)

// Explanation is the result of one forward pass for one image: every class's score, where each head
// of each class's prompt looks, and enough of the last layer to compute the scores with heads blurred.
// It refers to the model, so it is valid until the model is trained further. Its methods are safe
// for concurrent use; they panic for a class or head that does not exist.
type Explanation struct {
	Scores        []float32 // [C]
	Probabilities []float64 // [C], their softmax

	// Seen is the part of the photograph that the model saw: the whole photograph where the transform
	// only stretches it. It is nil if the explanation is of a loader's image.
	Seen image.Image
	// Index is the position in the loader's items, and Label the true class. Both are -1 from Explain;
	// whoever knows the class may set Label.
	Index, Label int

	model *Model
	attn  *tensor.Tensor // [H, C, columns] of the last layer: a column per row that Model.see returns
	value *tensor.Tensor // [columns, D]: what each column contributes
	rows  *tensor.Tensor // [C, D]: the class prompts that enter the last layer
	input *tensor.Tensor // for ClassToken: [1, prefix+M, D], as the tokens that enter Layer, or [1, 3, H, W]
}

// Explain runs the model on a photograph of any size, which it transforms by m.Transform. It returns an
// error for an empty image, or if m.Info is not valid. It is safe for concurrent use.
func (m *Model) Explain(img image.Image) (*Explanation, error) {
	if err := m.Info().Validate(); err != nil {
		return nil, fmt.Errorf("promptcam: explain: %w", err)
	}
	if img.Bounds().Empty() {
		return nil, fmt.Errorf("promptcam: explain: the image is empty")
	}
	t := m.Transform
	input := t.Apply(data.ToRGB(img), nil)
	pixels := tensor.New(1, 3, t.Height, t.Width)
	t.Normalise(pixels.Data(), input)
	e := m.explain(pixels)
	if e.Seen = input; t.ShortSide == 0 && t.ResizeWidth == 0 {
		e.Seen = img
	}
	return e, nil
}

// Explanations explains all images of l, or their tokens, in the order of its batches. Predictions,
// maps, measures and samples of a report can all be made in this one pass; to score images alone,
// [Model.Evaluate] is cheaper. The error that ends it is one of l, or is about images of
// another size, tokens that do not enter m's Layer, or classes that m does not have.
func (m *Model) Explanations(ctx context.Context, l Batches) iter.Seq2[*Explanation, error] {
	return func(yield func(*Explanation, error) bool) {
		tape := m.tape()
		defer m.done(tape)
		for batch, err := range l.Epoch(ctx, data.Plan{}) {
			if err == nil {
				err = m.accepts(batch)
			}
			if err != nil {
				yield(nil, err)
				return
			}
			labels, index := slices.Clone(batch.Labels), slices.Clone(batch.Index)
			explained := m.explainAll(tape, batch)
			tape.Reset()
			for i, e := range explained {
				e.Index, e.Label = index[i], labels[i]
				if !yield(e, nil) {
					return
				}
			}
		}
	}
}

// explain runs the model on normalised pixels [1, 3, H, W].
func (m *Model) explain(pixels *tensor.Tensor) *Explanation {
	tape := m.tape()
	defer m.done(tape)
	return m.explainAll(tape, &data.Batch{Values: pixels})[0]
}

// explainAll explains each image of a batch that m accepts.
func (m *Model) explainAll(tape *autograd.Tape, b *data.Batch) []*Explanation {
	all := make([]*Explanation, b.Values.Dim(0))
	x := tape.Const(b.Values)
	if b.Kind != data.Tokens {
		x = m.tokens(x) // [B, prefix+M, D]
	}
	input := x.Value()
	if len(m.Agnostic) > 0 { // the tokens have seen prompts, which the class token's maps must not
		input = b.Values
	}
	for i := range all {
		all[i] = &Explanation{Index: -1, Label: -1, model: m, input: input.Slice(0, i, i+1).Clone()}
	}
	x, z := m.carry(tape.Frame(), x, m.prompts(x, m.Class))
	q, see := m.see(x, z)
	y, attn := m.last.Attention(z, q, see...) // [B, C, D], [B, H, C, columns]
	scores := m.score(y).Value()              // [B, C]
	for i, e := range all {
		e.value = tensor.New(attn.Dim(3), m.Backbone.Config.Dim)
		row := 0
		for _, s := range see {
			v := of(s.V.Value(), i) // [rows, D]
			tensor.CopyTo(e.value.Slice(0, row, row+v.Dim(0)), v)
			row += v.Dim(0)
		}
		e.Scores = slices.Clone(scores.Select(0, i).Data())
		e.Probabilities = softmax(e.Scores)
		e.attn = attn.Select(0, i).Clone() // [H, C, columns]
		e.rows = of(z.Value(), i).Clone()
	}
	return all
}

// of returns image i of [B, R, D]; rows [R, D] are the same for every image.
func of(t *tensor.Tensor, i int) *tensor.Tensor {
	if t.Rank() == 3 {
		return t.Select(0, i)
	}
	return t
}

// softmax is in float64, so that a report's probabilities lose no digits.
func softmax(scores []float32) []float64 {
	top := float64(slices.Max(scores))
	p := make([]float64, len(scores))
	var sum float64
	for i, s := range scores {
		p[i] = math.Exp(float64(s) - top)
		sum += p[i]
	}
	for i := range p {
		p[i] /= sum
	}
	return p
}

// Predicted returns the class with the highest score.
func (e *Explanation) Predicted() int { return e.Top(1)[0] }

// Top returns the n classes with the highest scores, best first; all of them if there are no more than n.
func (e *Explanation) Top(n int) []int { return top(e.Scores, n) }

// top returns the positions of the n largest scores, the first of equals first.
func top(scores []float32, n int) []int {
	order := make([]int, len(scores))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(scores[b], scores[a]) })
	return order[:min(n, len(order))]
}

// Heads returns H, the number of attention heads.
func (e *Explanation) Heads() int { return e.attn.Dim(0) }

// Heat returns where one head of a class's prompt looks: over the patches, each value a share of
// that head's attention. Heads are never averaged.
func (e *Explanation) Heat(class, head int) heat.Map {
	return e.model.overPatches(e.attn.Select(0, head).Select(0, class).Data())
}

// overPatches returns the map of an attention row, which ends with the patches.
func (m *Model) overPatches(row []float32) heat.Map {
	h, w := m.Backbone.Config.Grid()
	return heat.Map{W: w, H: h, Values: slices.Clone(row[len(row)-h*w:])}
}

// ClassToken returns where the heads of the backbone's own class token look in its last layer, one map
// per head, without any prompts: what Prompt-CAM's maps are compared with. Each call computes
// the layers from m.Layer on again, or with class-agnostic prompts the whole backbone.
func (e *Explanation) ClassToken() []heat.Map {
	m := e.model
	b, last := m.Backbone, len(m.Backbone.Blocks)-1
	tape := m.tape()
	defer m.done(tape)
	x := tape.Const(e.input)
	if len(m.Agnostic) > 0 {
		x = b.Tokens(x, last)
	} else {
		h, w := b.Config.Grid()
		x = b.Run(x, h, w, m.first, last)
	}
	_, attn := b.Class(x)
	attn = attn.Select(0, 0) // [H, prefix+M]
	maps := make([]heat.Map, attn.Dim(0))
	for h := range maps {
		maps[h] = m.overPatches(attn.Select(0, h).Data())
	}
	return maps
}

// Share returns how one head of a class's prompt divides its attention over the kinds of token.
func (e *Explanation) Share(class, head int) Share {
	row := e.attn.Select(0, head).Select(0, class).Data() // [columns]
	m := e.model
	patches, prefix := m.patches(), m.Backbone.Config.Prefix()
	s := Share{Patches: sum(row[len(row)-patches:])}
	if rest := row[:len(row)-patches]; len(rest) > 0 {
		prompts := len(rest) - prefix
		s.Prompts, s.CLS, s.Registers = sum(rest[:prompts]), float64(rest[prompts]), sum(rest[prompts+1:])
	}
	return s
}

func sum(values []float32) float64 {
	var s float64
	for _, v := range values {
		s += float64(v)
	}
	return s
}

// MarshalJSON returns a summary for a service to answer with: the five most probable classes,
// and the heads of the predicted class's prompt, ranked with [BlurPatches], with their maps.
//
//	{"classes": [{"name": "Scott Oriole", "probability": 0.93}, ...],
//	 "sufficient": 2,
//	 "heads": [{"head": 3, "left": 0.41, "patches": 0.76, "map": {"w": 14, "h": 14, "values": [...]}}, ...]}
//
// "left" is HeadScore.Probability, and "patches" the share of the head's attention on the image.
func (e *Explanation) MarshalJSON() ([]byte, error) {
	type class struct {
		Name        string  `json:"name"`
		Probability float64 `json:"probability"`
	}
	type head struct {
		Head    int      `json:"head"`
		Left    float64  `json:"left"`
		Patches float64  `json:"patches"`
		Map     heat.Map `json:"map"`
	}
	var summary struct {
		Classes    []class `json:"classes"`
		Sufficient int     `json:"sufficient"`
		Heads      []head  `json:"heads"`
	}
	for _, c := range e.Top(5) {
		summary.Classes = append(summary.Classes, class{e.model.Classes[c], e.Probabilities[c]})
	}
	r := e.Rank(e.Predicted(), BlurPatches)
	summary.Sufficient = r.Sufficient
	for _, h := range r.Heads {
		summary.Heads = append(summary.Heads, head{h.Head, h.Probability, e.Share(r.Class, h.Head).Patches, e.Heat(r.Class, h.Head)})
	}
	return json.Marshal(summary)
}
