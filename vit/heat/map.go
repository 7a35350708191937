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

// Max returns the largest value, 0 for an empty map.
func (h Map) Max() float32 {
	h.check("Max")
	if len(h.Values) == 0 {
		return 0
	}
	return slices.Max(h.Values)
}

// Min returns the smallest value, 0 for an empty map.
func (h Map) Min() float32 {
	h.check("Min")
	if len(h.Values) == 0 {
		return 0
	}
	return slices.Min(h.Values)
}

// Sum returns the sum of the values, added in float64.
func (h Map) Sum() float32 {
	h.check("Sum")
	var sum float64
	for _, v := range h.Values {
		sum += float64(v)
	}
	return float32(sum)
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
	across := tensor.Resampling{In: h.W, Out: w, Kernel: tensor.Cubic, Edge: tensor.Repeat}
	down := tensor.Resampling{In: h.H, Out: height, Kernel: tensor.Cubic, Edge: tensor.Repeat}
	var weights []float64
	wide := make([]float64, h.H*w) // [H, w]
	for x := range w {
		first, _ := across.Span(x)
		weights = across.Weights(weights[:0], x)
		for y := range h.H {
			row := h.Values[y*h.W:][:h.W]
			for j, k := range weights {
				wide[y*w+x] += k * float64(row[min(max(first+j, 0), h.W-1)])
			}
		}
	}
	out := Map{W: w, H: height, Values: make([]float32, w*height)} // [height, w]
	sums := make([]float64, w)
	for y := range height {
		first, _ := down.Span(y)
		weights = down.Weights(weights[:0], y)
		clear(sums)
		for j, k := range weights {
			for x, v := range wide[min(max(first+j, 0), h.H-1)*w:][:w] {
				sums[x] += k * v
			}
		}
		for x, v := range sums {
			out.Values[y*w+x] = float32(max(0, v))
		}
	}
	return out
}

func (h Map) check(method string) {
	if h.W < 0 || h.H < 0 || len(h.Values) != h.W*h.H {
		panic(fmt.Sprintf("heat: Map.%s: %d values, want %d rows of %d", method, len(h.Values), h.H, h.W))
	}
}
