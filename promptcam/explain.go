package promptcam

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"iter"
	"math"
	"slices"
	"strings"

	"github.com/promptcam/promptcam/autograd"
	"github.com/promptcam/promptcam/data"
	"github.com/promptcam/promptcam/tensor"
	"github.com/promptcam/promptcam/vit/heat"
)

// Explanation is the result of one forward pass for one image: the scores of all classes, the attention of
// each head of each class prompt, and enough of the last block to score with heads blurred. It refers to the
// model and is valid until that is trained further. Its methods are safe for concurrent use and panic for a
// class or head that does not exist.
type Explanation struct {
	Scores        []float32 // [C]
	Probabilities []float64 // [C], their softmax

	// Seen is the part of the photograph that the model saw: all of it where the transform only stretches. It
	// is nil for an image from a loader.
	Seen image.Image
	// Index is the position in the loader's items, and Label the true class. Explain sets both to -1; callers
	// who know the class may set Label.
	Index, Label int

	model  *Model
	attn   *tensor.Tensor // [H, C, columns] of the last block, one column per key that lastLayer.kv has
	values *tensor.Tensor // [columns, D], the values to these keys
	z      *tensor.Tensor // [C, D], the class prompts that enter the last block
	input  *tensor.Tensor // for ClassToken: tokens [1, prefix+M, D] that enter Layer or, with agnostic prompts, [1, 3, H, W]
}

// Explain transforms a photograph of any size by m.Transform and runs the model on it. It returns an error
// for an empty image, or if m.Info is invalid, and a *ScoreError. It is safe for concurrent use.
func (m *Model) Explain(img image.Image) (*Explanation, error) {
	return m.ExplainContext(context.Background(), img)
}

// ExplainContext is Explain for a service: it ends with ctx's error, wrapped, before the next block of the
// backbone, once ctx is done.
func (m *Model) ExplainContext(ctx context.Context, img image.Image) (*Explanation, error) {
	if err := m.Info().Validate(); err != nil {
		return nil, fmt.Errorf("promptcam: explain: %w", err)
	}
	if img == nil || img.Bounds().Empty() {
		return nil, errors.New("promptcam: explain: the image is empty")
	}
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("promptcam: explain: %w", err)
	}
	t := m.Transform
	input := t.Apply(data.ToRGB(img), nil)
	pixels := tensor.New(1, 3, t.Height, t.Width)
	t.Normalise(pixels.Data(), input)
	tape := m.tape(ctx)
	defer m.done(tape)
	explained, err := m.explainAll(tape, &data.Batch{Values: pixels})
	if err != nil {
		return nil, fmt.Errorf("promptcam: explain: %w", err)
	}
	e := explained[0]
	if err := e.check(); err != nil {
		return nil, err
	}
	if e.Seen = input; t.ShortSide == 0 && t.ResizeWidth == 0 {
		e.Seen = img
	}
	return e, nil
}

// Explanations explains all images of l, or their tokens, in order. Predictions, maps and measures can be
// made in this one pass; [Model.Evaluate] is cheaper for scores alone. It ends with the first error: of l, or
// about images of the wrong size, tokens that do not enter m's Layer, or classes that m does not have, or a
// *ScoreError.
func (m *Model) Explanations(ctx context.Context, l Batches) iter.Seq2[*Explanation, error] {
	return func(yield func(*Explanation, error) bool) {
		tape := m.tape(ctx)
		defer m.done(tape)
		for batch, err := range m.accepted(ctx, l, data.Plan{}) {
			if err != nil {
				yield(nil, err)
				return
			}
			labels, index := slices.Clone(batch.Labels), slices.Clone(batch.Index)
			explained, err := m.explainAll(tape, batch)
			tape.Reset()
			if err != nil {
				yield(nil, err)
				return
			}
			for i, e := range explained {
				e.Index, e.Label = index[i], labels[i]
				if err := e.check(); err != nil {
					yield(nil, err)
					return
				}
				if !yield(e, nil) {
					return
				}
			}
		}
	}
}

// check returns a *ScoreError if a score is not finite, or would not be with heads blurred because one of the
// values that they spread over is not.
func (e *Explanation) check() error {
	if err := checkScores(e.Index, e.Scores); err != nil {
		return err
	}
	for _, v := range e.values.Data() {
		if math.IsNaN(float64(v)) || math.IsInf(float64(v), 0) {
			return &ScoreError{e.Index, e.Predicted(), float32(math.NaN())}
		}
	}
	return nil
}

