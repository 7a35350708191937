package tensor

import (
	"fmt"
	"math"
)

// CrossEntropyTo writes to probs the softmax of scores [B, C] and returns the mean over the rows of
// -log(probs[i, labels[i]]). Both must be contiguous. It panics with a *ShapeError if a label is not in [0,
// C).
func CrossEntropyTo(probs, scores *Tensor, labels []int) (loss float32) {
	labelShapes("CrossEntropyTo", scores, labels)
	SoftmaxTo(probs, scores)
	c := scores.Dim(1)
	var sum float64
	for i, label := range labels {
		sum += CrossEntropy(scores.Data()[i*c:][:c], label) // not -log(probs): a small one underflows
	}
	return float32(sum / float64(len(labels)))
}

// CrossEntropy returns -log softmax(scores)[label] for one image's scores [C]. It is finite even if the
// probability underflows.
func CrossEntropy(scores []float32, label int) float64 {
	top := float64(scores[0])
	for _, v := range scores {
		top = math.Max(top, float64(v))
	}
	var z float64
	for _, v := range scores {
		z += math.Exp(float64(v) - top)
	}
	return math.Log(z) - (float64(scores[label]) - top)
}

// CrossEntropyBackwardTo writes to dx [B, C] the gradient of the scores, given the probabilities from
// CrossEntropyTo and the gradient of the loss. dx must be contiguous; it may be probs.
func CrossEntropyBackwardTo(dx, probs *Tensor, labels []int, dloss float32) {
	same("CrossEntropyBackwardTo", dx, probs)
	labelShapes("CrossEntropyBackwardTo", dx, labels)
	ScaleTo(dx, dloss/float32(len(labels)), probs)
	c := dx.Dim(1)
	for i, label := range labels {
		dx.Data()[i*c+label] -= dloss / float32(len(labels))
	}
}

func labelShapes(op string, scores *Tensor, labels []int) {
	if scores.Rank() != 2 || scores.Dim(0) != len(labels) || len(labels) == 0 {
		panic(&ShapeError{op, [][]int{scores.shape}, fmt.Sprintf("want [%d, C] for %d labels", len(labels), len(labels))})
	}
	for _, label := range labels {
		if label < 0 || label >= scores.Dim(1) {
			panic(&ShapeError{op, [][]int{scores.shape}, fmt.Sprintf("label %d is outside [0, %d)", label, scores.Dim(1))})
		}
	}
}
