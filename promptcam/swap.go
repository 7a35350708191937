package promptcam

import (
	"context"
	"fmt"
	"iter"
	"slices"

	"github.com/promptcam/promptcam/data"
	"github.com/promptcam/promptcam/tensor"
	"github.com/promptcam/promptcam/vit/heat"
)

// A Pair is a photograph, and what it would be with the traits exchanged that tell one class from
// another: a counterfactual.
type Pair struct {
	Class, Other      int // what Original shows, and what Changed should be taken for
	Original, Changed *data.RGB
}

// A Swap is what a pair did to the scores.
type Swap struct {
	Class, Other  int
	Before, After []float32 // [C] scores of Original and of Changed
}

// Recognised reports whether Original is predicted as what it shows.
func (s Swap) Recognised() bool { return top(s.Before, 1)[0] == s.Class }

// Moved reports whether the prediction goes from another class to Other.
func (s Swap) Moved() bool { return top(s.Before, 1)[0] != s.Other && top(s.After, 1)[0] == s.Other }

// swapBatch is how many images are looked at together.
const swapBatch = 32

// Swap runs the model on pairs of images of any size, transformed by t as in Explain. Pairs with the
// same Original should follow each other: it is then looked at once. progress, if not nil,
// hears how many pairs are done. An error of pairs ends it and is returned, and so
// is ctx's.
func (m *Model) Swap(ctx context.Context, pairs iter.Seq2[Pair, error], t data.Transform, progress func(done int)) ([]Swap, error) {
	if err := m.fits(t); err != nil {
		return nil, fmt.Errorf("promptcam: swap: %w", err)
	}
	var all []Swap
	var images []*data.RGB // to be looked at
	var of [][2]int        // of each pair, where in images its two are
	done := 0              // pairs
	look := func() {
		scores := m.scoresAll(images, t)
		for i, at := range of {
			all[done+i].Before, all[done+i].After = scores[at[0]], scores[at[1]]
		}
		done += len(of)
		images, of = images[:0], of[:0]
		if progress != nil {
			progress(done)
		}
	}
	var original *data.RGB
	at := 0 // of original in images
	for p, err := range pairs {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return nil, err
		}
		if p.Original != original || len(images) == 0 {
			original, at = p.Original, len(images)
			images = append(images, p.Original)
		}
		of = append(of, [2]int{at, len(images)})
		images = append(images, p.Changed)
		all = append(all, Swap{Class: p.Class, Other: p.Other})
		if len(images) >= swapBatch {
			look()
		}
	}
	if len(images) > 0 {
		look()
	}
	return all, nil
}

// scoresAll returns the scores [C] of each image.
func (m *Model) scoresAll(images []*data.RGB, t data.Transform) [][]float32 {
	x := tensor.New(len(images), 3, t.Height, t.Width)
	n := 3 * t.Height * t.Width
	for i, img := range images {
		t.Normalise(x.Data()[i*n:(i+1)*n], t.Apply(img, nil))
	}
	tape := m.tape()
	defer m.done(tape)
	s := m.Scores(tape.Const(x)).Value() // [B, C]
	scores := make([][]float32, len(images))
	for i := range scores {
		scores[i] = slices.Clone(s.Select(0, i).Data())
	}
	return scores
}

// SwapScore sums up what exchanging traits did.
type SwapScore struct {
	Moved  heat.Interval // share of pairs that Moved
	Margin heat.Interval // mean change of Other's score less Class's: of the logarithm of their odds
	Class  heat.Interval // mean change of Class's probability
	Other  heat.Interval // and of Other's
}

// ScoreSwaps sums up swaps, whose order does not matter.
func ScoreSwaps(swaps []Swap, b heat.Bootstrap) SwapScore {
	var moved, margin, class, other []float64
	for _, s := range swaps {
		hit := 0.
		if s.Moved() {
			hit = 1
		}
		lead := func(scores []float32) float64 { return float64(scores[s.Other]) - float64(scores[s.Class]) }
		before, after := softmax(s.Before), softmax(s.After)
		moved = append(moved, hit)
		margin = append(margin, lead(s.After)-lead(s.Before))
		class = append(class, after[s.Class]-before[s.Class])
		other = append(other, after[s.Other]-before[s.Other])
	}
	return SwapScore{b.Mean(moved), b.Mean(margin), b.Mean(class), b.Mean(other)}
}
