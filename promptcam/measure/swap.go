package measure

import (
	"context"
	"fmt"
	"iter"
	"slices"

	"github.com/promptcam/promptcam/autograd"
	"github.com/promptcam/promptcam/data"
	"github.com/promptcam/promptcam/promptcam"
	"github.com/promptcam/promptcam/tensor"
	"github.com/promptcam/promptcam/vit/heat"
)

// A Pair is a photograph and its counterfactual: the same photograph with the traits exchanged that tell
// one class from another.
type Pair struct {
	Class, Other      int  // the class of Original, and the one that Changed should be taken for
	Off               bool // the exchange removes a mark of Class that Other lacks
	Original, Changed *data.RGB
}

// An Outcome is how a Pair is scored.
type Outcome struct {
	Class, Other  int
	Off           bool
	Before, After promptcam.Prediction // of Original and of Changed
}

// Recognised reports whether Original is predicted correctly.
func (o Outcome) Recognised() bool { return o.Before.Predicted == o.Class }

// Moved reports whether the prediction goes from another class to Other.
func (o Outcome) Moved() bool { return o.Before.Predicted != o.Other && o.After.Predicted == o.Other }

// swapBatch is the number of images per forward pass.
const swapBatch = 32

// Swap runs the model on pairs of photographs of any size. Pairs with the same Original should follow each
// other: it is then scored once. progress, if not nil, is called with the number of pairs
// done. An error of pairs ends it and is returned, and so is ctx's.
func Swap(ctx context.Context, m *promptcam.Model, pairs iter.Seq2[Pair, error], progress func(done int)) ([]Outcome, error) {
	if err := m.Info().Validate(); err != nil {
		return nil, fmt.Errorf("measure: swap: %w", err)
	}
	var all []Outcome
	var images []*data.RGB // to be scored
	var of [][2]int        // of each pair, where in images its two are
	done := 0              // pairs
	tape := &autograd.Tape{NoGrad: true}
	score := func() {
		seen := predict(m, tape, images)
		tape.Reset()
		for i, at := range of {
			o := &all[done+i]
			o.Before, o.After = seen[at[0]], seen[at[1]]
			o.Before.Class, o.After.Class = o.Class, o.Other
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
		all = append(all, Outcome{Class: p.Class, Other: p.Other, Off: p.Off})
		if len(images) >= swapBatch {
			score()
		}
	}
	if len(images) > 0 {
		score()
	}
	return all, nil
}

// predict scores images on a tape.
func predict(m *promptcam.Model, tape *autograd.Tape, images []*data.RGB) []promptcam.Prediction {
	t := m.Transform
	x := tensor.New(len(images), 3, t.Height, t.Width)
	n := 3 * t.Height * t.Width
	for i, img := range images {
		t.Normalise(x.Data()[i*n:(i+1)*n], t.Apply(img, nil))
	}
	scores := m.Scores(tape.Const(x)).Value() // [B, C]
	all := make([]promptcam.Prediction, len(images))
	for i, best := range scores.ArgMax() {
		all[i] = promptcam.Prediction{Index: -1, Predicted: best, Scores: slices.Clone(scores.Select(0, i).Data())}
	}
	return all
}

// SwapScore sums up what exchanging traits does.
type SwapScore struct {
	Moved  heat.Interval // share of pairs that Moved
	Margin heat.Interval // mean change of Other's score less Class's, which is the log of their odds
	Class  heat.Interval // mean change of Class's probability
	Other  heat.Interval // mean change of Other's probability
}

// ScoreSwaps sums up outcomes, whose order does not matter.
func ScoreSwaps(outcomes []Outcome, b heat.Bootstrap) SwapScore {
	var moved, margin, class, other []float64
	for _, o := range outcomes {
		hit := 0.
		if o.Moved() {
			hit = 1
		}
		lead := func(p promptcam.Prediction) float64 { return float64(p.Scores[o.Other]) - float64(p.Scores[o.Class]) }
		before, after := o.Before.Probabilities(), o.After.Probabilities()
		moved = append(moved, hit)
		margin = append(margin, lead(o.After)-lead(o.Before))
		class = append(class, after[o.Class]-before[o.Class])
		other = append(other, after[o.Other]-before[o.Other])
	}
	return SwapScore{b.Mean(moved), b.Mean(margin), b.Mean(class), b.Mean(other)}
}
