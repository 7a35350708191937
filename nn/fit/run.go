package fit

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"math"
	"time"

	"github.com/promptcam/promptcam/nn/optim"
)

// Config configures Run.
type Config struct {
	Epochs   int
	Schedule optim.Schedule // of the learning rate; where its Epochs are 0, Run sets them to those above
	Resume   *Checkpoint    // where to go on; nil starts with the first epoch
	Progress func(Step)     // if not nil, called after each step
}

// Validate returns the first error in c.
func (c Config) Validate() error {
	switch {
	case c.Epochs < 1:
		return fmt.Errorf("fit: %d epochs, want at least 1", c.Epochs)
	case c.Resume != nil && len(c.Resume.History) > c.Epochs:
		return fmt.Errorf("fit: resume after epoch %d of %d", len(c.Resume.History), c.Epochs)
	}
	return c.Schedule.Validate()
}

// Task is what Run trains.
type Task[B any] interface {
	// Epoch returns the batches of epoch n, from 0, until ctx ends. All randomness of the epoch must follow
	// from n, so that a resumed run has the same bits.
	Epoch(ctx context.Context, n int) iter.Seq2[B, error]
	Images() int // in an epoch
	Steps() int  // batches in an epoch

	// Learn makes one step. It calls at.Check before it moves any parameter.
	Learn(batch B, at Moment) (Told, error)

	Save(c *Checkpoint)       // puts into c what Load needs after an epoch, without copying
	Load(c *Checkpoint) error // copies what it needs from c
}

// Moment is when a step happens.
type Moment struct {
	Epoch, Step int     // counted from 0
	Steps       int     // in each epoch
	LR          float32 // the learning rate, that of End
}

// Index counts the step from the start of training, from 0.
func (m Moment) Index() int { return m.Epoch*m.Steps + m.Step }

// End returns how many epochs are done after the step, for schedules.
func (m Moment) End() float64 { return float64(m.Epoch) + float64(m.Step+1)/float64(m.Steps) }

// Check returns an error if a value, such as the loss, is NaN or infinite.
func (m Moment) Check(what string, value float64) error {
	if math.IsNaN(value) || math.IsInf(value, 0) {
		return fmt.Errorf("the %s of epoch %d, step %d is %v: try a learning rate below %g", what, m.Epoch+1, m.Step+1, value, m.LR)
	}
	return nil
}

// Told is what a step reports.
type Told struct {
	Images int                // in the batch
	Right  int                // of them, those that were classified correctly
	Loss   float64            // mean over them
	Values map[string]float64 // further means over them, by name; may be nil
}

// Step reports progress within an epoch.
type Step struct {
	Epoch, Epochs  int     // counted from 1, and in all
	Done, Images   int     // images of the epoch: seen so far, and in all
	Loss, Accuracy float64 // means over the images seen; accuracy from 0 to 1
	Seconds        float64 // since the epoch began
}

// Epoch is a finished epoch.
type Epoch struct {
	Number int // from 1

	// Entry is also the last of Checkpoint.History. The caller may add to its Values and Seconds, say of a
	// validation.
	*Entry

	// Checkpoint is the state after the epoch. Its tensors are those in training, not copies: write it or
	// clone it before the next epoch. The caller may put in more, which later checkpoints keep.
	Checkpoint *Checkpoint
}

// Run trains t and yields each epoch as it ends; leaving the loop stops training. The first error, of c, t or
// ctx, is yielded and ends it, as are parameters that are no longer finite after an epoch: a Checkpoint never
// holds such.
func Run[B any](ctx context.Context, c Config, t Task[B]) iter.Seq2[Epoch, error] {
	return func(yield func(Epoch, error) bool) {
		if err := c.Validate(); err != nil {
			yield(Epoch{}, err)
			return
		}
		c.Schedule.Epochs = cmp.Or(c.Schedule.Epochs, float64(c.Epochs))
		state := c.Resume.Clone() // empty for nil
		if c.Resume != nil {
			if err := t.Load(state); err != nil {
				yield(Epoch{}, err)
				return
			}
		}
		for n := len(state.History); n < c.Epochs; n++ {
			e, err := epoch(ctx, c, t, n)
			if err != nil {
				yield(Epoch{}, err)
				return
			}
			t.Save(state)
			if name := notFinite(state); name != "" {
				yield(Epoch{}, fmt.Errorf("fit: training diverged in epoch %d, after which %s holds NaN or infinity: try a learning rate below %g", n+1, name, c.Schedule.Base))
				return
			}
			state.History = append(state.History, e)
			if !yield(Epoch{n + 1, e, state}, nil) {
				return
			}
		}
	}
}

// notFinite returns the name of a tensor with a number that is NaN or infinite, the first by name; empty if
// there is none.
func notFinite(c *Checkpoint) string {
	for _, name := range c.Tensors.Names() {
		for _, x := range c.Tensors[name].Data() {
			if math.IsNaN(float64(x)) || math.IsInf(float64(x), 0) {
				return name
			}
		}
	}
	return ""
}

// epoch makes one pass over the batches.
func epoch[B any](ctx context.Context, c Config, t Task[B], n int) (*Entry, error) {
	began := time.Now()
	e := &Entry{Values: map[string]float64{}}
	at := Moment{Epoch: n, Steps: t.Steps()}
	var loss, right float64
	sums := map[string]float64{}
	for batch, err := range t.Epoch(ctx, n) {
		if err := cmp.Or(err, ctx.Err()); err != nil {
			return nil, err
		}
		at.LR = c.Schedule.At(at.End())
		told, err := t.Learn(batch, at)
		if err != nil {
			return nil, err
		}
		for name, v := range told.Values {
			sums[name] += float64(v * float64(told.Images))
		}
		loss += told.Loss * float64(told.Images)
		right += float64(told.Right)
		e.Images += told.Images
		e.LR = float64(at.LR)
		e.Loss, e.Accuracy = loss/float64(e.Images), right/float64(e.Images)
		e.Seconds = time.Since(began).Seconds()
		if at.Step++; c.Progress != nil {
			c.Progress(Step{n + 1, c.Epochs, e.Images, t.Images(), e.Loss, e.Accuracy, e.Seconds})
		}
	}
	for name, sum := range sums {
		e.Values[name] = sum / float64(e.Images)
	}
	e.Seconds = time.Since(began).Seconds()
	return e, nil
}
