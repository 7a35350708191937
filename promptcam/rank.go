package promptcam

import (
	"slices"

	"github.com/promptcam/promptcam/autograd"
	"github.com/promptcam/promptcam/tensor"
)

// Blur is what a blurred head looks at: everything of some kind, evenly.
type Blur int

const (
	// BlurPatches spreads a head's attention over the patches, as the paper
	// says.
	BlurPatches Blur = iota
	// BlurAll spreads it over all rows it can see, prompts and class token too,
	// as the authors' code does (it sets the scores before the softmax to
	// zero).
	BlurAll
)

// Ranking orders the heads of one class's prompt by what they matter for its
// score.
type Ranking struct {
	Class int
	Heads []HeadScore // the most important first
	// Sufficient is how many of the first heads make the sufficient traits:
	// with all others blurred the image is still classified as Class, and
	// blurring whichever of these matters least changes that. It is 0 if the
	// class wins with every head blurred, and -1 if it does not win to begin
	// with.
	Sufficient int
}

// HeadScore is a head and what is left of the class when it is blurred after
// all heads that matter less.
type HeadScore struct {
	Head        int
	Score       float32
	Probability float64
}

// Rank blurs the heads of a class's prompt one after the other, each time the
// one whose loss leaves the class's score highest (the paper, section 3.4),
// until none is left. No forward pass is needed: a head is a slice of one row
// of the last layer's attention output, and the other classes' scores do not
// depend on it.
func (e *Explanation) Rank(class int, blur Blur) Ranking {
	n := e.Heads()
	r := Ranking{Class: class, Heads: make([]HeadScore, n), Sufficient: -1}
	holds := e.wins(class, e.Scores[class])
	if holds {
		r.Sufficient = n
	}
	sharp, even := e.gathered(class, blur)
	tape := e.model.tape()
	defer e.model.done(tape)
	blurred := make([]bool, n)
	for left := n; left > 0; left-- {
		var tries [][]bool
		var heads []int
		for h := range n {
			if !blurred[h] {
				t := slices.Clone(blurred)
				t[h] = true
				tries, heads = append(tries, t), append(heads, h)
			}
		}
		scores := e.mixed(tape, class, sharp, even, tries)
		best := top(scores, 1)[0]
		blurred[heads[best]] = true
		if holds = holds && e.wins(class, scores[best]); holds {
			r.Sufficient = left - 1
		}
		r.Heads[left-1] = HeadScore{heads[best], scores[best], e.probability(class, scores[best])}
	}
	return r
}

// wins says whether class would be predicted with that score. As in Predicted,
// the first of equals wins.
func (e *Explanation) wins(class int, score float32) bool {
	for c, s := range e.Scores {
		if s > score && c != class || s == score && c < class {
			return false
		}
	}
	return true
}

// probability is the softmax of class had it that score.
func (e *Explanation) probability(class int, score float32) float64 {
	scores := slices.Clone(e.Scores)
	scores[class] = score
	return softmax(scores)[class]
}

// Blurred returns the score of a class for each choice of heads to blur: of H
// truth values, true where the head is blurred. Other classes' scores stay as
// they are.
func (e *Explanation) Blurred(class int, blur Blur, choices ...[]bool) []float32 {
	sharp, even := e.gathered(class, blur)
	tape := e.model.tape()
	defer e.model.done(tape)
	return e.mixed(tape, class, sharp, even, choices)
}

// mixed returns the score of a class for each choice of heads to take from even,
// the others from sharp.
func (e *Explanation) mixed(tape *autograd.Tape, class int, sharp, even []float32, choices [][]bool) []float32 {
	n, d := e.Heads(), len(sharp)
	rows := tensor.New(1, len(choices), d)
	for i, blurred := range choices {
		row := rows.Data()[i*d : (i+1)*d]
		copy(row, sharp)
		for h, b := range blurred {
			if b {
				copy(row[h*d/n:(h+1)*d/n], even[h*d/n:])
			}
		}
	}
	m := e.model
	z := tape.Const(e.rows.Slice(0, class, class+1))        // [1, D]
	scores := m.score(m.last.Complete(z, tape.Const(rows))) // [1, choices]
	return slices.Clone(scores.Value().Data())
}

// gathered returns what all heads of a class's prompt gather, side by side, [D]
// each: as they look, and if they looked evenly.
func (e *Explanation) gathered(class int, blur Blur) (sharp, even []float32) {
	n, cols, d := e.attn.Dim(0), e.attn.Dim(2), e.value.Dim(1)
	from := 0
	if blur == BlurPatches {
		from = cols - e.model.patches()
	}
	flat := tensor.New(1, cols)
	flat.Slice(1, from, cols).Fill(1 / float32(cols-from))
	even = flat.MatMul(e.value).Data() // [1, D]
	sharp = make([]float32, 0, d)
	for h := range n {
		look := e.attn.Select(0, h).Slice(0, class, class+1) // [1, columns]
		sharp = append(sharp, look.MatMul(e.value.Slice(1, h*d/n, (h+1)*d/n)).Data()...)
	}
	return sharp, even
}
