package vit

import (
	"slices"

	"github.com/promptcam/promptcam/tensor"
)

// resizePosEmbed resizes position embeddings pos [1, prefix+M, D] to another grid of patches (rows, columns):
// [1, prefix+to[0]·to[1], D]. It copies the first prefix rows, the class token's, and resamples the other M =
// from[0]·from[1] by antialiased bicubic interpolation. It computes in float32 the same as timm's
// resample_abs_pos_embed, which is PyTorch's F.interpolate(mode="bicubic", antialias=True,
// align_corners=False).
func resizePosEmbed(pos *tensor.Tensor, prefix int, from, to [2]int) *tensor.Tensor {
	d := pos.Dim(-1)
	src := pos.Contig().Data()
	patches := src[prefix*d:]
	if from[0]*to[1] > 4*max(from[0]*from[1], to[0]*to[1]) { // from tall to wide: PyTorch's order would need far more memory than the result
		patches = resample(patches, from[0], to[0], from[1]*d) // [to[0], from[1], D]
		patches = resample(patches, from[1], to[1], d)         // [to[0], to[1], D]
	} else {
		patches = resample(patches, from[1], to[1], d)       // [from[0], to[1], D]
		patches = resample(patches, from[0], to[0], to[1]*d) // [to[0], to[1], D]
	}
	return tensor.FromSlice(slices.Concat(src[:prefix*d], patches), 1, prefix+to[0]*to[1], d)
}

// resample turns each line of x, `from` samples of n numbers each, into one of `to` samples.
func resample(x []float32, from, to, n int) []float32 {
	out := make([]float32, 0, len(x)/from*to)
	taps := bicubicTaps(from, to)
	for line := range slices.Chunk(x, from*n) {
		for _, t := range taps {
			out = out[:len(out)+n]
			y := out[len(out)-n:]
			for j, w := range t.weights {
				for k, v := range line[(t.first+j)*n:][:n] {
					y[k] += w * v
				}
			}
		}
	}
	return out
}

// ResampleWeights returns the matrix [to[0]·to[1], from[0]·from[1]] that resizes position embeddings from one
// grid of patches (rows, columns) to another, with the weights that Load uses. Gradients pass through the
// product, so a training run can mix image sizes. For equal grids it is the identity.
func ResampleWeights(from, to [2]int) *tensor.Tensor {
	all := tensor.New(to[0]*to[1], from[0]*from[1])
	columns := bicubicTaps(from[1], to[1])
	for y, down := range bicubicTaps(from[0], to[0]) {
		for x, across := range columns {
			for i, v := range down.weights {
				for j, w := range across.weights {
					all.Set(v*w, y*to[1]+x, (down.first+i)*from[1]+across.first+j)
				}
			}
		}
	}
	return all
}

// taps defines an output sample: the sum of weights[j] times input sample first+j.
type taps struct {
	first   int
	weights []float32
}

// bicubicTaps returns the taps of `to` samples resampled from `from`. It computes weights in float64, which
// comes closer to PyTorch's float32 weights than float32 arithmetic in another order.
func bicubicTaps(from, to int) []taps {
	r := tensor.Resampling{In: from, Out: to, Kernel: tensor.Cubic}
	all := make([]taps, to)
	var weights []float64
	for i := range all {
		all[i].first, _ = r.Span(i)
		weights = r.Weights(weights[:0], i)
		for _, w := range weights {
			all[i].weights = append(all[i].weights, float32(w))
		}
	}
	return all
}
