package autograd

import (
	"math"
	"slices"

	"github.com/promptcam/promptcam/tensor"
)

// Distill returns the distillation loss of scores [B, C] from a teacher's scores [B, C], both standardised
// (Sun et al., CVPR 2024, arXiv 2403.01427): one number, the mean over the images of
//
//	T² · KL(softmax(z(teacher)/T) ‖ softmax(z(scores)/T)),  z(x) = (x - mean(x)) / sqrt(variance(x) + 1e-6)
//
// over the classes, where T is the temperature, which must be positive: the higher, the softer. The paper's
// code instead divides by the deviation with C-1 in the denominator, plus 1e-7.
func Distill(scores *Var, teacher *tensor.Tensor, temperature float32) *Var {
	if !slices.Equal(scores.Shape(), teacher.Shape()) || teacher.Rank() != 2 || teacher.Len() == 0 {
		panic(&tensor.ShapeError{Op: "Distill", Shapes: [][]int{scores.Shape(), teacher.Shape()}, Reason: "want [B, C] twice"})
	}
	positive("Distill", temperature)
	scores, teacher = contig(scores), teacher.Contig()
	grad, room := scores.tape.scratch(scores.Shape()...), scores.tape.room(scores.Dim(1))
	b, c, t := scores.Dim(0), scores.Dim(1), float64(temperature)
	var loss float64
	for i := range b {
		zt, zs := room.Data(), grad.Data()[i*c:][:c]
		_, sumT := standardise(zt, teacher.Data()[i*c:][:c], t)
		deviation, sumS := standardise(zs, scores.Value().Data()[i*c:][:c], t)
		var along float64 // mean over the classes of zs times the gradient of zs·T
		for j, s := range zs {
			logP, logQ := float64(zt[j])-sumT, float64(s)-sumS
			p := math.Exp(logP)
			loss += t * t * p * (logP - logQ) / float64(b)
			g := t * (math.Exp(logQ) - p) / float64(b)
			zt[j] = float32(g)
			along += g * float64(s) / float64(c)
		}
		for j, s := range zs {
			// As for a layer norm; the gradients' mean is 0, since p and q sum to 1.
			zs[j] = float32((float64(zt[j]) - float64(s)*t*t*along) / deviation)
		}
	}
	scores.tape.memory.put(room.Data())
	return lossOf(scores, grad, loss)
}

// standardise writes (x - mean) / (deviation·t) to z. It returns the deviation and the logarithm of the sum
// of exp(z).
func standardise(z, x []float32, t float64) (deviation, logSum float64) {
	n := float64(len(x))
	var mean, variance, sum float64
	for _, v := range x {
		mean += float64(v) / n
	}
	for _, v := range x {
		variance += (float64(v) - mean) * (float64(v) - mean) / n
	}
	deviation = math.Sqrt(variance + 1e-6)
	top := math.Inf(-1)
	for i, v := range x {
		z[i] = float32((float64(v) - mean) / (deviation * t))
		top = max(top, float64(z[i]))
	}
	for _, v := range z {
		sum += math.Exp(float64(v) - top)
	}
	return deviation, top + math.Log(sum)
}
