package promptcam

import (
	"cmp"
	"fmt"
	"image"
	"math"
	"slices"

	"github.com/promptcam/promptcam/autograd"
	"github.com/promptcam/promptcam/data"
	"github.com/promptcam/promptcam/tensor"
	"github.com/promptcam/promptcam/vit/heat"
)

// Explanation is what one forward pass tells of one image: every class's score,
// where each head of each class's prompt looks, and enough of the last layer to
// say what the scores would be had a head looked elsewhere. It reads the
// model's last layer and head again for that, so it ends where training goes
// on. Its methods are safe for concurrent use; they panic for a class or head
// that is not there.
type Explanation struct {
	Scores        []float32 // [C]
	Probabilities []float64 // [C], their softmax

	model *Model
	attn  *tensor.Tensor // [H, C, columns] of the last layer: a column per row that Model.see returns
	value *tensor.Tensor // [columns, D]: what each column contributes
	rows  *tensor.Tensor // [C, D]: the class prompts that enter the last layer
}

// Explain runs the model on one image of any size, transformed by t, which must
// end at the backbone's image size. It is safe for concurrent use.
func (m *Model) Explain(img image.Image, t data.Transform) (*Explanation, error) {
	if err := m.fits(t); err != nil {
		return nil, fmt.Errorf("promptcam: explain: %w", err)
	}
	if img.Bounds().Empty() {
		return nil, fmt.Errorf("promptcam: explain: the image is empty")
	}
	x := tensor.New(1, 3, t.Height, t.Width)
	t.Normalise(x.Data(), t.Apply(data.ToRGB(img), nil))
	return m.explain(x), nil
}

// fits says whether t makes images of the backbone's size.
func (m *Model) fits(t data.Transform) error {
	if err := t.Validate(); err != nil {
		return err
	}
	if size := m.Backbone.Config.ImageSize; t.Height != size[0] || t.Width != size[1] {
		return fmt.Errorf("the transform makes images of %dx%d pixels, the backbone wants %dx%d", t.Height, t.Width, size[0], size[1])
	}
	return nil
}

// explain runs the model on normalised pixels [1, 3, H, W].
func (m *Model) explain(pixels *tensor.Tensor) *Explanation {
	tape := m.tape()
	defer m.done(tape)
	return m.explanations(m.enter(tape.Const(pixels)))[0]
}

// explanations runs the last layer on tokens x [B, prefix+M, D] and class prompts z, [C, D] or [B, C, D].
func (m *Model) explanations(x, z *autograd.Var) []*Explanation {
	q, see := m.see(x, z)
	y, attn := m.last.Attention(z, q, see...) // [B, C, D], [B, H, C, columns]
	scores := m.score(y).Value()              // [B, C]
	all := make([]*Explanation, x.Dim(0))
	for i := range all {
		value := tensor.New(attn.Dim(3), m.Backbone.Config.Dim)
		row := 0
		for _, s := range see {
			v := of(s.V.Value(), i) // [rows, D]
			tensor.CopyTo(value.Slice(0, row, row+v.Dim(0)), v)
			row += v.Dim(0)
		}
		all[i] = &Explanation{
			Scores: slices.Clone(scores.Select(0, i).Data()),
			model:  m,
			attn:   attn.Select(0, i).Clone(), // [H, C, columns]
			value:  value,
			rows:   of(z.Value(), i).Clone(),
		}
		all[i].Probabilities = softmax(all[i].Scores)
	}
	return all
}

// of returns image i of [B, R, D]; rows [R, D] are every image's.
func of(t *tensor.Tensor, i int) *tensor.Tensor {
	if t.Rank() == 3 {
		return t.Select(0, i)
	}
	return t
}

// softmax is in float64: a report's probabilities should not lose digits.
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

// Top returns the n classes with the highest scores, best first.
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

// Heat returns where one head of a class's prompt looks: over the patches, each
// value a share of all of that head's attention. Heads are never averaged.
func (e *Explanation) Heat(class, head int) heat.Map {
	h, w := e.model.Backbone.Config.Grid()
	cols := e.attn.Dim(2)
	row := e.attn.Select(0, head).Select(0, class) // [columns]
	return heat.Map{W: w, H: h, Values: slices.Clone(row.Slice(0, cols-h*w, cols).Data())}
}

// Share returns how one head of a class's prompt divides its attention over the
// kinds of token.
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
