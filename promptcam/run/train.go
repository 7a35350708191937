package run

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"strings"
	"time"

	"github.com/promptcam/promptcam/data"
	"github.com/promptcam/promptcam/nn"
	"github.com/promptcam/promptcam/nn/fit/knob"
	"github.com/promptcam/promptcam/promptcam"
	"github.com/promptcam/promptcam/vit"
)

// Train trains a model on the set's training images, tests it on the test images and leaves the results in
// Out. After each epoch a state is written there, with which Resume goes on after an interruption; Out must
// hold none. No other job can write results to Out meanwhile. A training whose loss ends far above that of
// guessing is an error.
func (j *Job) Train(ctx context.Context, b *vit.Model) (*Result, error) {
	free, err := j.begin()
	if err != nil {
		return nil, err
	}
	defer free()
	if err := j.fresh(); err != nil {
		return nil, err
	}
	return j.run(ctx, b, nil)
}

// Resume goes on with an interrupted run in Out, to the same bits as if it had not been interrupted. If none
// of its epochs had finished it starts with the first. It is an error if anything that decides the bits has
// changed: the recipe, the backbone, the classes, the list of images or their contents. A setting that is newer
// than the version in which the run began stays off. It is an error, too, if the run has finished, by whose
// results a run of the same settings is known.
func (j *Job) Resume(ctx context.Context, b *vit.Model) (*Result, error) {
	free, err := j.begin()
	if err != nil {
		return nil, err
	}
	defer free()
	began, err := readState(j.path(StateFile))
	if err != nil {
		return nil, fmt.Errorf("resume: %w", err)
	}
	if began == nil {
		if j.finished(j.identity(b)) {
			return nil, fmt.Errorf("resume: the run in %s has finished", j.Out)
		}
		j.Observer.say(Warning, "resume: no epoch had finished in %s: starting with the first", j.Out)
		if err := j.fresh(); err != nil {
			return nil, err
		}
		return j.run(ctx, b, nil)
	}
	own := *j
	if own.Recipe, err = began.asBegun(j.Recipe); err != nil {
		return nil, fmt.Errorf("resume: %w", err)
	}
	if len(knob.Differ(&j.Recipe, &own.Recipe)) > 0 {
		j.Observer.say(Note, "resume: the run began in a version without --%s: it goes on without", strings.Join(began.newer, " and --"))
	}
	return own.run(ctx, b, began)
}

// training is a run and what it needs.
type training struct {
	results
	train, val promptcam.Batches // val is nil without validation
	parts      parts             // of the training images
	baselines  *baselines        // nil without Baseline and Distill
	state      *state
}

// run trains from a state, or from the start without one.
func (j *Job) run(ctx context.Context, b *vit.Model, began *state) (*Result, error) {
	t, err := j.prepare(ctx, b, began)
	if t != nil {
		defer t.images.close()
	}
	if err != nil {
		return nil, err
	}
	if began != nil {
		t.Observer.say(Note, "resuming after epoch %d of %d", began.epochs(), t.Epochs)
	}
	if err := t.epochs(ctx); err != nil {
		return nil, err
	}
	return t.finish(ctx)
}

// prepare finds whatever is wrong before the first step. What differs from the run that began, if any, is
// found before features that it needs are replaced.
func (j *Job) prepare(ctx context.Context, backbone *vit.Model, began *state) (*training, error) {
	model, err := promptcam.New(backbone, j.model(len(j.Set.Classes)), rand.New(rand.NewPCG(uint64(j.Seed), 0)))
	if err != nil {
		return nil, err
	}
	model.Classes = j.Set.Classes
	_, cached := j.cacheable(model)
	if !cached && (j.Distill.Weight > 0 || j.CutMix.Share > 0 || j.Baseline || j.Cache != "" && j.Cache != noCache) {
		return nil, fmt.Errorf("--distill, --mix, --baseline and --cache need features that do not change in training: those of mode last, or with --agnostic 0 from:N beyond the first layer, and no --cache %s", noCache)
	}
	now := j.identity(backbone)
	if began != nil {
		if now.Data, now.Photos = began.Data, began.Photos; now.Recipe.Epochs == 0 { // not known yet
			now.Recipe.Epochs = began.Recipe.Epochs
		}
		if err := began.same(now, j.path(StateFile)); err != nil {
			return nil, err
		}
	}
	own, set := *j, *j.Set // epochs are counted, unreadable images left out
	t := &training{results: results{images: &images{Job: &own, fsys: set.FS}, Result: Result{Model: model, Set: &set}}}
	t.images.augmented, t.images.plain = j.transforms(backbone.Config)
	err = t.images.open(ctx, model, j.store(j.Out, "out"), []*[]data.Item{&set.Train}, []*[]data.Item{&set.Val, &set.Test})
	if err == nil {
		err = enough(&set)
	}
	if err == nil {
		err = t.warnDuplicates(ctx, &set)
	}
	if err == nil {
		err = t.loaders(ctx)
	}
	if err != nil {
		return t, err
	}
	now.Recipe.Epochs = t.Epochs
	now.Data = t.fingerprint(&set)
	if now.Photos, err = t.contents(ctx, &set); err != nil {
		return t, err
	}
	if t.state = began; began == nil {
		t.state = &state{identity: now}
	}
	err = t.state.same(now, t.path(StateFile))
	if began != nil && err != nil && t.cache != nil && t.cache.Stats().Changed > 0 {
		err = fmt.Errorf("%w: %d features were of photographs that have changed", err, t.cache.Stats().Changed)
	}
	return t, err
}

