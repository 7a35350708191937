package probe

import (
	"cmp"
	"context"
	"math"
	"slices"

	"github.com/promptcam/promptcam/autograd"
	"github.com/promptcam/promptcam/data"
	"github.com/promptcam/promptcam/tensor"
	"github.com/promptcam/promptcam/vit"
)

// KNN classifies a row x by the vote of its K nearest neighbours, as in DINO's eval_knn.py: those with the
// largest products with x, each with weight exp(product/Temperature).
type KNN struct {
	Rows        *tensor.Tensor // [N, D], of length 1 if products are to be cosines
	Labels      []int          // of the rows, from 0
	K           int
	Temperature float64
}

// NewKNN returns the defaults of eval_knn.py, K 20 and Temperature 0.07, for rows [N, D] of length 1.
func NewKNN(rows *tensor.Tensor, labels []int) *KNN { return &KNN{rows, labels, 20, 0.07} }

// Classes returns the class of each row of x [M, D]; of equal votes the first class wins.
func (k *KNN) Classes(x *tensor.Tensor) []int {
	similar := x.MatMul(k.Rows.Transpose()) // [M, N]
	classes := make([]int, x.Dim(0))
	for i := range classes {
		classes[i] = k.vote(similar.Select(0, i).Data())
	}
	return classes
}

// vote returns the class of a row from its products with the rows.
func (k *KNN) vote(similar []float32) int {
	order := make([]int, len(similar)) // the most similar first
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(similar[b], similar[a]) })
	votes := map[int]float64{}
	best := 0
	for _, i := range order[:min(len(order), k.K)] {
		votes[k.Labels[i]] += math.Exp(float64(similar[i]) / k.Temperature)
	}
	for class, v := range votes {
		if v > votes[best] || v == votes[best] && class < best {
			best = class
		}
	}
	return best
}

// Pooled returns, for N images of b's size, the class token and the mean of all other tokens, each scaled to
// length 1, side by side, [N, 2D]. The error is ctx's.
func Pooled(ctx context.Context, b *vit.Model, images []*data.RGB) (*tensor.Tensor, error) {
	const batch = 32
	d, c := b.Config.Dim, b.Config
	transform := data.EvalTransform(c.ImageSize, c.Mean, c.Std)
	out := tensor.New(len(images), 2*d)
	pixels := tensor.New(batch, 3, c.ImageSize[0], c.ImageSize[1])
	tape := autograd.Tape{NoGrad: true}
	for from := 0; from < len(images); from += batch {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		now := images[from:min(from+batch, len(images))]
		for i, img := range now {
			transform.Normalise(pixels.Select(0, i).Data(), img)
		}
		x := b.Features(tape.Const(pixels.Slice(0, 0, len(now)))).Value() // [B, prefix+M, D]
		for i := range now {
			row, tokens := out.Select(0, from+i).Data(), x.Select(0, i)
			copy(row[:d], tokens.Select(0, 0).Data())
			tensor.SumTo(tensor.FromSlice(row[d:], 1, d), tokens.Slice(0, 1, tokens.Dim(0)))
			toLength1(row[:d])
			toLength1(row[d:])
		}
		tape.Reset()
	}
	return out, nil
}

// toLength1 scales x to length 1.
func toLength1(x []float32) {
	var sum float64
	for _, v := range x {
		sum += float64(float64(v) * float64(v))
	}
	length := float32(max(math.Sqrt(sum), 1e-12))
	for i := range x {
		x[i] /= length
	}
}
