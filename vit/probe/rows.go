package probe

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/promptcam/promptcam/tensor"
)

// checkFit returns why rows x [N, D] with these labels cannot be fitted.
func checkFit(x *tensor.Tensor, labels []int, classes int) error {
	if x.Rank() != 2 || x.Dim(0) != len(labels) {
		panic(&tensor.ShapeError{Op: "probe", Shapes: [][]int{x.Shape()}, Reason: fmt.Sprintf("want [%d, D] for %d labels", len(labels), len(labels))})
	}
	if len(labels) == 0 {
		return errors.New("probe: no training rows")
	}
	for i, label := range labels {
		if label < 0 || label >= classes {
			return fmt.Errorf("probe: training row %d has class %d, want 0 to %d", i, label, classes-1)
		}
	}
	d := x.Dim(1)
	for i, v := range x.Contig().Data() {
		if v := float64(v); math.IsNaN(v) || math.IsInf(v, 0) {
			return fmt.Errorf("probe: feature %d of training row %d is %v, want a finite number", i%d, i/d, v)
		}
	}
	if slices.Min(labels) == slices.Max(labels) {
		return fmt.Errorf("probe: all %d training rows are of class %d, want at least 2 classes", len(labels), labels[0])
	}
	return nil
}

// moments returns the mean [D] and the standard deviation [D] of the rows of x [N, D].
func moments(x *tensor.Tensor) (mean, dev []float64) {
	n, d, rows := float64(x.Dim(0)), x.Dim(1), x.Contig().Data()
	mean, dev = make([]float64, d), make([]float64, d)
	for i, v := range rows {
		mean[i%d] += float64(v) / n
	}
	for i, v := range rows {
		off := float64(v) - mean[i%d]
		dev[i%d] += off * off / n
	}
	for j := range dev {
		dev[j] = math.Sqrt(dev[j])
	}
	return mean, dev
}

// vector returns v in float32, [len(v)].
func vector(v []float64) *tensor.Tensor {
	t := tensor.New(len(v))
	for i := range v {
		t.Data()[i] = float32(v[i])
	}
	return t
}

// Accuracy returns the shares, from 0 to 1, of the rows of scores [N, C] with the label's score the highest
// and among the five highest. Of equal scores the first counts as the higher.
func Accuracy(scores *tensor.Tensor, labels []int) (top1, top5 float64) {
	c := scores.Dim(1)
	all := scores.Contig().Data()
	for i, label := range labels {
		row := all[i*c : (i+1)*c]
		above := 0
		for j, v := range row {
			if v > row[label] || v == row[label] && j < label {
				above++
			}
		}
		if above < 1 {
			top1++
		}
		if above < 5 {
			top5++
		}
	}
	n := float64(len(labels))
	return top1 / n, top5 / n
}
