package autograd

import "github.com/promptcam/promptcam/tensor"

// CrossEntropy returns the mean over the images of -log softmax(scores)[label], one number, for scores [B, C]
// and labels in [0, C).
func CrossEntropy(scores *Var, labels []int) *Var {
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
	n.scores.addGrad(func(g *tensor.Tensor) { tensor.CrossEntropyBackwardTo(g, n.probs, n.labels, dy.At()) })
}
