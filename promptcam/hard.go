package promptcam

import (
	"math"

	"github.com/promptcam/promptcam/tensor"
)

// hardness is how hard classes are: the mean losses of their images, as training last saw them whole.
// It is of classes rather than of images, since an image in which the trait is hidden stays hard whatever is
// learned.
type hardness struct {
	losses []float64 // [C], of the last epoch that had whole images of the class
	sums   []float64 // [C], of this epoch
	images []float64 // [C]
}

// newHardness starts with the losses of a guess.
func newHardness(classes int) *hardness {
	h := &hardness{make([]float64, classes), make([]float64, classes), make([]float64, classes)}
	for c := range h.losses {
		h.losses[c] = math.Log(float64(classes))
	}
	return h
}

// add counts images by their scores [B, C].
func (h *hardness) add(scores *tensor.Tensor, labels []int) {
	c := scores.Dim(1)
	for i, label := range labels {
		h.sums[label] += loss(scores.Data()[i*c:][:c], label)
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

// weights returns how often an image of each class is to be seen, 1 on average over the classes, where
// share of it is in proportion to the losses.
func (h *hardness) weights(share float64) []float64 {
	var sum float64
	for _, l := range h.losses {
		sum += l
	}
	w := make([]float64, len(h.losses))
	for c, l := range h.losses {
		w[c] = 1
		if sum > 0 {
			w[c] = 1 - share + share*l/sum*float64(len(w))
		}
	}
	return w
}
