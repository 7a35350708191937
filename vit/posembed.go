package vit

import (
	"math"

	"github.com/promptcam/promptcam/tensor"
)

// grid is a number of rows and columns of patches.
type grid struct{ h, w int }

// resizePosEmbed makes position embeddings for another grid of patches. The
// first prefix rows of pos [1, prefix+M, D] belong to the class token and stay
// as they are; the other M = from.h·from.w are resampled to `to`, bicubically
// and antialiased: [1, prefix+to.h·to.w, D].
//
// It computes in float32 what timm's resample_abs_pos_embed does, which is
// PyTorch's F.interpolate(mode="bicubic", antialias=True, align_corners=False).
func resizePosEmbed(pos *tensor.Tensor, prefix int, from, to grid) *tensor.Tensor {
	d := pos.Dim(-1)
	src := pos.Contig().Data()
	rows := resizeColumns(src[prefix*d:], from, to.w, d)     // [from.h, to.w, D]
	patches := resizeRows(rows, grid{from.h, to.w}, to.h, d) // [to.h, to.w, D]
	out := append(append([]float32(nil), src[:prefix*d]...), patches...)
	return tensor.FromSlice(out, 1, prefix+to.h*to.w, d)
}

// resizeColumns resamples x [g.h, g.w, D] to [g.h, w, D].
func resizeColumns(x []float32, g grid, w, d int) []float32 {
	out := make([]float32, 0, g.h*w*d)
	taps := bicubicTaps(g.w, w)
	for i := range g.h {
		row := x[i*g.w*d : (i+1)*g.w*d] // [g.w, D]
		for _, t := range taps {
			out = append(out, t.mix(row, d)...)
		}
	}
	return out
}

// resizeRows resamples x [g.h, g.w, D] to [h, g.w, D].
func resizeRows(x []float32, g grid, h, d int) []float32 {
	out := make([]float32, 0, h*g.w*d)
	for _, t := range bicubicTaps(g.h, h) {
		out = append(out, t.mix(x, g.w*d)...)
	}
	return out
}

// taps says how one output sample is made: the sum of weights[j] times input first+j.
type taps struct {
	first   int
	weights []float32
}

// mix applies t to x, samples of n numbers each.
func (t taps) mix(x []float32, n int) []float32 {
	y := make([]float32, n)
	for j, w := range t.weights {
		for k, v := range x[(t.first+j)*n : (t.first+j+1)*n] {
			y[k] += w * v
		}
	}
	return y
}

// bicubicTaps returns the taps of each of `to` samples made from `from`. As in
// Pillow, from which PyTorch has it, the filter widens with the scale when it
// shrinks, and is cut off and renormalised at the edges. Weights are computed
// in float64, nearer to PyTorch's float32 ones than another float32 order is.
func bicubicTaps(from, to int) []taps {
	scale := float64(from) / float64(to)
	widen := max(scale, 1)
	support := 2 * widen
	all := make([]taps, to)
	for i := range all {
		centre := scale * (float64(i) + 0.5)
		first := max(int(centre-support+0.5), 0)
		last := min(int(centre+support+0.5), from)
		weights := make([]float64, last-first)
		var sum float64
		for j := range weights {
			weights[j] = cubic((float64(first+j) - centre + 0.5) / widen)
			sum += weights[j]
		}
		t := taps{first, make([]float32, len(weights))}
		for j, w := range weights {
			t.weights[j] = float32(w / sum)
		}
		all[i] = t
	}
	return all
}

// cubic is Keys' convolution kernel with a = -0.5, PyTorch's choice where it
// antialiases (it is -0.75 where it does not).
func cubic(x float64) float64 {
	const a = -0.5
	x = math.Abs(x)
	switch {
	case x < 1:
		return ((a+2)*x-(a+3))*x*x + 1
	case x < 2:
		return (((x-5)*x+8)*x - 4) * a
	}
	return 0
}
