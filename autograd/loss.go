package autograd

import (
	"fmt"
	"math"

	"github.com/promptcam/promptcam/tensor"
)

// lossOf returns the number loss, given its gradient with respect to scores, a tensor of the tape.
func lossOf(scores *Var, grad *tensor.Tensor, loss float64) *Var {
	y := scores.tape.result(nil, scores)
	y.value.Fill(float32(loss))
	if y.needs {
		*record[knownGrad](y) = knownGrad{scores, grad}
	}
	return y
}

type knownGrad struct {
	scores *Var
	grad   *tensor.Tensor
}

func (n *knownGrad) back(dy *tensor.Tensor) {
	n.scores.AddGrad(func(g *tensor.Tensor) { tensor.ScaleTo(g, dy.At(), n.grad) })
}

// CrossEntropy returns the mean over the images of -log softmax(scores)[label], one number, for scores [B, C]
// and labels in [0, C).
func CrossEntropy(scores *Var, labels []int) *Var {
	scores = contig(scores)
	y := scores.tape.result(nil, scores)
	probs := scores.tape.scratch(scores.Shape()...)
	y.value.Fill(tensor.CrossEntropyTo(probs, scores.Value(), labels))
	if y.needs {
		*record[crossEntropy](y) = crossEntropy{scores, probs, labels}
	}
	return y
}

type crossEntropy struct {
	scores *Var
	probs  *tensor.Tensor
	labels []int
}

func (n *crossEntropy) back(dy *tensor.Tensor) {
	n.scores.AddGrad(func(g *tensor.Tensor) { tensor.CrossEntropyBackwardTo(g, n.probs, n.labels, dy.At()) })
}

// BinaryCrossEntropy returns the mean over the images of the sum over the classes of the binary
// cross-entropy, one number, for scores [B, C] and labels in [0, C): -log p for the label and -log(1-p) for
// the others, where p = sigmoid(score - log(C-1)), or sigmoid(score) if C is 1. Scores of 0 thus mean a
// probability of 1/C each, as in CrossEntropy; otherwise the first steps would only learn that most classes
// are absent (Lin et al., "Focal Loss for Dense Object Detection", arXiv 1708.02002, section 3.3). It panics
// with a *tensor.ShapeError unless there are B labels in [0, C), and B and C are not 0.
func BinaryCrossEntropy(scores *Var, labels []int) *Var {
	if s := scores.Shape(); len(s) != 2 || s[0] != len(labels) || scores.Value().Len() == 0 {
		panic(&tensor.ShapeError{Op: "BinaryCrossEntropy", Shapes: [][]int{s, {len(labels)}}, Reason: "want [B, C] and B labels"})
	}
	scores = contig(scores)
	grad := scores.tape.scratch(scores.Shape()...)
	b, c := scores.Dim(0), scores.Dim(1)
	prior := math.Log(float64(max(c-1, 1)))
	var sum float64
	for i, label := range labels {
		if label < 0 || label >= c {
			panic(&tensor.ShapeError{Op: "BinaryCrossEntropy", Shapes: [][]int{scores.Shape()}, Reason: fmt.Sprintf("label %d is outside [0, %d)", label, c)})
		}
		for j, score := range scores.Value().Data()[i*c:][:c] {
			x, sign := float64(score)-prior, 1.
			if j == label {
				sign = -1
			}
			x *= sign // the logit of the wrong answer, whose loss is log(1 + exp(x))
			far := math.Exp(-math.Abs(x))
			sum += max(x, 0) + math.Log1p(far)
			wrong := 1 / (1 + far) // sigmoid(|x|)
			if x < 0 {
				wrong = far / (1 + far)
			}
			grad.Data()[i*c+j] = float32(sign * wrong / float64(b))
		}
	}
	return lossOf(scores, grad, sum/float64(b))
}
