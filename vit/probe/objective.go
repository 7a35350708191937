package probe

import (
	"math"

	"github.com/promptcam/promptcam/tensor"
)

// objective is that of multinomial logistic regression on rows x [N, D]:
//
//	f(W, b) = mean over the rows of -log softmax(W·x + b)[label] + penalty/2·|W|²
//
// Products are in float32, sums over rows and weights in float64.
type objective struct {
	x       *tensor.Tensor // [N, D]
	labels  []int
	penalty float64

	theta, gradient *tensor.Tensor // [C·D+C]: W row by row, then b
	scores, probs   *tensor.Tensor // [N, C]
}

func newObjective(x *tensor.Tensor, labels []int, classes int, penalty float64) *objective {
	n, size := x.Dim(0), classes*x.Dim(1)+classes
	return &objective{
		x: x, labels: labels, penalty: penalty,
		theta: tensor.New(size), gradient: tensor.New(size),
		scores: tensor.New(n, classes), probs: tensor.New(n, classes),
	}
}

// parts returns views of W [C, D] and b [C] in a theta or its gradient.
func (o *objective) parts(t *tensor.Tensor) (w, b *tensor.Tensor) {
	c, d := o.scores.Dim(1), o.x.Dim(1)
	return t.Slice(0, 0, c*d).Reshape(c, d), t.Slice(0, c*d, c*d+c)
}

// at returns f(theta) and writes its gradient to grad.
func (o *objective) at(theta, grad []float64) float64 {
	for i, v := range theta {
		o.theta.Data()[i] = float32(v)
	}
	w, b := o.parts(o.theta)
	tensor.LinearTo(o.scores, o.x, w, nil, tensor.After{Bias: b})
	tensor.SoftmaxTo(o.probs, o.scores)
	n, c := float64(len(o.labels)), o.scores.Dim(1)
	scores, probs := o.scores.Data(), o.probs.Data()
	var f float64
	for i, best := range o.scores.ArgMax() {
		// The largest probability is at least 1/C, so its logarithm is accurate.
		f += float64(scores[i*c+best]) - math.Log(float64(probs[i*c+best])) - float64(scores[i*c+o.labels[i]])
		probs[i*c+o.labels[i]]--
	}
	f /= n

	dw, db := o.parts(o.gradient)
	tensor.LinearBackwardTo(nil, dw, o.probs, o.x, w, nil)
	tensor.SumTo(db, o.probs)
	for i, g := range o.gradient.Data() {
		grad[i] = float64(g) / n
	}
	for i, v := range theta[:w.Len()] {
		f += o.penalty / 2 * v * v
		grad[i] += o.penalty * v
	}
	return f
}
