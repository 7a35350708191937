package promptcam

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"math"
	"slices"

	"github.com/promptcam/promptcam/autograd"
	"github.com/promptcam/promptcam/data"
	"github.com/promptcam/promptcam/tensor"
)

// Batches is a source of images, such as data.Loader, or of tokens that the frozen blocks computed from them,
// such as features.Loader.
type Batches interface {
	// Epoch returns the batches of one epoch of the images that the plan picks. A batch is valid until the
	// next. An error ends the epoch.
	Epoch(ctx context.Context, p data.Plan) iter.Seq2[*data.Batch, error]
	Len() int     // images in an epoch
	Batches() int // batches in an epoch
}

// accepted returns the batches of an epoch up to the first error, of l or about a batch that does not fit m.
func (m *Model) accepted(ctx context.Context, l Batches, p data.Plan) iter.Seq2[*data.Batch, error] {
	return func(yield func(*data.Batch, error) bool) {
		for b, err := range l.Epoch(ctx, p) {
			if err == nil {
				err = m.accepts(b)
			}
			if !yield(b, err) || err != nil {
				return
			}
		}
	}
}

// accepts returns an error unless the batch's images or tokens and classes fit m.
func (m *Model) accepts(b *data.Batch) error {
	c := m.Backbone.Config
	if b.Kind == data.Tokens {
		if _, ok := m.Layer(); !ok {
			return fmt.Errorf("promptcam: the loader has tokens in place of images: they depend on the %d class-agnostic prompts of mode %s", m.Config.Agnostic, m.Config.Mode)
		}
		if want := []int{len(b.Labels), c.Prefix() + m.patches(), c.Dim}; !slices.Equal(b.Values.Shape(), want) {
			return fmt.Errorf("promptcam: the loader has tokens %v, the model wants %v", b.Values.Shape(), want)
		}
	} else if got, want := b.Values.Shape(), c.ImageSize; len(got) != 4 || got[0] != len(b.Labels) || got[1] != 3 {
		return fmt.Errorf("promptcam: the loader has images %v, the model wants [%d 3 %d %d]", got, len(b.Labels), want[0], want[1])
	} else if [2]int(got[2:]) != want {
		return fmt.Errorf("promptcam: the loader makes images of %dx%d pixels, the backbone wants %dx%d", got[2], got[3], want[0], want[1])
	}
	for i, label := range b.Labels {
		if label < 0 || label >= m.Config.Classes {
			return fmt.Errorf("promptcam: image %d of the loader has class %d, the model 0 to %d", b.Index[i], label, m.Config.Classes-1)
		}
	}
	return nil
}

// scoresOf returns the scores [B, C] of a batch that m accepts.
func (m *Model) scoresOf(tape *autograd.Tape, b *data.Batch) *autograd.Var {
	if b.Kind == data.Tokens {
		return m.ScoresOf(tape.Const(b.Values))
	}
	return m.Scores(tape.Const(b.Values))
}

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

// A ScoreError is a score that is NaN or infinite, which predicts nothing. The parameters of the model or its
// backbone are too large, as after a training at too high a learning rate.
type ScoreError struct {
	Index int // position in the loader's items; -1: an image on its own
	Class int
	Score float32
}

// Error names the image, the class and the score.
func (e *ScoreError) Error() string {
	image := "the image"
	if e.Index >= 0 {
		image = fmt.Sprintf("image %d", e.Index)
	}
	return fmt.Sprintf("promptcam: %s has the score %v for class %d, which predicts nothing: the model's or the backbone's numbers are too large", image, e.Score, e.Class)
}

// checkScores returns a *ScoreError about the first of an image's scores that is not finite.
func checkScores(index int, scores []float32) error {
	for class, s := range scores {
		if math.IsNaN(float64(s)) || math.IsInf(float64(s), 0) {
			return &ScoreError{index, class, s}
		}
	}
	return nil
}

// Evaluation sums up the predictions for a set of images.
type Evaluation struct {
	Predictions []Prediction // in the order of the loader's items
	Top1, Top5  float64      // accuracy and top-5 accuracy, 0 to 1
	Loss        float64      // mean cross-entropy
	Images      []int        // [C], of each class
	PerClass    []float64    // [C] accuracy, 0 without images
	Confusion   [][]int      // [C][C] images, by true and predicted class

	right, top5, loss float64 // sums over the images
}

// NewEvaluation returns an Evaluation without images, for [Evaluation.Add].
func NewEvaluation(classes int) *Evaluation {
	e := &Evaluation{Images: make([]int, classes), PerClass: make([]float64, classes), Confusion: make([][]int, classes)}
	for i := range e.Confusion {
		e.Confusion[i] = make([]int, classes)
	}
	return e
}

// Add adds an explained image, in any order. It panics unless the Label is a class.
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

// Evaluate runs the model on all images of l, or their tokens. progress, if not nil, is called after each
// batch with the number of images done. The error is ctx's, which is heard between blocks, or l's, or about
// images of the wrong size, tokens that do not enter m's Layer, or classes that m does not have, or a
// *ScoreError.
func (m *Model) Evaluate(ctx context.Context, l Batches, progress func(done int)) (*Evaluation, error) {
	tape := m.tape(ctx)
	defer m.done(tape)
	e := NewEvaluation(m.Config.Classes)
	for batch, err := range m.accepted(ctx, l, data.Plan{}) {
		if err != nil {
			return nil, err
		}
		scores := m.scoresOf(tape, batch).Value() // [B, C]
		if err := tape.Err(); err != nil {
			return nil, err
		}
		for i, index := range batch.Index {
			if err := checkScores(index, scores.Select(0, i).Data()); err != nil {
				return nil, err
			}
		}
		e.add(batch.Index, batch.Labels, scores)
		tape.Reset()
		if progress != nil {
			progress(len(e.Predictions))
		}
	}
	return e, nil
}

// Confusion counts the images of class True that are predicted as class Predicted.
type Confusion struct{ True, Predicted, Count int }

// Confusions returns the n most frequent confusions, the most frequent first, or all if there are fewer.
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
