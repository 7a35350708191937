package promptcam

import (
	"fmt"
	"slices"

	"github.com/promptcam/promptcam/autograd"
	"github.com/promptcam/promptcam/tensor"
)

// Blur says what a blurred head looks at.
type Blur int

const (
	// BlurPatches spreads a head's attention evenly over the patches, as in the paper.
	BlurPatches Blur = iota
	// BlurAll spreads it evenly over all rows that the head can see, prompts and class token too.
	// The authors' code does so, by setting the scores before the softmax to zero.
	BlurAll
)

// Ranking orders the heads of one class's prompt by how much they matter for the class's score.
type Ranking struct {
	Class int
	Heads []HeadScore // the most important first

	// Sufficient is the number of heads, from the first, that are the sufficient traits: with all
	// others blurred the image is still classified as Class, and blurring the last of these
	// too changes that. It is 0 if the class wins with every head blurred, and -1 if it does
	// not win with none blurred.
	Sufficient int
}

// HeadScore is a head, and what remains of the class when this head and all that matter less are
// blurred. That of the first head in a Ranking is therefore with every head blurred.
type HeadScore struct {
	Head        int
	Score       float32
	Probability float64
}

// Rank blurs the heads of a class's prompt one after the other until none is left, each time the one
// whose loss leaves the class's score highest (the paper, section 3.4). This needs no forward
// pass: a head is a slice of one row of the last layer's attention output, and the other
// classes' scores do not depend on it. It panics if class or blur does not exist.
func (e *Explanation) Rank(class int, blur Blur) Ranking {
	n := e.Heads()
	sharp, even := e.gathered("Rank", class, blur)
	r := Ranking{Class: class, Heads: make([]HeadScore, n), Sufficient: -1}
	holds := e.wins(class, e.Scores[class])
	if holds {
		r.Sufficient = n
	}
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

// wins reports whether class would be predicted with this score. As in Predicted, the first of equals
// wins.
func (e *Explanation) wins(class int, score float32) bool {
	for c, s := range e.Scores {
		if s > score && c != class || s == score && c < class {
			return false
		}
	}
	return true
}

// probability returns the softmax of class if it had this score.
func (e *Explanation) probability(class int, score float32) float64 {
	scores := slices.Clone(e.Scores)
	scores[class] = score
	return softmax(scores)[class]
}

// Blurred returns the score of a class for each choice of heads to blur: H truth values, true where
// the head is blurred. The other classes' scores stay as they are. It panics if class or blur does
// not exist, or if a choice is not of H heads.
func (e *Explanation) Blurred(class int, blur Blur, choices ...[]bool) []float32 {
	sharp, even := e.gathered("Blurred", class, blur)
	for i, c := range choices {
		if len(c) != e.Heads() {
			panic(fmt.Sprintf("promptcam: Blurred: choice %d is of %d heads, want %d", i, len(c), e.Heads()))
		}
	}
	tape := e.model.tape()
	defer e.model.done(tape)
	return e.mixed(tape, class, sharp, even, choices)
}

// mixed returns the score of a class for each choice of heads to take from even, with the others from
// sharp.
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

// gathered returns the attention output of all heads of a class's prompt, side by side, [D] each: of the
// heads as they are, and with even attention.
func (e *Explanation) gathered(method string, class int, blur Blur) (sharp, even []float32) {
	if class < 0 || class >= len(e.Scores) {
		panic(fmt.Sprintf("promptcam: %s: class %d, want 0 to %d", method, class, len(e.Scores)-1))
	}
	if blur != BlurPatches && blur != BlurAll {
		panic(fmt.Sprintf("promptcam: %s: blur %d is unknown", method, blur))
	}
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
