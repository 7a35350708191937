package promptcam

import (
	"context"
	"fmt"
	"slices"

	"github.com/promptcam/promptcam/tensor"
)

// Blur says how a blurred head spreads its attention.
type Blur int

const (
	// BlurPatches spreads it evenly over the patches, as in the paper.
	BlurPatches Blur = iota
	// BlurAll spreads it evenly over all keys, prompts and class token too, as the authors' code does by
	// setting the logits to zero.
	BlurAll
)

// Survives reports whether class is predicted, and is so even with every head of its prompt blurred, each of its maps
// replaced by a uniform one. No map explains such a prediction: the prompt's own vector, which is added to what
// the heads read, is enough for it. It takes no forward pass and panics if class or blur does not exist.
func (e *Explanation) Survives(class int, blur Blur) bool {
	every := slices.Repeat([]bool{true}, e.Heads())
	score := e.blurred(class, e.headOutputs(class, blur), [][]bool{every})[0]
	return e.wins(class, e.Scores[class]) && e.wins(class, score)
}

// wins reports whether class would be predicted with this score; as in Predicted, the first of equals is.
func (e *Explanation) wins(class int, score float32) bool {
	for c, s := range e.Scores {
		if s > score && c != class || s == score && c < class {
			return false
		}
	}
	return true
}

// blurred returns the score of a class for each choice of heads to blur, H truth values each. The other classes'
// scores stay as they are.
func (e *Explanation) blurred(class int, heads headOutputs, choices [][]bool) []float32 {
	m, d := e.model, len(heads.sharp)
	width := d / e.Heads()
	rows := tensor.New(1, len(choices), d)
	for i, choice := range choices {
		row := rows.Data()[i*d:][:d]
		copy(row, heads.sharp)
		for h, b := range choice {
			if b {
				copy(row[h*width:][:width], heads.blurred[h*width:])
			}
		}
	}
	tape := m.tape(context.Background())
	defer m.done(tape)
	z := tape.Const(e.z.Slice(0, class, class+1))           // [1, D]
	scores := m.score(m.last.Complete(z, tape.Const(rows))) // [1, choices]
	return slices.Clone(scores.Value().Data())
}

// headOutputs is the attention output [D] of a class prompt, all heads side by side: as they are, and all
// blurred.
type headOutputs struct{ sharp, blurred []float32 }

func (e *Explanation) headOutputs(class int, blur Blur) headOutputs {
	if class < 0 || class >= len(e.Scores) {
		panic(fmt.Sprintf("promptcam: class %d, want 0 to %d", class, len(e.Scores)-1))
	}
	if blur != BlurPatches && blur != BlurAll {
		panic(fmt.Sprintf("promptcam: blur %d is unknown", blur))
	}
	n, columns, d := e.attn.Dim(0), e.attn.Dim(2), e.values.Dim(1)
	from := 0
	if blur == BlurPatches {
		from = columns - e.model.patches()
	}
	even := tensor.New(1, columns)
	even.Slice(1, from, columns).Fill(1 / float32(columns-from))
	heads := headOutputs{blurred: even.MatMul(e.values).Data()}
	for h := range n {
		attn := e.attn.Select(0, h).Slice(0, class, class+1) // [1, columns]
		heads.sharp = append(heads.sharp, attn.MatMul(e.values.Slice(1, h*d/n, (h+1)*d/n)).Data()...)
	}
	return heads
}
