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

// Pair is a photograph and its counterfactual: the same photograph with the traits exchanged that tell one
// class from another.
type Pair struct {
	Class, Other      int  // the class of Original, and the one to predict for Changed
	Off               bool // the exchange removes a mark of Class that Other lacks
	Original, Changed *data.RGB
}

// Outcome holds the predictions for a Pair.
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

// Swap runs the model on pairs of photographs of any size. An Original that several pairs in a row share is
// scored once. progress, if not nil, is called with the number of pairs done. It returns the first error of
// pairs or ctx.
func Swap(ctx context.Context, m *promptcam.Model, pairs iter.Seq2[Pair, error], progress func(done int)) ([]Outcome, error) {
	if err := m.Info().Validate(); err != nil {
		return nil, fmt.Errorf("measure: swap: %w", err)
	}
	var all []Outcome
	var images []*data.RGB // to be scored
	var at [][2]int        // for each pair to be scored, the indices of its two images
	done := 0              // pairs
	tape := &autograd.Tape{NoGrad: true}
	score := func() {
		p := predict(m, tape, images)
		tape.Reset()
		for i, pair := range at {
			o := &all[done+i]
			o.Before, o.After = p[pair[0]], p[pair[1]]
			o.Before.Class, o.After.Class = o.Class, o.Other
		}
		done += len(at)
		images, at = images[:0], at[:0]
		if progress != nil {
			progress(done)
		}
	}
	original := 0 // its index in images
	for p, err := range pairs {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return nil, err
		}
		if len(images) == 0 || p.Original != images[original] {
			original = len(images)
			images = append(images, p.Original)
		}
		at = append(at, [2]int{original, len(images)})
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
	Margin heat.Interval // mean change of Other's score minus Class's, the log odds
	Class  heat.Interval // mean change of Class's probability
	Other  heat.Interval // mean change of Other's probability
}

// ScoreSwaps sums up outcomes, in any order.
func ScoreSwaps(outcomes []Outcome, b heat.Bootstrap) SwapScore {
	var moved, margin, class, other []float64
	for _, o := range outcomes {
		lead := func(p promptcam.Prediction) float64 { return float64(p.Scores[o.Other]) - float64(p.Scores[o.Class]) }
		before, after := o.Before.Probabilities(), o.After.Probabilities()
		moved = append(moved, indicator(o.Moved()))
		margin = append(margin, lead(o.After)-lead(o.Before))
		class = append(class, after[o.Class]-before[o.Class])
		other = append(other, after[o.Other]-before[o.Other])
	}
	return SwapScore{b.Mean(moved), b.Mean(margin), b.Mean(class), b.Mean(other)}
}
