// Package heat holds maps over the patch grid of a vision transformer, and scores them. It knows no
// model: a Map may come from Prompt-CAM or any other method.
//
// A Map has one value per patch: a share of attention, or signed evidence. A View turns masks, points and boxes
// in a photograph into Regions of the same grid. Map.Mass is the share of a map that falls on a Region;
// Map.Points is the pointing game. Bootstrap puts a confidence interval around a mean over images.
package heat

import (
	"cmp"
	"fmt"
	"iter"
	"slices"

	"github.com/promptcam/promptcam/tensor"
)

// Map has one value for each patch of the grid: H rows of W patches, row-major. There are two kinds. Of
// attention, a value is the share of one query's, in one head, on that patch: none is negative, and they sum to
// at most 1, since the rest is on prompts, CLS and registers. Of evidence, a value is what the patch adds to a
// score or to the difference of two, in units of the score: it is signed, and their sum is that of the image.
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

// Positive is the part of h above 0: what speaks for it, in a map of evidence.
func (h Map) Positive() Map { return h.part(1) }

// Negative is the part of h below 0, without its sign: what speaks against it.
func (h Map) Negative() Map { return h.part(-1) }

func (h Map) part(sign float32) Map {
	h.check("Positive")
	p := Map{W: h.W, H: h.H, Values: make([]float32, len(h.Values))}
	for i, v := range h.Values {
		p.Values[i] = max(0, sign*v)
	}
	return p
}

// Focus returns the share of the map's sum that its n largest values have: 0 if no value is above 0. Of a map of
// evidence take a part, Positive or Negative.
func (h Map) Focus(n int) float64 {
	h.check("Focus")
	sorted := slices.Sorted(slices.Values(h.Values))
	var most, all float64
	for i, v := range sorted {
		if all += float64(v); i >= len(sorted)-n {
			most += float64(v)
		}
	}
	if !(all > 0) {
		return 0
	}
	return most / all
}

// Strongest returns the n patches, row-major, with the largest values, the largest first and the first of equals,
// but none whose value is not positive: fewer than n, if fewer are.
func (h Map) Strongest(n int) []int {
	h.check("Strongest")
	var patches []int
	for p, v := range h.Values {
		if v > 0 {
			patches = append(patches, p)
		}
	}
	slices.SortStableFunc(patches, func(a, b int) int { return cmp.Compare(h.Values[b], h.Values[a]) })
	return patches[:min(n, len(patches))]
}

// Resize samples the map on height rows of w points by cubic interpolation ([tensor.Cubic]), with half-pixel
// centres and repeated edge patches, as OpenCV and PyTorch do; Pillow drops the outer weights instead. The
// kernel undershoots beside a peak; negative results become 0. In a signed map that is done for the two parts
// apart, Positive less Negative, so that no peak has a halo of the other sign, and h and its negative look the
// same. Values stay those of a patch, so the sum grows with the number of points. To shrink, the kernel is widened
// by the ratio. It panics if w or height is below 1 or the map is empty.
func (h Map) Resize(w, height int) Map {
	out := Map{W: w, H: height, Values: make([]float32, max(0, w)*max(0, height))}
	for y, row := range h.Rows(w, height) {
		copy(out.Values[y*w:], row)
	}
	return out
}

// Rows returns the rows of h.Resize(w, height), each valid until the next, in the memory of one or, for a signed
// map, two.
func (h Map) Rows(w, height int) iter.Seq2[int, []float32] {
	h.check("Resize")
	if w < 1 || height < 1 || len(h.Values) == 0 {
		panic(fmt.Sprintf("heat: Map.Resize: cannot make %dx%d of %dx%d", w, height, h.W, h.H))
	}
	return func(yield func(int, []float32) bool) {
		parts := []func(y int) []float32{h.rower(w, height)}
		if low, _ := h.Range(); low < 0 {
			parts = []func(y int) []float32{h.Positive().rower(w, height), h.Negative().rower(w, height)}
		}
		for y := range height {
			row := parts[0](y)
			if len(parts) == 2 {
				for x, v := range parts[1](y) {
					row[x] -= v
				}
			}
			if !yield(y, row) {
				return
			}
		}
	}
}

// rower returns a function that resizes one row after the other, without negative results, each valid until the
// next.
func (h Map) rower(w, height int) func(y int) []float32 {
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
	return func(y int) []float32 {
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
		return row
	}
}

func (h Map) check(method string) {
	if h.W < 0 || h.H < 0 || len(h.Values) != h.W*h.H {
		panic(fmt.Sprintf("heat: Map.%s: %d values, want %d rows of %d", method, len(h.Values), h.H, h.W))
	}
}
