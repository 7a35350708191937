package promptcam

import (
	"cmp"
	"context"
	"slices"

	"github.com/promptcam/promptcam/data"
	"github.com/promptcam/promptcam/tensor"
)

// Prediction is the model's result for one labelled image.
type Prediction struct {
	Index     int // position in the loader's items
	Class     int // the true one
	Predicted int
	Scores    []float32 // [C]
}

// Probabilities returns the softmax of the scores, [C].
func (p Prediction) Probabilities() []float64 { return softmax(p.Scores) }

// Probability returns that of the predicted class.
func (p Prediction) Probability() float64 { return p.Probabilities()[p.Predicted] }

// Evaluation sums up the predictions for a set of images. Shares are from 0 to 1.
type Evaluation struct {
	Predictions []Prediction // in the order of the loader's items
	Top1, Top5  float64      // share of images whose class is predicted, or is among the five highest scores
	Loss        float64      // mean cross-entropy
	Images      []int        // [C] images of each class
	PerClass    []float64    // [C] share of them that is predicted correctly; 0 where there are none
	Confusion   [][]int      // [C][C]: images of the row's class predicted as the column's

	right, top5, loss float64 // sums over the images
}

// NewEvaluation returns an Evaluation of no images yet; see [Evaluation.Add].
func NewEvaluation(classes int) *Evaluation {
	e := &Evaluation{Images: make([]int, classes), PerClass: make([]float64, classes), Confusion: make([][]int, classes)}
	for i := range e.Confusion {
		e.Confusion[i] = make([]int, classes)
	}
	return e
}

// Add adds an image that was explained, in any order. It panics if its Label is unknown.
func (e *Evaluation) Add(x *Explanation) {
	e.add([]int{x.Index}, []int{x.Label}, tensor.FromSlice(x.Scores, 1, len(x.Scores)))
}

// add adds a batch with scores [B, C].
func (e *Evaluation) add(index, labels []int, scores *tensor.Tensor) {
	var loss float64
	for i, label := range labels {
		row := slices.Clone(scores.Select(0, i).Data())
		best := top(row, 5)
		p := Prediction{index[i], label, best[0], row}
		at, _ := slices.BinarySearchFunc(e.Predictions, p, func(a, b Prediction) int { return cmp.Compare(a.Index, b.Index) })
		e.Predictions = slices.Insert(e.Predictions, at, p)
		e.Images[label]++
		e.Confusion[label][best[0]]++
		e.PerClass[label] = float64(e.Confusion[label][label]) / float64(e.Images[label])
		if best[0] == label {
			e.right++
		}
		if slices.Contains(best, label) {
			e.top5++
		}
		loss += tensor.CrossEntropy(row, label)
	}
	b, n := float64(len(labels)), float64(len(e.Predictions))
	e.loss += float64(float32(loss/b)) * b // the batch's mean is a float32, as in training
	e.Top1, e.Top5, e.Loss = e.right/n, e.top5/n, e.loss/n
}

// Evaluate runs the model on all images of l, or their tokens. progress, if not nil, is called after
// each batch with the number of images done. It returns ctx's error if that ends first, and an error
// for images of another size, tokens that do not enter m's Layer, or classes that the model does not have.
func (m *Model) Evaluate(ctx context.Context, l Batches, progress func(done int)) (*Evaluation, error) {
	tape := m.tape()
	defer m.done(tape)
	e := NewEvaluation(m.Config.Classes)
	for batch, err := range l.Epoch(ctx, data.Plan{}) {
		if err != nil {
			return nil, err
		}
		if err := m.accepts(batch); err != nil {
			return nil, err
		}
		e.add(batch.Index, batch.Labels, m.scoresOf(tape, batch).Value())
		tape.Reset()
		if progress != nil {
			progress(len(e.Predictions))
		}
	}
	return e, nil
}

// Confusion counts the images of class True that were taken for class Predicted.
type Confusion struct{ True, Predicted, Count int }

// Confusions returns the n pairs of classes that were confused most often, the most frequent
// first; all of them if there are no more than n.
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
