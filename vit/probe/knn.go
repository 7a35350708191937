package probe

import (
	"cmp"
	"math"
	"slices"

	"github.com/promptcam/promptcam/tensor"
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
