// Package heat holds attention maps over the patch grid of a vision transformer, and scores them. It knows no
// model: a Map may come from Prompt-CAM or any other method.
//
// A Map has one value per patch. A View turns masks, points and boxes in a photograph into Regions of the
// same grid. Map.Mass is the share of a map that falls on a Region; Map.Points is the pointing game.
// Bootstrap puts a confidence interval around a mean over images.
package heat

import (
	"fmt"
	"iter"
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

// Peak returns the column and row of the hottest patch, the first of equals; -1 for a map that is empty or
// has a NaN.
func (h Map) Peak() (x, y int) {
	_, high := h.Range()
	if i := slices.Index(h.Values, high); i >= 0 {
		return i % h.W, i / h.W
	}
	return -1, -1
}

// Resize samples the map on height rows of w points by cubic interpolation ([tensor.Cubic]), with half-pixel
// centres and repeated edge patches, as OpenCV and PyTorch do; Pillow drops the outer weights instead. The
// kernel undershoots beside a peak; negative results become 0. Values stay shares per patch, so the sum grows
// with the number of points. To shrink, the kernel is widened by the ratio. It panics if w or height is below
// 1 or the map is empty.
func (h Map) Resize(w, height int) Map {
	out := Map{W: w, H: height, Values: make([]float32, max(0, w)*max(0, height))}
	for y, row := range h.Rows(w, height) {
		copy(out.Values[y*w:], row)
	}
	return out
}

// Rows returns the rows of h.Resize(w, height), each valid until the next, in the memory of one.
func (h Map) Rows(w, height int) iter.Seq2[int, []float32] {
	h.check("Resize")
	if w < 1 || height < 1 || len(h.Values) == 0 {
		panic(fmt.Sprintf("heat: Map.Resize: cannot make %dx%d of %dx%d", w, height, h.W, h.H))
	}
	return func(yield func(int, []float32) bool) {
		wide := make([]float64, h.H*w) // [H, w]
		across := tensor.Resampling{In: h.W, Out: w, Kernel: tensor.Cubic, Edge: tensor.Repeat}
		var weights []float64
		for x := range w {
			first, _ := across.Span(x)
			weights = across.Weights(weights[:0], x)
			for y := range h.H {
				for j, k := range weights {
					wide[y*w+x] += k * float64(h.Values[y*h.W+min(max(first+j, 0), h.W-1)])
				}
			}
		}
		down := tensor.Resampling{In: h.H, Out: height, Kernel: tensor.Cubic, Edge: tensor.Repeat}
		sum, row := make([]float64, w), make([]float32, w)
		for y := range height {
			first, _ := down.Span(y)
			weights = down.Weights(weights[:0], y)
			clear(sum)
			for j, k := range weights {
				for x, v := range wide[min(max(first+j, 0), h.H-1)*w:][:w] {
					sum[x] += k * v
				}
			}
			for x, v := range sum {
				row[x] = float32(max(0, v))
			}
			if !yield(y, row) {
				return
			}
		}
	}
}

func (h Map) check(method string) {
	if h.W < 0 || h.H < 0 || len(h.Values) != h.W*h.H {
		panic(fmt.Sprintf("heat: Map.%s: %d values, want %d rows of %d", method, len(h.Values), h.H, h.W))
	}
}
