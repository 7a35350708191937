package main

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"

	"github.com/promptcam/promptcam/data"
	"github.com/promptcam/promptcam/nn"
	"github.com/promptcam/promptcam/promptcam"
	"github.com/promptcam/promptcam/vit"
)

// training is a run and what it needs.
type training struct {
	*settings
	c          *console
	set        *data.Set
	model      *promptcam.Model
	images     *images
	train, val promptcam.Batches // val is nil without validation
	test       promptcam.Batches
	baselines  *baselines // nil without -baseline and -distill
	notes      *data.Annotations
	state      *state
}

// train runs or resumes a training run and leaves its results in -out.
func train(ctx context.Context, s *settings, c *console) error {
	st, err := findState(s.out, s.resume)
	if err != nil {
		return err
	}
	if st == nil && s.resume {
		c.warn("-resume: no epoch had finished in %s: starting with the first", s.out)
	}
	if st == nil {
		if err := replaces(s, c); err != nil {
			return err
		}
	}
	t, err := prepare(ctx, s, c, st)
	if t != nil {
		defer t.images.close()
	}
	if err != nil {
		return err
	}
	if st != nil {
		if err := st.same(t.state.identity, statePath(s.out)); err != nil {
			return err
		}
		t.state = st
		c.say("resuming after epoch %d of %d", len(st.History), s.Epochs)
	}
	if err := t.epochs(ctx); err != nil {
		return err
	}
	return t.finish(ctx)
}

// prepare finds whatever is wrong before the first step. What differs from the run that began,
// if any, is found before features that it needs are replaced.
func prepare(ctx context.Context, s *settings, c *console, began *state) (*training, error) {
	set, err := openData(s, c)
	if err != nil {
		return nil, err
	}
	if err := s.config(len(set.Classes)).Validate(1 << 30); err != nil {
		return nil, err
	}
	notes, err := openNotes(s)
	if err != nil {
		return nil, err
	}
	backbone, err := openBackbone(s)
	if err != nil {
		return nil, err
	}
	model, err := promptcam.New(backbone, s.config(len(set.Classes)), rand.New(rand.NewPCG(uint64(s.Seed), 0)))
	if err != nil {
		return nil, err
	}
	model.Classes = set.Classes
	_, cached := cacheable(s, model)
	if !cached && (s.Distill > 0 || s.Mix > 0 || s.baseline || s.given["cache"] && s.cache != noCache) {
		return nil, usage("-distill, -mix, -baseline and -cache need features that do not change in training: those of mode last, or with -agnostic 0 from:N beyond the first layer, and no -cache %s", noCache)
	}
	if err := writable("out", s.out, reportDir(s.out)); err != nil {
		return nil, err
	}
	if cached && s.cache != "" {
		if err := writable("cache", s.cache); err != nil {
			return nil, err
		}
	}
	now := identity{Recipe: s.recipe, Backbone: backbone.SHA256, Arch: backbone.Config}
	if began != nil {
		now.Recipe.Epochs, now.Data = cmp.Or(s.Epochs, began.Recipe.Epochs), began.Data // not known yet
		if err := began.same(now, statePath(s.out)); err != nil {
			return nil, err
		}
	}
	augmented, plain := transforms(s.Augment, backbone.Config)
	t := &training{settings: s, c: c, set: set, model: model, notes: notes, images: &images{settings: s, set: set, plain: plain, augmented: augmented}}
	if err := t.images.open(ctx, c, model, []*[]data.Item{&set.Train}, []*[]data.Item{&set.Val, &set.Test}); err != nil {
		return t, err
	}
	if err := enough(set); err != nil {
		return t, err
	}
	if err := t.loaders(ctx); err != nil {
		return t, err
	}
	now.Recipe.Epochs = s.Epochs
	now.Data, err = fingerprint(set.Classes, set.Train, set.Val, set.Test)
	t.state = &state{identity: now}
	return t, err
}

// loaders makes the loaders of the images to train on, to validate with and to test, and what
// teaches.
func (t *training) loaders(ctx context.Context) error {
	items, held, err := holdOut(t.settings, t.set)
	if err != nil {
		return err
	}
	t.Epochs = cmp.Or(t.Epochs, t.epochsFor(len(items)))
	if t.train, err = t.images.batches(items, true); err != nil {
		return err
	}
	if t.test, err = t.images.batches(t.set.Test, false); err != nil {
		return err
	}
	if len(held) > 0 {
		if t.val, err = t.images.batches(held, false); err != nil {
			return err
		}
	}
	if t.Distill > 0 || t.baseline {
		t.baselines, err = t.fitBaselines(ctx, items)
	}
	return err
}

