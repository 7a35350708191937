package tensor

import (
	"fmt"
	"math"
)

// A Kernel weights samples by their distance from a resampled point.
type Kernel int

const (
	Triangle Kernel = iota // 1 - |x|, which interpolates linearly
	// Cubic is Keys' cubic convolution with a = -1/2, as in Pillow and antialiasing PyTorch; OpenCV, and
	// PyTorch without antialiasing, use a = -3/4.
	//
	// R. G. Keys, Cubic convolution interpolation for digital image processing, IEEE Trans. ASSP 29 (1981).
	Cubic
)

// Radius returns the distance at which the kernel becomes 0.
func (k Kernel) Radius() float64 {
	if k == Cubic {
		return 2
	}
	return 1
}

// At returns the kernel's value at distance x.
func (k Kernel) At(x float64) float64 {
	const a = -0.5
	x = math.Abs(x)
	switch {
	case k == Triangle && x < 1:
		return 1 - x
	case k == Cubic && x < 1:
		return ((a+2)*x-(a+3))*x*x + 1
	case k == Cubic && x < 2:
		return (((x-5)*x+8)*x - 4) * a
	}
	return 0
}

// Edge says how a kernel treats places beyond the ends of a line.
type Edge int

const (
	Cut    Edge = iota // they are left out and the other weights renormalised, as in Pillow and PyTorch's antialiasing
	Repeat             // they repeat the end sample, as in OpenCV and PyTorch without antialiasing
)

// Resampling turns a line of In samples into one of Out samples, with half-pixel centres. If the line
// shrinks, the kernel widens by the ratio, which antialiases the result.
type Resampling struct {
	In, Out int // at least 1
	Kernel  Kernel
	Edge    Edge
}

// Span returns the n samples, from first on, that contribute to point i, from 0 to Out-1. With Repeat, an
// index below 0 means sample 0, and one of In or more means sample In-1. It panics if a length is not
// positive.
func (r Resampling) Span(i int) (first, n int) {
	centre, widen := r.centre(i)
	radius := float64(r.Kernel.Radius() * widen)
	first, end := int(math.Floor(centre-radius+0.5)), int(math.Floor(centre+radius+0.5))
	if r.Edge == Cut {
		first, end = max(first, 0), min(end, r.In)
	}
	return first, end - first
}

// Weights appends to dst the weights of the samples in Span(i), which sum to 1: point i is the sum over j of
// weights[j] times sample first+j. It computes in float64 in the order of Pillow (src/libImaging/Resample.c).
func (r Resampling) Weights(dst []float64, i int) []float64 {
	centre, widen := r.centre(i)
	first, n := r.Span(i)
	var sum float64
	start := len(dst)
	for j := first; j < first+n; j++ {
		w := r.Kernel.At((float64(j) - centre + 0.5) * (1 / widen))
		dst = append(dst, w)
		sum += w
	}
	for j := range dst[start:] {
		dst[start+j] /= sum
	}
	return dst
}

// centre returns the place of point i on the line, where sample j covers j to j+1, and how much wider the
// kernel is. The float64 conversion prevents fusing the product with an addition.
func (r Resampling) centre(i int) (centre, widen float64) {
	if r.In < 1 || r.Out < 1 {
		panic(fmt.Sprintf("tensor: Resampling: from %d samples to %d", r.In, r.Out))
	}
	scale := float64(r.In) / float64(r.Out)
	return float64((float64(i) + 0.5) * scale), max(scale, 1)
}
