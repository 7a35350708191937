package promptcam

import (
	"fmt"
	"math"
	"slices"

	"github.com/promptcam/promptcam/autograd"
	"github.com/promptcam/promptcam/data"
	"github.com/promptcam/promptcam/tensor"
)

// NeededMaps adds to the loss -log(1-p), the mean over the images, where p is the probability of the image's class
// with every head of its prompt blurred as by BlurPatches, beside the other classes' scores as they are. Without it
// the prompt's own vector, which is added to what its heads read, is often enough to win with: no map explains such
// a prediction, see [Explanation.Survives]. A Weight of 0 turns it off. Not in the paper.
type NeededMaps struct {
	Weight float64 `knob:"needed" json:"needed" group:"Training" default:"0" range:"[0,1000]" arg:"weight" help:"weight of a loss for a class that would win with all its maps blurred, so that predictions need their maps; the cross-entropy has 1; 0: none"`
}

// Validate returns an error unless the weight is a number of at least 0.
func (n NeededMaps) Validate() error {
	if !finite(n.Weight) {
		return fmt.Errorf("promptcam: needed maps of weight %v, want at least 0", n.Weight)
	}
	return nil
}

// classes returns whose blurred scores the loss takes, [B, n]: each image's class, and with CutMix that of the
// image whose patches it got, too. It is empty if the loss is off.
func (n NeededMaps) classes(b *data.Batch, mix *mixture) []int {
	if n.Weight == 0 {
		return nil
	}
	if mix == nil {
		return slices.Clone(b.Labels) // which the batch may change
	}
	both := make([]int, 0, 2*len(b.Labels))
	for i, own := range b.Labels {
		both = append(both, own, mix.labels[i])
	}
	return both
}

// trained returns the scores [B, C] of a batch that m accepts and the blurred scores [B, n] of n classes of each
// image, nil if there are none: see lastLayer.blurred.
func (m *Model) trained(tape *autograd.Tape, b *data.Batch, classes []int) (scores, blurred *autograd.Var) {
	f := tape.Frame()
	z := m.prompts(tape, m.Class)
	scores, blurred = m.scoresAndBlurred(m.tokensOf(tape, b), z, classes)
	return f.Keep(scores, blurred), blurred
}

// blurred returns the scores [B, n] of n classes of each image, B·n in all, with every head of their prompts
// blurred: each reads the mean of the patches' values, of those that patch dropout leaves. It takes B·n rows of the
// block's second half, where all classes' scores take B·C.
func (l lastLayer) blurred(classes []int) *autograd.Var {
	v, from := l.kv[len(l.kv)-1].V, 0 // [B, rows, D]; patches are the last
	if !l.Config.PatchesOnly {
		from = l.Backbone.Config.Prefix()
	}
	b, patches, d := v.Dim(0), v.Dim(1)-from, v.Dim(2)
	n := len(classes) / b
	even := tensor.New(n, patches).Fill(1 / float32(patches))
	y := autograd.Combine(even, autograd.Slice(v, 1, from, from+patches)) // [B, n, D]
	z := l.z
	if z.Value().Rank() == 2 { // the same for all images
		z = autograd.Reshape(z, 1, -1, d)
	}
	z = autograd.Reshape(autograd.Gather(z, classes), b, n, d)
	return l.score(l.last.Complete(z, y))
}

// loss returns the loss for scores [B, C] and the blurred scores [B, n] of n.classes.
func (n NeededMaps) loss(scores, blurred *autograd.Var, b *data.Batch, mix *mixture) *autograd.Var {
	own := unneeded(scores, autograd.Slice(blurred, 1, 0, 1), b.Labels)
	if mix == nil {
		return own
	}
	other := unneeded(scores, autograd.Slice(blurred, 1, 1, 2), mix.labels)
	return autograd.Add(weighted(mix.own, own), weighted(1-mix.own, other))
}

// unneeded returns the mean over the images of -log(1-p) for scores [B, C], where p is the probability of the label
// with its score replaced by the blurred one, [B, 1].
func unneeded(scores, blurred *autograd.Var, labels []int) *autograd.Var {
	images, classes := scores.Dim(0), scores.Dim(1)
	ds, db := tensor.New(images, classes), tensor.New(images, 1)
	var sum float64
	for i, label := range labels {
		others := make([]float64, classes) // their softmax
		logSum := othersTo(others, scores.Value().Select(0, i).Data(), label)
		x := float64(blurred.Value().At(i, 0)) - logSum // log p/(1-p)
		far := math.Exp(-math.Abs(x))
		sum += max(x, 0) + math.Log1p(far)
		p := 1 / (1 + far) // sigmoid(|x|)
		if x < 0 {
			p = far / (1 + far)
		}
		p /= float64(images)
		db.Data()[i] = float32(p)
		for c, q := range others {
			ds.Data()[i*classes+c] = float32(-p * q)
		}
	}
	value := tensor.New().Fill(float32(sum / float64(images)))
	return autograd.Op(value, func(dy *tensor.Tensor) {
		scores.AddGrad(func(g *tensor.Tensor) { tensor.ScaleTo(g, dy.At(), ds) })
		blurred.AddGrad(func(g *tensor.Tensor) { tensor.ScaleTo(g, dy.At(), db) })
	}, scores, blurred)
}

// othersTo writes the softmax of all scores but the label's to q [C], which has a 0 there, and returns the
// logarithm of the sum of their exponentials.
func othersTo(q []float64, scores []float32, label int) (logSum float64) {
	top, sum := math.Inf(-1), 0.
	for c, s := range scores {
		if c != label {
			top = max(top, float64(s))
		}
	}
	for c, s := range scores {
		if c != label {
			q[c] = math.Exp(float64(s) - top)
			sum += q[c]
		}
	}
	for c := range q {
		q[c] /= sum
	}
	return top + math.Log(sum)
}
