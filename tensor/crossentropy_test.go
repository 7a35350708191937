package tensor_test

import (
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"gonum.org/v1/gonum/floats"

	"github.com/promptcam/promptcam/tensor"
	"github.com/promptcam/promptcam/tensor/tensortest"
)

// crossEntropy is the mean over rows of n scores of -log softmax(scores)[label].
func crossEntropy(scores []float64, labels []int) float64 {
	n := len(scores) / len(labels)
	var sum float64
	for i, label := range labels {
		row := scores[i*n : i*n+n]
		sum += floats.LogSumExp(row) - row[label]
	}
	return sum / float64(len(labels))
}

func TestCrossEntropy(t *testing.T) {
	labels := []int{3, 0, 4, 4}
	scores, probs := tensortest.Random(newRand(), 4, 5), tensor.New(4, 5)
	loss := tensor.CrossEntropyTo(probs, scores, labels)
	assert.InDelta(t, crossEntropy(doubles(scores), labels), loss, 1e-6)
	tensortest.Close(t, scores.Softmax(), probs, 0)

	dx := tensor.New(4, 5)
	tensor.CrossEntropyBackwardTo(dx, probs, labels, 3)
	tensortest.Close(t, gradient(func(x []float64) float64 { return 3 * crossEntropy(x, labels) }, doubles(scores)), dx.Data(), 1e-6)
	tensor.CrossEntropyBackwardTo(probs, probs, labels, 3)
	tensortest.Close(t, dx, probs, 0)
}

func TestCrossEntropyOfExtremes(t *testing.T) {
	cases := []struct {
		scores []float32
		want   float64
	}{
		{[]float32{1e30, 1e30}, math.Ln2},
		{[]float32{-1e30, -1e30}, math.Ln2},
		{[]float32{-1000, 1000}, 2000}, // the probability itself underflows
		{[]float32{1000, -1000}, 0},
		{[]float32{-3e38, 0}, 3e38},
		{[]float32{0, -inf}, 0},
		{[]float32{-inf, 0}, math.Inf(1)},
		{[]float32{nan, 0}, math.NaN()},
		{[]float32{0, nan}, math.NaN()},
		{[]float32{inf, 0}, math.NaN()},
	}
	for _, c := range cases {
		loss := tensor.CrossEntropyTo(tensor.New(1, 2), tensor.FromSlice(c.scores, 1, 2), []int{0})
		tensortest.Close(t, []float64{c.want}, []float32{loss}, 1e-6)
	}
}

func TestCrossEntropyPanics(t *testing.T) {
	x := tensor.New(2, 3)
	requirePanic(t, "tensor: CrossEntropyTo: shape [2 3]: label 3 is outside [0, 3)", func() { tensor.CrossEntropyTo(x, x, []int{0, 3}) })
	requirePanic(t, "tensor: CrossEntropyTo: shape [2 3]: label -1 is outside [0, 3)", func() { tensor.CrossEntropyTo(x, x, []int{-1, 0}) })
	requirePanic(t, "tensor: CrossEntropyTo: shape [2 3]: want [1, C] for 1 labels", func() { tensor.CrossEntropyTo(x, x, []int{0}) })
	requirePanic(t, "tensor: CrossEntropyTo: shape [0 3]: want [0, C] for 0 labels", func() { tensor.CrossEntropyTo(tensor.New(0, 3), tensor.New(0, 3), nil) })
	requirePanic(t, "tensor: CrossEntropyBackwardTo: shapes [2 3] and [3 2]: must be the same", func() {
		tensor.CrossEntropyBackwardTo(x, tensor.New(3, 2), []int{0, 1}, 1)
	})
}
