package autograd

import "github.com/promptcam/promptcam/tensor"

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
	n.scores.addGrad(func(g *tensor.Tensor) { tensor.ScaleTo(g, dy.At(), n.grad) })
}