// explainAll explains each image of a batch that m accepts. The error is that of the tape's Context.
func (m *Model) explainAll(tape *autograd.Tape, b *data.Batch) ([]*Explanation, error) {
	x := m.tokensOf(tape, b) // [B, prefix+M, D]
	input := x.Value()
	if len(m.Agnostic) > 0 { // which these tokens attended to; the class token's maps must not
		input = b.Values
	}
	last := m.enter(m.joint(x, m.prompts(tape, m.Class)))
	scores, attn := last.explained() // [B, C], [B, H, C, columns]
	if err := tape.Err(); err != nil {
		return nil, err
	}
	all := make([]*Explanation, b.Values.Dim(0))
	for i := range all {
		values := tensor.New(attn.Dim(3), m.Backbone.Config.Dim)
		row := 0
		for _, rows := range last.kv {
			v := ofImage(rows.V.Value(), i) // [rows, D]
			tensor.CopyTo(values.Slice(0, row, row+v.Dim(0)), v)
			row += v.Dim(0)
		}
		e := &Explanation{
			Scores: slices.Clone(scores.Value().Select(0, i).Data()), Index: -1, Label: -1, model: m, values: values,
			attn: attn.Select(0, i).Clone(), z: ofImage(last.z.Value(), i).Clone(), input: input.Slice(0, i, i+1).Clone(),
		}
		e.Probabilities, all[i] = softmax(e.Scores), e
	}
	return all, nil
}

// ofImage returns image i's rows of [B, R, D]; rows [R, D] are the same for every image.
func ofImage(t *tensor.Tensor, i int) *tensor.Tensor {
	if t.Rank() == 3 {
		return t.Select(0, i)
	}
	return t
}

// softmax computes in float64, so that a report's probabilities lose no digits.
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

// Top returns the n classes with the highest scores, best first, or all C if n is larger.
func (e *Explanation) Top(n int) []int { return top(e.Scores, n) }

// top returns the indices of the n largest scores; equal scores keep their order.
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

// Heat returns the attention map of one head of a class prompt over the patches: each value is a share of
// that head's attention. Heads are never averaged.
func (e *Explanation) Heat(class, head int) heat.Map {
	return e.model.heat(e.attn.Select(0, head).Select(0, class).Data())
}

// heat returns the map of an attention row, which ends with the patches.
func (m *Model) heat(row []float32) heat.Map {
	h, w := m.Backbone.Config.Grid()
	return heat.Map{W: w, H: h, Values: slices.Clone(row[len(row)-h*w:])}
}

// ClassToken returns the maps of the backbone's own class token in its last block, one per head, without any
// prompts: the baseline for Prompt-CAM's maps. Each call runs the blocks from m.Layer on again or, with
// class-agnostic prompts, the whole backbone.
func (e *Explanation) ClassToken() []heat.Map {
	m := e.model
	b, last := m.Backbone, len(m.Backbone.Blocks)-1
	tape := m.tape(context.Background())
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
		maps[h] = m.heat(attn.Select(0, h).Data())
	}
	return maps
}

// Share is how one head of a class prompt divides its attention over the kinds of token; the four sum to 1. A
// head with a small share on patches hardly attends to the image, however sharp its map is.
type Share struct {
	Patches, Prompts, CLS, Registers float64
}

// Share returns the Share of one head of a class prompt.
func (e *Explanation) Share(class, head int) Share {
	sum := func(values []float32) (s float64) {
		for _, v := range values {
			s += float64(v)
		}
		return s
	}
	row := e.attn.Select(0, head).Select(0, class).Data() // [columns]: prompts, class token, registers, patches
	other := len(row) - e.model.patches()
	s := Share{Patches: sum(row[other:])}
	if other > 0 {
		cls := other - e.model.Backbone.Config.Prefix()
		s.Prompts, s.CLS, s.Registers = sum(row[:cls]), float64(row[cls]), sum(row[cls+1:other])
	}
	return s
}

// String lists the shares in percent; registers only where there are any.
func (s Share) String() string { return strings.Join(s.Parts(), ", ") }

// Parts returns what String joins.
func (s Share) Parts() []string {
	parts := []string{
		fmt.Sprintf("patches %.1f %%", 100*s.Patches), fmt.Sprintf("prompts %.1f %%", 100*s.Prompts), fmt.Sprintf("CLS %.1f %%", 100*s.CLS),
	}
	if s.Registers > 0 {
		parts = append(parts, fmt.Sprintf("registers %.1f %%", 100*s.Registers))
	}
	return parts
}

