package promptcam

import (
	"cmp"
	"fmt"
	"iter"
	"math"
	"math/rand/v2"
	"slices"
)

// Subsets holds what the score of a class, or its margin over another, becomes with any subset of the H heads blurred.
// Up to 16 heads it has all 2^H subsets, and what its methods return is exact. With more heads it has a random sample
// of about as many subsets as 16 heads have, the same in each call.
type Subsets struct {
	Class int
	Other int // -1 where the values are Class's scores

	// Values [2^H] are the scores, or margins. Element b has those heads blurred whose bits are set in b, bit h
	// for head h: the first element has none blurred, the last has all. It is nil beyond 16 heads.
	Values []float64

	heads     int
	bar       float64 // Class is predicted with a value above it,
	rival     int     // or with that value if it comes before this class
	predicted bool    // with no head blurred
	orders    []order // the sample beyond 16 heads
}

// mostExact is the most heads of which all subsets are scored: 65,536 subsets.
const mostExact = 16

// Subsets scores a class with every subset of the heads of its prompt blurred. That takes no forward pass, but for the
// 4,096 subsets of a ViT-B's 12 heads about six tenths of the time of one. Each further head doubles the time, up to
// 16; the memory that it works in stays the same. It panics if class or blur does not exist.
//
// The scores of the other classes do not depend on these heads. The margin of the class over any of them moves as its
// score does, and has the same Shapley values and interactions. [Explanation.SubsetsAgainst] is another question.
func (e *Explanation) Subsets(class int, blur Blur) *Subsets {
	e.mustHave(class, blur)
	s := &Subsets{Class: class, Other: -1, heads: e.Heads(), bar: math.Inf(-1), rival: len(e.Scores)}
	for c, score := range e.Scores {
		if c != class && float64(score) > s.bar {
			s.bar, s.rival = float64(score), c
		}
	}
	scores := func(n int, blurred choice) []float64 { return e.subsetScores(class, blur, n, blurred) }
	s.play(scores, float64(e.Scores[class]))
	return s
}

// SubsetsAgainst takes the margin of a class over another, the difference of their scores, where blurring a head blurs
// it in the rows of both prompts: the heads are those of the block. The Shapley value of a head is then what both
// prompts together read in it for the class and against the other: its value for the class's score minus that for the
// other's. Sufficient and Necessary decide between these two classes alone: the one with the higher score counts as
// predicted, whatever others score. It takes twice the time of Subsets. It panics if a class or blur does not exist, or
// if the classes are the same.
func (e *Explanation) SubsetsAgainst(class, other int, blur Blur) *Subsets {
	e.mustHave(class, blur)
	e.mustHave(other, blur)
	if class == other {
		panic(fmt.Sprintf("promptcam: SubsetsAgainst: class %d against itself", class))
	}
	s := &Subsets{Class: class, Other: other, heads: e.Heads(), rival: other}
	margins := func(n int, blurred choice) []float64 {
		margins := e.subsetScores(class, blur, n, blurred)
		for i, score := range e.subsetScores(other, blur, n, blurred) {
			margins[i] -= score
		}
		return margins
	}
	s.play(margins, float64(e.Scores[class])-float64(e.Scores[other]))
	return s
}

// play sets the values of all subsets, or of a sample. values returns those of n subsets; none is the value with no head
// blurred as the forward pass has it, so that rounding does not change what is predicted.
func (s *Subsets) play(values func(n int, blurred choice) []float64, none float64) {
	s.predicted = s.wins(none)
	if s.heads > mostExact {
		s.orders = randomOrders(s.heads, 1<<mostExact/(2*s.heads), rand.New(rand.NewPCG(1, 2)), values)
		for _, o := range s.orders {
			o.values[0] = none
		}
		return
	}
	s.Values = values(1<<s.heads, func(i, head int) bool { return i>>head&1 == 1 })
	s.Values[0] = none
}

// Exact reports whether Values has all subsets: up to 16 heads.
func (s *Subsets) Exact() bool { return s.Values != nil }

// wins reports whether the class is predicted with this value; as in Predicted, the first of equals is.
func (s *Subsets) wins(value float64) bool {
	return value > s.bar || value == s.bar && s.Class < s.rival
}

// HeadSet is a set of heads that decides a prediction.
type HeadSet struct {
	Heads []int // ascending

	// Margin is the class's score minus the highest of the other classes', or minus Other's: of Sufficient with all
	// other heads blurred, of Necessary with these blurred, where it is not above 0.
	Margin float64
}

// Sufficient returns the smallest sets of heads that suffice for the prediction: with all other heads blurred the class
// is still predicted. All have the same size; the one with the largest margin comes first. A single set without heads
// means that the prediction needs none: see [Explanation.Survives]. It returns nil if the class is not predicted with
// all heads as they are. Beyond 16 heads it looks at the sampled subsets only, and there may be smaller sets.
//
// The sufficient traits of a [Ranking], which are found greedily as in the paper, suffice too, but there may be fewer
// that do.
func (s *Subsets) Sufficient() []HeadSet { return s.smallest(false) }

// Necessary returns the smallest sets of heads that are necessary for the prediction: with these blurred, and all others
// as they are, the class is no longer predicted. All have the same size; the one that loses by most comes first. It
// returns nil if the class is predicted whichever heads are blurred, or is not with all as they are. Beyond 16 heads it
// looks at the sampled subsets only, and there may be smaller sets.
func (s *Subsets) Necessary() []HeadSet { return s.smallest(true) }

// smallest returns the smallest sets of heads that make the class lose if they are blurred or, where blurred is false,
// that let it win while all others are.
func (s *Subsets) smallest(blurred bool) []HeadSet {
	if !s.predicted {
		return nil
	}
	var sets []HeadSet
	least := s.heads
	for choice, value := range s.all() {
		size := 0
		for _, b := range choice {
			if b == blurred {
				size++
			}
		}
		if size > least || s.wins(value) == blurred {
			continue
		}
		if size < least {
			sets, least = nil, size
		}
		set := HeadSet{make([]int, 0, size), value - s.bar}
		for h, b := range choice {
			if b == blurred {
				set.Heads = append(set.Heads, h)
			}
		}
		sets = append(sets, set)
	}
	slices.SortFunc(sets, func(a, b HeadSet) int {
		order := cmp.Compare(b.Margin, a.Margin)
		if blurred {
			order = -order
		}
		return cmp.Or(order, slices.Compare(a.Heads, b.Heads))
	})
	return slices.CompactFunc(sets, func(a, b HeadSet) bool { return slices.Equal(a.Heads, b.Heads) }) // a sample repeats some
}

// all yields each subset, one truth value per head, and its value. The subset is valid until the next.
func (s *Subsets) all() iter.Seq2[[]bool, float64] {
	return func(yield func([]bool, float64) bool) {
		blurred := make([]bool, s.heads)
		for b, value := range s.Values {
			for h := range blurred {
				blurred[h] = b>>h&1 == 1
			}
			if !yield(blurred, value) {
				return
			}
		}
		for _, o := range s.orders {
			for i, value := range o.values {
				for h := range blurred {
					blurred[h] = o.blurs(i, h)
				}
				if !yield(blurred, value) {
					return
				}
			}
		}
	}
}