// loaders makes the loaders of the images to train on, to validate with and to test, and fits the teacher.
func (t *training) loaders(ctx context.Context) error {
	p, err := t.holdOut(t.Set)
	if err != nil {
		return err
	}
	items, held := p.train, p.val
	t.parts = p
	t.trained, t.validated, t.calibrated, t.Epochs = len(items), len(held), len(p.calibration), t.EpochsFor(len(items))
	if t.train, err = t.images.forTraining(items); err != nil {
		return err
	}
	if t.test, err = t.images.asTheyAre(t.Set.Test); err != nil {
		return err
	}
	if len(held) > 0 {
		if t.val, err = t.images.asTheyAre(held); err != nil {
			return err
		}
	}
	if least := promptcam.LeastCalibration(t.Coverage); t.calibrated > 0 && t.calibrated < least {
		return fmt.Errorf("--calibrate %g holds out %d images, and prediction sets of --coverage %g need at least %d: want a larger share", t.Calibrate, t.calibrated, t.Coverage, least)
	}
	if t.Distill.Weight > 0 || t.Baseline {
		t.baselines, err = t.fitBaselines(ctx, items)
	}
	return err
}

// fewTest is how many test images are too few to tell two models apart: with ten, one of them is ten points.
const fewTest = 10

// epochs trains from where the state is to the end, and writes the state after each epoch.
func (t *training) epochs(ctx context.Context) error {
	st := t.state
	also := ""
	if t.calibrated > 0 {
		also = fmt.Sprintf("%d to calibrate, ", t.calibrated)
	}
	t.Observer.say(Note, "%d classes; %d images to train on, %d to choose the best epoch, %s%d to test; %s, mode %s",
		len(t.Set.Classes), t.trained, t.validated, also, len(t.Set.Test), t.Model.Backbone.Config.Name, t.Mode)
	t.warnFew(len(t.Set.Test))
	config := t.Recipe.train()
	config.Resume = st.Checkpoint
	if t.baselines != nil {
		config.Distill.Teacher = t.baselines.teach
	}
	warned := false
	m := t.Observer.meter((t.Epochs - st.epochs()) * (t.trained + t.validated))
	config.Progress = m.step
	for e, err := range promptcam.Train(ctx, t.Model, t.train, config) {
		if err != nil {
			return err
		}
		began := time.Now()
		rate := float64(e.Images) / e.Seconds
		line := fmt.Sprintf("epoch %d/%d  loss %.4f  accuracy %.1f %%", e.Number, t.Epochs, e.Loss, 100*e.Accuracy)
		if t.val != nil {
			if err := t.validate(ctx, e, m); err != nil {
				return err
			}
			line += fmt.Sprintf("  validation loss %.4f  accuracy %.1f %%", e.Values[valLoss], 100*e.Values[valTop1])
		}
		e.Seconds += time.Since(began).Seconds()
		st.add(e.Checkpoint, e.Model.Tensors())
		if err := st.save(t.path(StateFile)); err != nil {
			return err
		}
		if e.Seconds >= longEpoch || milestone(e.Number, t.Epochs) {
			t.Observer.say(Note, "%s  lr %.3g  %.1f images/s  %.1f s", line, e.LR, rate, e.Seconds)
		}
		// At first it may be: heads of many views and hidden patches take some epochs.
		if guess := t.guess(); e.Loss > 1.5*guess && 4*e.Number > t.Epochs && !warned {
			warned = true
			t.Observer.say(Warning, "the loss, %.4g, is above that of guessing, %.2f: try an --lr below %g", e.Loss, guess, t.Schedule.Base)
		}
	}
	return nil
}

