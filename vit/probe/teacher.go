package probe

import (
	"fmt"

	"github.com/promptcam/promptcam/tensor"
)

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
