package measure

import (
	"cmp"
	"context"
	"fmt"
	"iter"

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
	s := &swaps{pairs: pairs, transform: m.Transform}
	e, err := m.Evaluate(ctx, s, func(int) {
		if progress != nil {
			progress(len(s.all))
		}
	})
	if err != nil {
		return nil, err
	}
	for i := range s.all {
		o := &s.all[i]
		o.Before, o.After = e.Predictions[s.at[i][0]], e.Predictions[s.at[i][1]]
		o.Before.Class = o.Class
	}
	return s.all, nil
}

// swaps are the images of pairs as a promptcam.Batches. The class to predict for Changed is its label.
type swaps struct {
	pairs     iter.Seq2[Pair, error]
	transform data.Transform
	all       []Outcome // of the pairs so far
	at        [][2]int  // of each, the indices of its two images
	images    int       // so far
}

func (s *swaps) Len() int     { return s.images }
func (s *swaps) Batches() int { return (s.images + swapBatch - 1) / swapBatch }

func (s *swaps) Epoch(ctx context.Context, _ data.Plan) iter.Seq2[*data.Batch, error] {
	return func(yield func(*data.Batch, error) bool) {
		t := s.transform
		values := tensor.New(swapBatch+1, 3, t.Height, t.Width) // a batch's last pair may exceed it
		b := &data.Batch{}
		add := func(img *data.RGB, class int) (index int) {
			t.Normalise(values.Select(0, len(b.Labels)).Data(), t.Apply(img, nil))
			b.Labels, b.Index = append(b.Labels, class), append(b.Index, s.images)
			b.Values = values.Slice(0, 0, len(b.Labels))
			s.images++
			return s.images - 1
		}
		var original *data.RGB // the last in b
		var index int          // its
		for p, err := range s.pairs {
			if err := cmp.Or(err, ctx.Err()); err != nil {
				yield(nil, err)
				return
			}
			if len(b.Labels) == 0 || p.Original != original {
				original, index = p.Original, add(p.Original, p.Class)
			}
			s.at = append(s.at, [2]int{index, add(p.Changed, p.Other)})
			s.all = append(s.all, Outcome{Class: p.Class, Other: p.Other, Off: p.Off})
			if len(b.Labels) >= swapBatch {
				if !yield(b, nil) {
					return
				}
				b.Labels, b.Index = b.Labels[:0], b.Index[:0]
			}
		}
		if len(b.Labels) > 0 {
			yield(b, nil)
		}
	}
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
