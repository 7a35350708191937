package autograd

import (
	"fmt"
	"math"

	"github.com/promptcam/promptcam/tensor"
)

// CrossViews returns DINO's loss between a student's scores of some views of images and a teacher's
// probabilities of other views of the same images (Caron et al., arXiv 2104.14294, equations 2 and 3). scores
// [V, B, K] are the student's for V views of B images; targets [G, B, K] are the teacher's for the first G
// views. The result is one number, the mean over the images and the pairs of a target g and another view v of
//
//	-Σ targets[g] · log softmax(scores[v] / temperature)
//
// Each row of targets must sum to 1, and the temperature be positive.
func CrossViews(scores *Var, targets *tensor.Tensor, temperature float32) *Var {
	s, t := scores.Shape(), targets.Shape()
	if len(s) != 3 || len(t) != 3 || t[0] > s[0] || t[1] != s[1] || t[2] != s[2] || t[0] < 1 || s[0] < 2 || s[1]*s[2] == 0 {
		panic(&tensor.ShapeError{Op: "CrossViews", Shapes: [][]int{s, t}, Reason: "want [V, B, K] and [G, B, K], G at most V and V at least 2"})
	}
	positive("CrossViews", temperature)
	scores, targets = contig(scores), targets.Contig()
	tp, v, b, k, g := scores.tape, s[0], s[1], s[2], t[0]
	grad, sum := tp.scratch(scores.Shape()...), tp.room(k)
	tensor.ScaleTo(grad, 1/temperature, scores.value)
	z := tp.room(scores.Shape()...)
	tensor.CopyTo(z, grad)
	tensor.SoftmaxTo(grad, grad)
	pairs := float64(g*v - g)
	scale := float32(1 / (pairs * float64(b) * float64(temperature)))
	var loss float64
	for i := range b {
		for view := range v {
			others := othersTo(sum.Data(), targets, view, i)
			row := (view*b + i) * k
			loss += crossView(grad.Data()[row:][:k], z.Data()[row:][:k], sum.Data(), others, scale)
		}
	}
	tp.memory.put(z.Data())
	tp.memory.put(sum.Data())
	return lossOf(scores, grad, loss/pairs/float64(b))
}

// positive panics unless a temperature is, and finite.
func positive(op string, temperature float32) {
	if !(temperature > 0 && temperature <= math.MaxFloat32) {
		panic(fmt.Sprintf("autograd: %s at temperature %v, want a positive number", op, temperature))
	}
}

// othersTo writes to sum the sum of image i's targets for the views other than view, and returns their
// number.
func othersTo(sum []float32, targets *tensor.Tensor, view, i int) (others float32) {
	clear(sum)
	for g := range targets.Dim(0) {
		if g == view {
			continue
		}
		others++
		for j, t := range targets.Data()[(g*targets.Dim(1)+i)*len(sum):][:len(sum)] {
			sum[j] += t
		}
	}
	return others
}

// crossView returns -Σ t·log softmax(z), where p is that softmax and t sums to others. It overwrites p with
// scale times the gradient of z.
func crossView(p, z, t []float32, others, scale float32) float64 {
	top := 0 // whose probability cannot underflow
	for j, v := range z {
		if v > z[top] {
			top = j
		}
	}
	logSum := float64(z[top]) - math.Log(float64(p[top]))
	for j, v := range p {
		p[j] = scale * (float32(others*v) - t[j])
	}
	return float64(float64(others)*logSum) - dot(t, z)
}
