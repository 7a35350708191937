package promptcam

import "slices"

// Ranking orders the heads of one class prompt by how much they matter for the class's score.
type Ranking struct {
	Class int
	Heads []HeadScore // the most important first

	// Sufficient is the number of heads, from the first, that are the sufficient traits: the image is still
	// classified as Class with all others blurred, but not with the last of these blurred too. It is 0 if the
	// class wins with every head blurred, and -1 if it does not win with none blurred.
	Sufficient int
}

// HeadScore is a head, and the class's score and probability with this head and all less important ones
// blurred; for the first head of a Ranking that is with every head blurred.
type HeadScore struct {
	Head        int
	Score       float32
	Probability float64
}

// Rank blurs the heads of a class prompt greedily, each time the one whose loss leaves the class's score
// highest, until none is left (the paper, section 3.4). That takes no forward pass: heads are slices of one
// row of the last block's attention output, which the other classes' scores do not depend on. It panics if
// class or blur does not exist. [Explanation.Subsets] scores all subsets of the heads, not those of one order.
func (e *Explanation) Rank(class int, blur Blur) Ranking {
	n := e.Heads()
	heads := e.headOutputs(class, blur)
	r := Ranking{Class: class, Heads: make([]HeadScore, n), Sufficient: -1}
	wins := e.wins(class, e.Scores[class])
	if wins {
		r.Sufficient = n
	}
	blurred := make([]bool, n)
	for left := n; left > 0; left-- {
		var choices [][]bool
		var added []int // the head that each choice blurs besides
		for h := range n {
			if !blurred[h] {
				choice := slices.Clone(blurred)
				choice[h] = true
				choices, added = append(choices, choice), append(added, h)
			}
		}
		scores := e.blurred(class, heads, choices)
		best := top(scores, 1)[0]
		head, score := added[best], scores[best]
		blurred[head] = true
		if wins = wins && e.wins(class, score); wins {
			r.Sufficient = left - 1
		}
		all := slices.Clone(e.Scores)
		all[class] = score
		r.Heads[left-1] = HeadScore{head, score, softmax(all)[class]}
	}
	if e.wins(class, r.Heads[0].Score) {
		r.Sufficient = min(r.Sufficient, 0) // also where it lost in between
	}
	return r
}
