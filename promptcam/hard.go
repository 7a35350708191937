package promptcam

import (
	"fmt"
	"math"

	"github.com/promptcam/promptcam/tensor"
)

// HardExamples draws a share of each epoch's images in proportion to the mean cross-entropy of their classes,
// and the rest uniformly. Training then spends most steps on classes that differ in one small trait, which
// are learned last. After Loshchilov and Hutter, "Online Batch Selection" (arXiv 1511.06343), who choose
// single images by the ranks of their losses. A Share of 0 turns it off: an epoch has each image once.
// At 1 a class of loss 0 would never be drawn again.
type HardExamples struct {
	Share float64 `knob:"hard" json:"hard" group:"Training" default:"0" range:"[0,1)" arg:"share" help:"share of each epoch sampled by class loss, hard classes more often (hard-example sampling), the rest uniformly; training loss and accuracy are then those of the images drawn; 0: each image once"`
	From  float64 `knob:"hard-from" json:"hard-from" default:"0" range:"[0,1]" arg:"share" help:"share of the epochs after which hard-example sampling begins; before that, each image is seen once"`
}

// Validate returns an error unless both are shares and less than all is drawn by loss.
func (c HardExamples) Validate() error {
	switch {
	case !share(c.Share) || c.Share == 1:
		return fmt.Errorf("promptcam: hard %v, want at least 0 and less than 1", c.Share)
	case !share(c.From):
		return fmt.Errorf("promptcam: hard from %v, want a share from 0 to 1", c.From)
	}
	return nil
}

// in reports whether epoch n, from 0, draws hard examples.
func (c HardExamples) in(n, epochs int) bool {
	return c.Share > 0 && float64(n) >= c.From*float64(epochs)
}

// hardness is the mean cross-entropy of each class's unmixed images in its last epoch. It is kept per class,
// because an image that hides the trait never gets easier.
type hardness struct {
	losses []float64 // [C], of the last epoch that had unmixed images of the class
	sums   []float64 // [C], of this epoch
	images []float64 // [C]
}

// newHardness returns the losses of a uniform guess.
func newHardness(classes int) *hardness {
	h := &hardness{make([]float64, classes), make([]float64, classes), make([]float64, classes)}
	for c := range h.losses {
		h.losses[c] = math.Log(float64(classes))
	}
	return h
}

// load sets the losses to those of a checkpoint.
func (h *hardness) load(losses []float64) error {
	if got, want := len(losses), len(h.losses); got != want {
		return fmt.Errorf("losses of %d classes, want %d", got, want)
	}
	for i, loss := range losses {
		if !finite(loss) {
			return fmt.Errorf("class %d has a loss of %v, want a number that is not negative", i, loss)
		}
	}
	copy(h.losses, losses)
	return nil
}

// add adds images with scores [B, C].
func (h *hardness) add(scores *tensor.Tensor, labels []int) {
	c := scores.Dim(1)
	for i, label := range labels {
		h.sums[label] += tensor.CrossEntropy(scores.Data()[i*c:][:c], label)
		h.images[label]++
	}
}

// end ends an epoch.
func (h *hardness) end() {
	for c, n := range h.images {
		if n > 0 {
			h.losses[c] = h.sums[c] / n
		}
	}
	clear(h.sums)
	clear(h.images)
}
