package promptcam

import (
	"fmt"
	"math"
	"slices"

	"github.com/promptcam/promptcam/autograd"
	"github.com/promptcam/promptcam/data"
	"github.com/promptcam/promptcam/tensor"
)

// Distill adds to the loss the distance to a teacher's scores: see autograd.Distill. A Weight of 0 turns it
// off; otherwise it needs a Teacher and a positive Temperature.
type Distill struct {
	Weight      float64 `knob:"distill" json:"distill" group:"Training" default:"0" range:"[0,1000]" arg:"weight" help:"weight of the distance to a teacher's scores; the cross-entropy has 1. The teacher is a linear probe on the class token and needs cached features; 0: no teacher"`
	Temperature float64 `knob:"temperature" json:"temperature" default:"0.5" range:"[0,1000]" help:"divides the standardised scores of teacher and model; the higher, the more the classes count that the teacher does not favour"`

	// Teacher returns the scores [B, C] of a batch, valid until the next call.
	Teacher func(*data.Batch) *tensor.Tensor `json:"-"`
}

// Validate returns an error unless d is off or has a teacher and a positive temperature.
func (d Distill) Validate() error {
	switch {
	case !finite(d.Weight):
		return fmt.Errorf("promptcam: distillation of weight %v, want at least 0", d.Weight)
	case d.Weight > 0 && (d.Teacher == nil || float32(d.Temperature) == 0 || !finite(d.Temperature)):
		return fmt.Errorf("promptcam: distillation at temperature %v: want a teacher and a positive temperature", d.Temperature)
	}
	return nil
}

// BinaryLoss adds to the loss a binary cross-entropy per class: see autograd.BinaryCrossEntropy. With softmax
// alone it is enough that the prompt of one of two look-alikes attends to the trait that tells them apart,
// and the other's map may miss it; with a binary loss each prompt must find it. A Weight of 0 turns it off.
type BinaryLoss struct {
	Weight float64 `knob:"binary" json:"binary" group:"Training" default:"0" range:"[0,1000]" arg:"weight" help:"weight of a binary cross-entropy per class; the cross-entropy has 1. Each class's score must then recognise the class by itself, so that the prompts of two look-alikes both look at what tells them apart; 0: none"`
}

// Validate returns an error unless the weight is a number of at least 0.
func (b BinaryLoss) Validate() error {
	if !finite(b.Weight) {
		return fmt.Errorf("promptcam: binary cross-entropy of weight %v, want at least 0", b.Weight)
	}
	return nil
}

// total adds to the cross-entropy of scores [B, C] what the config adds; blurred are the scores [B, n] of
// c.Needed.classes. A teacher with other scores is an error.
func (c TrainConfig) total(loss, scores, blurred *autograd.Var, b *data.Batch, mix *mixture) (*autograd.Var, error) {
	if w := c.Binary.Weight; w != 0 {
		loss = autograd.Add(loss, weighted(float32(w), labelled(autograd.BinaryCrossEntropy, scores, b, mix)))
	}
	if w := c.Needed.Weight; w != 0 {
		loss = autograd.Add(loss, weighted(float32(w), c.Needed.loss(scores, blurred, b, mix)))
	}
	if w := c.Distill.Weight; w != 0 {
		teacher := c.Distill.Teacher(b)
		if got, want := teacher.Shape(), scores.Value().Shape(); !slices.Equal(got, want) {
			return nil, fmt.Errorf("promptcam: the teacher's scores are %v, want %v: a row for each image of the batch, a column for each class", got, want)
		}
		if mix != nil {
			teacher = mix.of(teacher)
		}
		loss = autograd.Add(loss, weighted(float32(w), autograd.Distill(scores, teacher, float32(c.Distill.Temperature))))
	}
	return loss, nil
}

// labelled returns a loss of scores and labels; with CutMix, of the labels of both images.
func labelled(loss func(scores *autograd.Var, labels []int) *autograd.Var, scores *autograd.Var, b *data.Batch, mix *mixture) *autograd.Var {
	own := loss(scores, b.Labels)
	if mix == nil {
		return own
	}
	return autograd.Add(weighted(mix.own, own), weighted(1-mix.own, loss(scores, mix.labels)))
}

// weighted returns w times a loss.
func weighted(w float32, loss *autograd.Var) *autograd.Var {
	return autograd.Mul(loss, loss.Tape().Const(tensor.New().Fill(w)))
}

func finite(x float64) bool { return x >= 0 && !math.IsInf(x, 0) }

func share(x float64) bool { return x >= 0 && x <= 1 }
