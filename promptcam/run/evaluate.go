package run

import (
	"context"
	"fmt"
	"path/filepath"

	"github.com/promptcam/promptcam/data"
	"github.com/promptcam/promptcam/promptcam"
)

// Evaluate tests a trained model on the set's test images and leaves the results in Out. It uses
// cached features of Cache or, where that is empty and they fit, of ModelDir.
func (j *Job) Evaluate(ctx context.Context, m *promptcam.Model) (*Result, error) {
	if err := j.Validate(); err != nil {
		return nil, err
	}
	set, err := renumber(j.Set, m.Classes)
	if err != nil {
		return nil, err
	}
	if err := j.outside(set); err != nil {
		return nil, err
	}
	if err := writable("out", j.Out, filepath.Dir(j.path(reportName))); err != nil {
		return nil, err
	}
	own := *j // unreadable images leave its set
	own.Set = set
	im := &images{Job: &own, fsys: set.FS, plain: m.Transform, augmented: m.Transform}
	defer im.close()
	if err := im.open(ctx, m, j.lender(), nil, []*[]data.Item{&set.Test}); err != nil {
		return nil, err
	}
	if len(set.Test) == 0 {
		return nil, fmt.Errorf("--data %s: no test image is left", set.Root)
	}
	batches, err := im.asTheyAre(set.Test)
	if err != nil {
		return nil, err
	}
	r := &results{Job: &own, model: m, unreadable: im.unreadable, batches: batches}
	return r.publish(ctx)
}
