package probe

import (
	"math"

	"github.com/promptcam/promptcam/tensor"
)

// Means is the nearest class mean. With m the mean of all training rows and mc that of class c,
//
//	score[c] = cos(x - m, mc - m)
//
// where the cosine with a vector of length 0 is 0. A class without training rows scores -2, below any cosine.
type Means struct {
	Mean    *tensor.Tensor // [D]
	Classes *tensor.Tensor // [C, D], of length 1; 0 for a class without rows
	Missing *tensor.Tensor // [C], -2 for a class without rows, and 0 for others
}

// FitMeans returns the class means of rows x [N, D]. Errors and panics are FitLinear's.
func FitMeans(x *tensor.Tensor, labels []int, classes int) (*Means, error) {
	if err := checkFit(x, labels, classes); err != nil {
		return nil, err
	}
	d := x.Dim(1)
	mean, _ := moments(x)
	sums, counts := make([]float64, classes*d), make([]int, classes)
	for i, v := range x.Contig().Data() {
		sums[labels[i/d]*d+i%d] += float64(v) - mean[i%d]
	}
	for _, label := range labels {
		counts[label]++
	}
	m := &Means{Mean: vector(mean), Classes: vector(sums).Reshape(classes, d), Missing: tensor.New(classes)}
	unit(m.Classes)
	for c, n := range counts {
		if n == 0 {
			m.Missing.Data()[c] = -2
		}
	}
	return m, nil
}

// Scores returns the scores [N, C] of features [N, D].
func (m *Means) Scores(features *tensor.Tensor) *tensor.Tensor {
	x := features.Sub(m.Mean)
	unit(x)
	scores := tensor.New(x.Dim(0), m.Missing.Len())
	tensor.LinearTo(scores, x, m.Classes, nil, tensor.After{Bias: m.Missing})
	return scores
}

// unit scales the rows of x [N, D] to length 1, except those of length 0.
func unit(x *tensor.Tensor) {
	d := x.Dim(1)
	for i := range x.Dim(0) {
		row := x.Data()[i*d : (i+1)*d]
		var square float64
		for _, v := range row {
			square += float64(v) * float64(v)
		}
		if square == 0 {
			continue
		}
		for j, v := range row {
			row[j] = float32(float64(v) / math.Sqrt(square))
		}
	}
}
