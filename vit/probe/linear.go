package probe

import (
	"context"
	"fmt"
	"math"

	"github.com/promptcam/promptcam/tensor"
)

// DefaultPenalty is a good penalty for FitLinear: the best of 1e-1 to 1e-4 for a ViT-Ti on 100 CUB classes in
// fourfold cross-validation, where accuracy is 94.4 to 94.5 % from 1e-2 downwards.
const DefaultPenalty = 1e-3

// Linear is a linear probe: multinomial logistic regression on the features, each shifted and scaled to mean
// 0 and deviation 1 over the training rows.
type Linear struct {
	Mean, Scale *tensor.Tensor // [D]
	Weight      *tensor.Tensor // [C, D]
	Bias        *tensor.Tensor // [C]
}

// On 6000 synthetic rows a tolerance of 1e-8 takes 20 iterations instead of 14, for a value 4e-6 lower.
var solver = lbfgs{store: 10, iterations: 200, tolerance: 1e-6}

// FitLinear finds W and b that minimise, over the standardised rows x [N, D],
//
//	mean of -log softmax(W·x + b)[label] + penalty/2·|W|²
//
// by L-BFGS from zero; scikit-learn's C is 1/(N·penalty). A feature that is the same in all rows counts
// nothing. Errors: a label outside [0, classes), rows of one class only or none, a feature that is not
// finite, a penalty that is not positive, the end of ctx. It panics if x and labels do not match.
func FitLinear(ctx context.Context, x *tensor.Tensor, labels []int, classes int, penalty float64) (*Linear, error) {
	if err := checkFit(x, labels, classes); err != nil {
		return nil, err
	}
	if !(penalty > 0) || math.IsInf(penalty, 0) {
		return nil, fmt.Errorf("probe: penalty %v, want a positive number", penalty)
	}
	l := standard(x)
	o := newObjective(l.standardise(x), labels, classes, penalty)
	at := make([]float64, o.theta.Len())
	if err := solver.minimise(ctx, at, o.at); err != nil {
		return nil, err
	}
	l.Weight, l.Bias = o.parts(vector(at))
	return l, nil
}

// standard returns a Linear with only Mean and Scale, from x.
func standard(x *tensor.Tensor) *Linear {
	mean, dev := moments(x)
	scale := make([]float64, len(dev))
	for j, v := range dev {
		// The deviation of a constant feature is the rounding error of its mean.
		if v > 1e-6*math.Abs(mean[j]) {
			scale[j] = 1 / v
		}
	}
	return &Linear{Mean: vector(mean), Scale: vector(scale)}
}

func (l *Linear) standardise(x *tensor.Tensor) *tensor.Tensor { return x.Sub(l.Mean).Mul(l.Scale) }

// Scores returns the scores [N, C] of features [N, D]: log-probabilities up to a constant in each row.
func (l *Linear) Scores(features *tensor.Tensor) *tensor.Tensor {
	scores := tensor.New(features.Dim(0), l.Bias.Len())
	tensor.LinearTo(scores, l.standardise(features), l.Weight, nil, tensor.After{Bias: l.Bias})
	return scores
}

// Teacher scores images with a linear probe, from features computed before for each view.
type Teacher struct {
	linear *Linear
	views  []*tensor.Tensor // [N, D] each
}

// NewTeacher returns a teacher with the features [N, D] of N images in each view. It returns an error if
// there are none, or if they do not fit each other or the probe.
func NewTeacher(l *Linear, views ...*tensor.Tensor) (*Teacher, error) {
	if len(views) == 0 {
		return nil, fmt.Errorf("probe: a teacher without features")
	}
	n, d := views[0].Dim(0), l.Mean.Dim(0)
	for v, x := range views {
		if x.Rank() != 2 || x.Dim(0) != n || x.Dim(1) != d {
			return nil, fmt.Errorf("probe: a teacher with features %v in view %d, want [%d %d]", x.Shape(), v, n, d)
		}
	}
	return &Teacher{l, views}, nil
}

// Scores returns the probe's scores [B, C] of the images at index, each in its view. It returns an error if
// the teacher has no such image or view.
func (t *Teacher) Scores(index, view []int) (*tensor.Tensor, error) {
	if len(index) == 0 || len(index) != len(view) {
		return nil, fmt.Errorf("probe: teach %d images in %d views: want as many of both", len(index), len(view))
	}
	images, d := t.views[0].Dim(0), t.views[0].Dim(1)
	x := tensor.New(len(index), d)
	for i, at := range index {
		v := view[i]
		if at < 0 || at >= images || v < 0 || v >= len(t.views) {
			return nil, fmt.Errorf("probe: teach image %d in view %d: the teacher has %d images in %d views", at, v, images, len(t.views))
		}
		tensor.CopyTo(x.Slice(0, i, i+1), t.views[v].Slice(0, at, at+1))
	}
	return t.linear.Scores(x), nil
}
