package promptcam

import (
	"math"

	"github.com/promptcam/promptcam/tensor"
)

// hardness is how hard classes are: the mean cross-entropies of their images, as training last saw them
// without those of others in them. It is of classes rather than of images, since an image in which the trait is hidden
// stays hard whatever is learned.
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
