package promptcam

import (
	"cmp"
	"context"
	"slices"

	"github.com/promptcam/promptcam/autograd"
	"github.com/promptcam/promptcam/data"
)

// Prediction is what the model makes of one image.
type Prediction struct {
	Index     int // position in the loader's items
	Class     int // the true one
	Predicted int
	Scores    []float32 // [C]
}

// Probability returns the softmax of the predicted class's score.
func (p Prediction) Probability() float64 { return softmax(p.Scores)[p.Predicted] }

// Evaluation sums up the predictions for a set of images. Shares are from 0 to
// 1.
type Evaluation struct {
	Predictions []Prediction // in the order of the loader's items
	Top1, Top5  float64      // share whose class is predicted, or among the five highest scores
	Loss        float64      // mean cross-entropy
	Images      []int        // [C] images of each class
	PerClass    []float64    // [C] share of them that is predicted; 0 where there are none
	Confusion   [][]int      // [C][C]: images of the row's class predicted as the column's
}

// Evaluate runs the model on all images of l. progress, if not nil, is called
// after each batch with the number of images done. It returns ctx's error if
// that ends first, and an error for images of another size, tokens that do not enter
// m's Layer, or classes that the model does not have.
func (m *Model) Evaluate(ctx context.Context, l Batches, progress func(done int)) (*Evaluation, error) {
	tape := m.tape()
	defer m.done(tape)
	c := m.Config.Classes
	e := &Evaluation{Images: make([]int, c), PerClass: make([]float64, c), Confusion: make([][]int, c)}
	for i := range e.Confusion {
		e.Confusion[i] = make([]int, c)
	}
	for batch, err := range l.Epoch(ctx, data.Plan{}) {
		if err != nil {
			return nil, err
		}
		if err := m.accepts(batch); err != nil {
			return nil, err
		}
		scores := m.scoresOf(tape, batch) // [B, C]
		loss := autograd.CrossEntropy(scores, batch.Labels)
		e.Loss += float64(loss.Value().At()) * float64(len(batch.Labels))
		for i, label := range batch.Labels {
			row := slices.Clone(scores.Value().Data()[i*c : (i+1)*c])
			best := top(row, 5)
			e.Predictions = append(e.Predictions, Prediction{batch.Index[i], label, best[0], row})
			e.Images[label]++
			e.Confusion[label][best[0]]++
			if slices.Contains(best, label) {
				e.Top5++
			}
		}
		tape.Reset()
		if progress != nil {
			progress(len(e.Predictions))
		}
	}
	slices.SortFunc(e.Predictions, func(a, b Prediction) int { return a.Index - b.Index })
	n := float64(len(e.Predictions))
	for i, images := range e.Images {
		right := float64(e.Confusion[i][i])
		e.Top1 += right
		if images > 0 {
			e.PerClass[i] = right / float64(images)
		}
	}
	e.Top1 /= n
	e.Top5 /= n
	e.Loss /= n
	return e, nil
}

// Confusion counts the images of class True that were taken for class
// Predicted; both are numbers of classes.
type Confusion struct{ True, Predicted, Count int }

// Confusions returns the n pairs of classes that were confused most often, the
// most frequent first; all of them if there are no more than n.
func (e *Evaluation) Confusions(n int) []Confusion {
	var all []Confusion
	for i, row := range e.Confusion {
		for j, count := range row {
			if i != j && count > 0 {
				all = append(all, Confusion{i, j, count})
			}
		}
	}
	slices.SortStableFunc(all, func(a, b Confusion) int { return cmp.Compare(b.Count, a.Count) })
	return all[:min(n, len(all))]
}
