// Package heat holds attention maps over the patch grid of a vision transformer, and scores them. It knows no
// model: a Map may come from Prompt-CAM or any other method.
//
// A Map has one value per patch. A View turns masks, points and boxes in a photograph into Regions of the
// same grid. Map.Mass is the share of a map that falls on a Region; Map.Points is the pointing game.
// Bootstrap puts a confidence interval around a mean over images.
package heat

import (
	"fmt"
	"slices"

	"github.com/promptcam/promptcam/tensor"
)

// Map is one attention map over the patch grid: H rows of W patches, row-major. A value is the share of one
// query's attention, in one head, on that patch. The values sum to at most 1; the rest is on prompts, CLS and
// registers.
type Map struct {
	W      int       `json:"w"`
	H      int       `json:"h"`
	Values []float32 `json:"values"`
}

// Range returns the smallest and the largest value, 0 for an empty map.
func (h Map) Range() (low, high float32) {
	h.check("Range")
	if len(h.Values) == 0 {
		return 0, 0
	}
	return slices.Min(h.Values), slices.Max(h.Values)
}

// Resize samples the map on height rows of w points by cubic interpolation ([tensor.Cubic]), with half-pixel
// centres and repeated edge patches, as OpenCV and PyTorch do; Pillow drops the outer weights instead. The
// kernel undershoots beside a peak; negative results become 0. Values stay shares per patch, so the sum grows
// with the number of points. To shrink, the kernel is widened by the ratio. It panics if w or height is below
// 1 or the map is empty.
func (h Map) Resize(w, height int) Map {
	h.check("Resize")
	if w < 1 || height < 1 || len(h.Values) == 0 {
		panic(fmt.Sprintf("heat: Map.Resize: cannot make %dx%d of %dx%d", w, height, h.W, h.H))
	}
	values := make([]float64, len(h.Values)) // [H, W]
	for i, v := range h.Values {
		values[i] = float64(v)
	}
	values = resample(values, h.W, w)      // [w, H]
	values = resample(values, h.H, height) // [height, w]
	out := Map{W: w, H: height, Values: make([]float32, w*height)}
	for i, v := range values {
		out.Values[i] = float32(max(0, v))
	}
	return out
}

// resample resamples the rows of x [n, from] and returns the transpose of the result, [to, n].
func resample(x []float64, from, to int) []float64 {
	r := tensor.Resampling{In: from, Out: to, Kernel: tensor.Cubic, Edge: tensor.Repeat}
	n := len(x) / from
	out := make([]float64, to*n)
	var weights []float64
	for i := range to {
		first, _ := r.Span(i)
		weights = r.Weights(weights[:0], i)
		for y := range n {
			row := x[y*from:][:from]
			for j, k := range weights {
				out[i*n+y] += k * row[min(max(first+j, 0), from-1)]
			}
		}
	}
	return out
}

func (h Map) check(method string) {
	if h.W < 0 || h.H < 0 || len(h.Values) != h.W*h.H {
		panic(fmt.Sprintf("heat: Map.%s: %d values, want %d rows of %d", method, len(h.Values), h.H, h.W))
	}
}