// openBackbone loads -weights as -arch.
func openBackbone(s *settings) (*vit.Model, error) {
	f, err := openWeights(s)
	if err != nil {
		return nil, err
	}
	defer f.Close() // it was only read
	c, err := architecture(s, f)
	if err != nil {
		return nil, err
	}
	b, err := vit.LoadFrom(f, c)
	if err != nil {
		return nil, fmt.Errorf("-weights %s, -arch %s: %w", s.weights, s.arch, err)
	}
	return b, nil
}

// replaces warns that -out holds the results of another run, which a forgotten -out must not
// replace.
func replaces(s *settings, c *console) error {
	if !exists(s.out, "metrics.json") {
		return nil
	}
	if !s.given["out"] {
		return usage("-out is missing, and the folder %s, which it means then, holds the results of another run", s.out)
	}
	c.warn("-out %s holds the results of another run, which this one's will replace when it ends", s.out)
	return nil
}

// writable makes the folders that a flag names and tries to write in them.
func writable(flag string, dirs ...string) error {
	for _, dir := range dirs {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return fmt.Errorf("-%s: %w", flag, err)
		}
		f, err := os.CreateTemp(dir, ".try.*")
		if err != nil {
			return fmt.Errorf("-%s: cannot write in %s: %w", flag, dir, err)
		}
		f.Close() // nothing was written
		if err := os.Remove(f.Name()); err != nil {
			return fmt.Errorf("-%s: %w", flag, err)
		}
	}
	return nil
}

// epochs trains from where the state is to the end, and writes the state after each epoch.
func (t *training) epochs(ctx context.Context) error {
	st := t.state
	held := 0
	if t.val != nil {
		held = t.val.Len()
	}
	t.c.say("%d classes; %d images to train on, %d to choose the best epoch, %d to test; %s, mode %s",
		len(t.set.Classes), t.train.Len(), held, len(t.set.Test), t.model.Backbone.Config.Name, t.Mode)
	config := t.trainConfig()
	config.Resume = st.Checkpoint
	if t.Distill > 0 {
		config.Distill.Teacher = t.baselines.teach
	}
	m := t.c.meter((t.Epochs - st.epochs()) * (t.train.Len() + held))
	config.Progress = m.step
	for e, err := range promptcam.Train(ctx, t.model, t.train, config) {
		if err != nil {
			return err
		}
		m.end(e.Images)
		began := time.Now()
		rate := float64(e.Images) / e.Seconds
		line := fmt.Sprintf("epoch %d/%d  loss %.4f  accuracy %.1f %%", e.Number, t.Epochs, e.Loss, 100*e.Accuracy)
		if t.val != nil {
			v, err := e.Model.Evaluate(ctx, t.val, func(n int) { m.show(fmt.Sprintf("epoch %d/%d validation", e.Number, t.Epochs), n, held, "") })
			if err != nil {
				return err
			}
			if math.IsNaN(v.Loss) || math.IsInf(v.Loss, 0) {
				return fmt.Errorf("the validation loss of epoch %d is %v: try an -lr below %g", e.Number, v.Loss, t.LR)
			}
			m.end(held)
			e.Values[valLoss], e.Values[valTop1], e.Values[valTop5] = v.Loss, v.Top1, v.Top5
			line += fmt.Sprintf("  validation loss %.4f  accuracy %.1f %%", v.Loss, 100*v.Top1)
		}
		e.Seconds += time.Since(began).Seconds()
		st.add(e.Checkpoint, e.Model.Tensors())
		if err := st.save(statePath(t.out)); err != nil {
			return err
		}
		t.c.say("%s  lr %.3g  %.1f images/s  %.1f s", line, e.LR, rate, e.Seconds)
	}
	return nil
}

// finish tests the best epoch's model, once, and writes all results. The state
// goes last: until then -resume can do this again.
func (t *training) finish(ctx context.Context) error {
	st := t.state
	if err := nn.Load(t.model, st.Set("best")); err != nil {
		return fmt.Errorf("%s: %w", statePath(t.out), err)
	}
	r := &results{
		settings: t.settings, c: t.c, set: t.set, model: t.model, state: st, skipped: t.images.skipped,
		trained: t.train.Len(), arch: t.model.Backbone.Config.Name, images: t.test, cached: t.images.features != nil, notes: t.notes,
	}
	if t.val != nil {
		r.validated = t.val.Len()
	}
	if t.baselines != nil {
		var err error
		if r.baselines, err = t.testBaselines(ctx, t.baselines); err != nil {
			return err
		}
	}
	if err := t.model.SaveFile(filepath.Join(t.out, "model.safetensors")); err != nil {
		return err
	}
	if err := r.publish(ctx); err != nil {
		return err
	}
	if err := os.Remove(statePath(t.out)); err != nil {
		return fmt.Errorf("the results are complete, but: %w", err)
	}
	return nil
}
