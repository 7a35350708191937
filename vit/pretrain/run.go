package pretrain

import (
	"context"
	"fmt"
	"iter"
	"time"

	"github.com/promptcam/promptcam/nn/fit"
	"github.com/promptcam/promptcam/vit"
)

// Run is a pre-training. It is for one goroutine.
type Run struct {
	Teacher    *vit.Model      // EMA of the student: the backbone to Export
	Checkpoint *fit.Checkpoint // after the last epoch that finished; nil before the first

	Test      *Test          // if not nil, is made after every TestEvery-th epoch and the last one
	TestEvery int            // at least 1
	Progress  func(fit.Step) // if not nil, is called after each step; it must be set before Train

	config Config
	task   task
}

// task is a fit.Task. A batch is its pieces.
type task struct {
	*views
	*trainer
}

// The names of an epoch's further values.
const (
	Entropy     = "teacher_entropy"   // of the teacher's distributions, in nats, at most log K; not with MoCo v3's objective
	Spread      = "batch_entropy"     // of their mean over a batch: no more than Entropy if they are the same for all images; likewise
	Norm        = "gradient"          // length of the gradient, before clipping
	Decay       = "decay"             // weight decay in the last step, as the next two
	Momentum    = "momentum"          // of the teacher
	Temperature = "temperature"       // of the teacher
	KNN         = "knn_class"         // accuracy by the class token, where there was a Test
	KNNPatches  = "knn_class_patches" // likewise, with the patches
)

// New returns a run that has not begun.
func New(c Config, images Images) (*Run, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	if n := images.Len(); n < c.Batch {
		return nil, fmt.Errorf("%d images, want at least the %d of --batch", n, c.Batch)
	}
	if err := c.affordable(); err != nil {
		return nil, err
	}
	t, err := newTrainer(&c)
	if err != nil {
		return nil, err
	}
	return &Run{config: c, Teacher: t.teacher.Backbone, TestEvery: 1, task: task{newViews(images, &c), t}}, nil
}

// History returns the epochs that finished.
func (r *Run) History() fit.History {
	if r.Checkpoint == nil {
		return nil
	}
	return r.Checkpoint.History
}

// Train trains from the end of the History to the last epoch, and yields each that finishes. It may be left
// between epochs and called again. After an error the epoch is half done: go on with a new Run and Resume.
func (r *Run) Train(ctx context.Context) iter.Seq2[fit.Epoch, error] {
	return func(yield func(fit.Epoch, error) bool) {
		c := fit.Config{Epochs: r.config.Epochs, Schedule: r.config.schedule(), Resume: r.Checkpoint, Progress: r.Progress}
		for e, err := range fit.Run(ctx, c, r.task) {
			if err == nil {
				r.Checkpoint = e.Checkpoint
				err = r.finish(ctx, e)
			}
			if !yield(e, err) || err != nil {
				return
			}
		}
	}
}

// finish records the schedules' last values, and tests.
func (r *Run) finish(ctx context.Context, e fit.Epoch) error {
	p := r.config.pace(float64(e.Number))
	e.Values[Decay], e.Values[Momentum], e.Values[Temperature] = float64(p.decay), float64(p.momentum), float64(p.temperature)
	if r.Test == nil || e.Number%r.TestEvery != 0 && e.Number != r.config.Epochs {
		return nil
	}
	began := time.Now()
	class, patches, err := r.Test.Accuracy(ctx, r.Teacher)
	if err != nil {
		return err
	}
	e.Values[KNN], e.Values[KNNPatches] = class, patches
	e.Seconds += time.Since(began).Seconds()
	return nil
}
