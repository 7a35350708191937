package pretrain

import (
	"context"
	"fmt"
	"iter"
	"time"

	"github.com/promptcam/promptcam/vit"
)

// Run is a pre-training. It is for one goroutine.
type Run struct {
	Config  Config
	Teacher *vit.Model // EMA of the student: the backbone to Export
	History []Epoch    // finished epochs

	Test      *Test      // if not nil, is made after every TestEvery-th epoch and the last one
	TestEvery int        // at least 1
	Progress  func(Step) // if not nil, is called after each step

	images  Images
	views   *views
	trainer *trainer
}

// Epoch is a finished one.
type Epoch struct {
	Loss        float64 // mean over the steps, as the next three
	Entropy     float64 // of the teacher's distributions, in nats: log K if it is sure of nothing; 0 with MoCo v3's objective
	Spread      float64 // entropy of their mean over a batch: no more than Entropy if they are the same for all images
	Norm        float64 // length of the gradient, before clipping
	LR          float64 // in the last step, as the next three
	Decay       float64
	Momentum    float64
	Temperature float64
	Images      int
	Seconds     float64
	KNN         *Accuracy `json:",omitempty"` // nil where there was no test
}

// Step is how far a run has come within an epoch.
type Step struct {
	Epoch        int // from 1
	Done, Images int // images of the epoch done, and in all
	Loss         float64
	Time         time.Duration // since the epoch began
}

// New returns a run that has not begun.
func New(c Config, images Images) (*Run, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	if n := images.Len(); n < c.Batch {
		return nil, fmt.Errorf("%d images, want at least the %d of -batch", n, c.Batch)
	}
	t, err := newTrainer(&c)
	if err != nil {
		return nil, err
	}
	r := &Run{Config: c, Teacher: t.teacher.Backbone, TestEvery: 1, images: images, trainer: t}
	r.views = newViews(images, &r.Config)
	return r, nil
}

// Train trains from the end of the History to the last epoch, and yields each that finishes. It may be
// left between epochs and called again. After an error go on with a Run that Resume has filled, since
// the epoch is half done.
func (r *Run) Train(ctx context.Context) iter.Seq2[Epoch, error] {
	return func(yield func(Epoch, error) bool) {
		for n := len(r.History); n < r.Config.Epochs; n++ {
			e, err := r.epoch(ctx, n)
			if err != nil {
				yield(Epoch{}, err)
				return
			}
			r.History = append(r.History, e)
			if !yield(e, nil) {
				return
			}
		}
	}
}

// epoch makes the n-th pass over the images, from 0, and tests.
func (r *Run) epoch(ctx context.Context, n int) (e Epoch, err error) {
	began := time.Now()
	steps := r.views.steps()
	for i, images := range r.views.order(n) {
		batch, err := r.views.batch(ctx, n, images)
		if err != nil {
			return e, err
		}
		if n == 0 && i == 0 && r.Config.Contrast == 0 {
			r.trainer.begin(batch)
		}
		p := r.Config.pace(float64(n) + float64(i+1)/float64(steps))
		p.step = uint64(n*steps + i)
		told, err := r.trainer.step(batch, p, r.Config.Clip)
		if err != nil {
			return e, fmt.Errorf("epoch %d, step %d: %w: try an -lr below %g", n+1, i+1, err, p.rate)
		}
		e.Loss += told.loss / float64(steps)
		e.Entropy += told.entropy / float64(steps)
		e.Spread += told.spread / float64(steps)
		e.Norm += told.norm / float64(steps)
		e.LR, e.Decay, e.Momentum, e.Temperature = float64(p.rate), float64(p.decay), float64(p.momentum), float64(p.temperature)
		e.Images += len(images)
		if r.Progress != nil {
			r.Progress(Step{Epoch: n + 1, Done: e.Images, Images: steps * r.Config.Batch, Loss: told.loss, Time: time.Since(began)})
		}
	}
	if r.Test != nil && ((n+1)%r.TestEvery == 0 || n+1 == r.Config.Epochs) {
		if e.KNN, err = r.Test.Accuracy(ctx, r.Teacher); err != nil {
			return e, err
		}
	}
	e.Seconds = time.Since(began).Seconds()
	return e, nil
}