// longEpoch is the time in seconds from which every epoch is worth a line.
const longEpoch = 2

// milestone reports whether epoch n of so many is worth a line even if it was short: the first ten and the
// last are, and of the others not many more than fifty.
func milestone(n, of int) bool {
	step := 1
	for of/step > 50 {
		step *= 10
	}
	if step > 1 && of/step < 10 {
		step /= 2
	}
	return n <= 10 || n == of || n%step == 0
}

// guess is the loss of the same probability for every class.
func (t *training) guess() float64 { return math.Log(float64(len(t.Set.Classes))) }

// validate evaluates an epoch on the validation images.
func (t *training) validate(ctx context.Context, e promptcam.Epoch, m meter) error {
	v, err := e.Model.Evaluate(ctx, t.val, func(done int) {
		m(fmt.Sprintf("epoch %d/%d validation", e.Number, t.Epochs), done, t.validated, "")
	})
	if err != nil {
		return t.advised(err)
	}
	if math.IsNaN(v.Loss) || math.IsInf(v.Loss, 0) {
		return fmt.Errorf("the validation loss of epoch %d is %v: try an --lr below %g", e.Number, v.Loss, t.Schedule.Base)
	}
	e.Values[valLoss], e.Values[valTop1], e.Values[valTop5] = v.Loss, v.Top1, v.Top5
	return nil
}

// writeSplits writes the table of the images.
func (t *training) writeSplits(ctx context.Context) error {
	rows, err := t.listImages(ctx, [4][]data.Item{t.parts.train, t.parts.val, t.Set.Test, t.parts.calibration})
	if err != nil {
		return err
	}
	return t.writeImages(rows)
}

// finish tests the best epoch's model, once, and writes all results. The state is removed last: until then
// Resume can do this again.
func (t *training) finish(ctx context.Context) (*Result, error) {
	if err := nn.Load(t.Model, t.state.Set("best")); err != nil {
		return nil, fmt.Errorf("%s: %w", t.path(StateFile), err)
	}
	t.History, t.best = t.state.History, t.state.Best
	if err := t.diverged(ctx); err != nil {
		return nil, err
	}
	if err := t.refer(ctx, t.Model, t.parts.train); err != nil {
		return nil, err
	}
	if t.baselines != nil {
		var err error
		if t.Baselines, err = t.testBaselines(ctx); err != nil {
			return nil, err
		}
	}
	if err := t.calibrate(ctx); err != nil {
		return nil, t.advised(err)
	}
	if err := t.writeSplits(ctx); err != nil {
		return nil, err
	}
	result, err := t.publish(ctx)
	if err != nil {
		return nil, t.advised(err)
	}
	if err := os.Remove(t.path(StateFile)); err != nil {
		return nil, fmt.Errorf("the results are complete, but: %w", err)
	}
	return result, nil
}

// far is how many times the loss of guessing a training may end with. Whatever hard examples, mixtures and
// hidden patches add, a model that learns anything ends below the loss of guessing, and one whose steps were
// too long at tens or hundreds of times as much.
const far = 10

// sampled is how many training images the final model is tried on.
const sampled = 64

// diverged returns an error if the chosen epoch's model is far worse than a guess: in that epoch, or in the
// end, on some training images. The state is then removed: there is nothing to go on with.
func (t *training) diverged(ctx context.Context) error {
	var some []data.Item
	for i := range min(sampled, len(t.parts.train)) {
		some = append(some, t.parts.train[i*len(t.parts.train)/min(sampled, len(t.parts.train))])
	}
	batches, err := t.images.asTheyAre(some)
	if err != nil {
		return err
	}
	e, err := t.Model.Evaluate(ctx, batches, nil)
	if errors.As(err, new(*promptcam.ScoreError)) {
		return errors.Join(t.advised(err), os.Remove(t.path(StateFile)))
	}
	if err != nil {
		return err
	}
	loss := max(t.History[t.best-1].Loss, e.Loss)
	if loss <= far*t.guess() {
		return nil
	}
	err = fmt.Errorf("training diverged: the loss ended at %.4g, that of guessing among %d classes is %.2f: try an --lr below %g",
		loss, len(t.Set.Classes), t.guess(), t.Schedule.Base)
	return errors.Join(err, os.Remove(t.path(StateFile)))
}

// advised says what to do about scores that are no numbers.
func (t *training) advised(err error) error {
	if errors.As(err, new(*promptcam.ScoreError)) {
		return fmt.Errorf("training diverged: %w: try an --lr below %g", err, t.Schedule.Base)
	}
	return err
}
