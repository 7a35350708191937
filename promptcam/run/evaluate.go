package run

import (
	"context"
	"fmt"

	"github.com/promptcam/promptcam/data"
	"github.com/promptcam/promptcam/promptcam"
)

// Evaluate tests a trained model on the set's test images and leaves the results in Out, which must hold no
// training's. It uses cached features of Cache or, where that is empty and they fit, of ModelDir.
func (j *Job) Evaluate(ctx context.Context, m *promptcam.Model) (*Result, error) {
	if err := j.Validate(); err != nil {
		return nil, err
	}
	set, err := renumber(j.Set, m.Classes)
	if err != nil {
		return nil, err
	}
	if exists(j.path(historyName)) {
		return nil, fmt.Errorf("--out %s holds the results of a training, whose history would stay beside those of the test: want another folder", j.Out)
	}
	if err := j.fresh(); err != nil {
		return nil, err
	}
	if err := j.makeOut(set, "report"); err != nil {
		return nil, err
	}
	own := *j // unreadable images leave its set
	own.Set = set
	im := &images{Job: &own, fsys: set.FS, plain: m.Transform, augmented: m.Transform}
	defer im.close()
	err = im.open(ctx, m, j.store(j.ModelDir, ""), nil, []*[]data.Item{&set.Test})
	if err == nil {
		err = testable(set)
	}
	if err != nil {
		return nil, err
	}
	r := &results{Job: &own, Result: Result{Model: m}, images: im}
	if r.test, err = im.asTheyAre(set.Test); err != nil {
		return nil, err
	}
	return r.publish(ctx)
}
