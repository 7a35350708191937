package heat

import (
	"fmt"
	"math"
	"slices"
)

// Map is one attention map over the patch grid: H rows of W patches,
// row-major. A value is the share of one prompt's attention, in one head, that
// falls on that patch. The values of a map therefore sum to at most 1; what is
// missing fell on the prompts, CLS and registers, as Share tells.
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

// Resize returns the map sampled on h rows of w points by Keys' cubic
// convolution with a = -1/2 (Pillow's BICUBIC; OpenCV's INTER_CUBIC has -3/4),
// with half-pixel centres and the edge patches repeated outwards, which is
// OpenCV's and PyTorch's border where Pillow drops the outer weights instead.
// The kernel undershoots beside a peak; negative results become 0. Values stay
// shares per patch, so the sum grows with the number of points. A map that
// shrinks is averaged with the kernel widened by the ratio, as Pillow does.
//
// It panics if w or h is below 1 or the map is empty.
//
// R. G. Keys, Cubic convolution interpolation for digital image processing,
// IEEE Trans. ASSP 29 (1981).
func (h Map) Resize(w, height int) Map {
	h.check("Resize")
	if w < 1 || height < 1 || len(h.Values) == 0 {
		panic(fmt.Sprintf("heat: Map.Resize: cannot make %dx%d of %dx%d", w, height, h.W, h.H))
	}
	across, down := cubicTaps(h.W, w), cubicTaps(h.H, height)
	wide := make([]float64, h.H*w) // [H, w]
	for y := range h.H {
		row := h.Values[y*h.W:][:h.W]
		for x, taps := range across {
			for _, t := range taps {
				wide[y*w+x] += t.weight * float64(row[t.index])
			}
		}
	}
	out := Map{W: w, H: height, Values: make([]float32, w*height)} // [h, w]
	for y, taps := range down {
		for x := range w {
			var sum float64
			for _, t := range taps {
				sum += t.weight * wide[t.index*w+x]
			}
			out.Values[y*w+x] = float32(max(0, sum))
		}
	}
	return out
}

func (h Map) check(method string) {
	if h.W < 0 || h.H < 0 || len(h.Values) != h.W*h.H {
		panic(fmt.Sprintf("heat: Map.%s: %d values, want %d rows of %d", method, len(h.Values), h.H, h.W))
	}
}

// tap is one sample that contributes to a resized point.
type tap struct {
	index  int
	weight float64
}

// cubicTaps returns, for each of out points, the samples of a line of in
// samples that it is made of; their weights sum to 1.
func cubicTaps(in, out int) [][]tap {
	step := float64(in) / float64(out)
	widen := max(1, step)
	points := make([][]tap, out)
	for i := range points {
		centre := (float64(i)+0.5)*step - 0.5
		var sum float64
		for j := int(math.Ceil(centre - 2*widen)); float64(j) <= centre+2*widen; j++ {
			if k := cubic((float64(j) - centre) / widen); k != 0 {
				points[i] = append(points[i], tap{min(max(j, 0), in-1), k})
				sum += k
			}
		}
		for j := range points[i] {
			points[i][j].weight /= sum
		}
	}
	return points
}

// cubic is Keys' kernel for a = -1/2: 1 at 0, and 0 at the other integers and
// from 2 on.
func cubic(x float64) float64 {
	switch x = math.Abs(x); {
	case x < 1:
		return (1.5*x-2.5)*x*x + 1
	case x < 2:
		return ((-0.5*x+2.5)*x-4)*x + 2
	}
	return 0
}