// MarshalJSON returns a summary for a service to answer with: the answer to Question, the five most
// probable classes, the prediction set and the doubt, where there are, and the maps of the predicted class's heads, ranked with [BlurPatches].
//
//	{"question": {"for": [3], "against": [7], "names": ["Scott Oriole", "Hooded Oriole"], "versus": "usual"},
//	 "evidence": {"margin": 4.1, "baseline": -6.3, "error": 2e-7, "map": {"w": 14, "h": 14, "values": [...]},
//	              "heads": [{"class": 3, "head": 5, "sum": 2.4, "rest": 0.1, "map": {...}}, ...]},
//	 "classes": [{"name": "Scott Oriole", "probability": 0.93}, ...],
//	 "set": {"level": 0.95, "classes": ["Scott Oriole", "Hooded Oriole"]},
//	 "doubt": "no trait that tells it from Hooded Oriole is visible",
//	 "sufficient": 2,
//	 "heads": [{"head": 3, "left": 0.41, "patches": 0.76, "map": {...}}, ...]}
//
// "names" are those of the classes in "for" and "against", which count from 0, and "versus" is "usual", "even" or "overall",
// the Baseline. Under "evidence" are Evidence's fields, its Error and its Map, all heads of both classes, the strongest
// for the predicted one first. "left" is HeadScore.Probability, and "patches" the share of the head's attention on the
// image.
func (e *Explanation) MarshalJSON() ([]byte, error) {
	type class struct {
		Name        string  `json:"name"`
		Probability float64 `json:"probability"`
	}
	type question struct {
		For     []int    `json:"for"`
		Against []int    `json:"against"`
		Names   []string `json:"names"`
		Versus  string   `json:"versus"`
	}
	type part struct {
		Class int      `json:"class"`
		Head  int      `json:"head"`
		Sum   float64  `json:"sum"`
		Rest  float64  `json:"rest"`
		Map   heat.Map `json:"map"`
	}
	type evidence struct {
		Margin   float64  `json:"margin"`
		Baseline float64  `json:"baseline"`
		Error    float64  `json:"error"`
		Map      heat.Map `json:"map"`
		Heads    []part   `json:"heads"`
	}
	type set struct {
		Level   float64  `json:"level"`
		Classes []string `json:"classes"`
	}
	type head struct {
		Head    int      `json:"head"`
		Left    float64  `json:"left"`
		Patches float64  `json:"patches"`
		Map     heat.Map `json:"map"`
	}
	v := e.Evidence(e.Question())
	summary := struct {
		Question   question `json:"question"`
		Evidence   evidence `json:"evidence"`
		Classes    []class  `json:"classes"`
		Set        *set     `json:"set,omitempty"`
		Doubt      string   `json:"doubt,omitempty"`
		Sufficient int      `json:"sufficient"`
		Heads      []head   `json:"heads"`
	}{
		Question: question{For: v.For, Against: v.Against, Versus: v.Versus.String()},
		Evidence: evidence{Margin: v.Margin, Baseline: v.Baseline, Error: v.Error(), Map: v.Map()},
	}
	for _, c := range slices.Concat(v.For, v.Against) {
		summary.Question.Names = append(summary.Question.Names, e.model.Classes[c])
	}
	for _, h := range v.Heads {
		summary.Evidence.Heads = append(summary.Evidence.Heads, part{h.Class, h.Head, h.Sum, h.Rest, h.Map})
	}
	for _, c := range e.Top(5) {
		summary.Classes = append(summary.Classes, class{e.model.Classes[c], e.Probabilities[c]})
	}
	if classes, level := e.PredictionSet(); level > 0 {
		summary.Set = &set{Level: level}
		for _, c := range classes {
			summary.Set.Classes = append(summary.Set.Classes, e.model.Classes[c])
		}
	}
	summary.Doubt = e.Doubt()
	r := e.Rank(e.Predicted(), BlurPatches)
	summary.Sufficient = r.Sufficient
	for _, h := range r.Heads {
		summary.Heads = append(summary.Heads, head{h.Head, h.Probability, e.Share(r.Class, h.Head).Patches, e.Heat(r.Class, h.Head)})
	}
	return json.Marshal(summary)
}
