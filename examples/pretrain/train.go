package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/promptcam/promptcam/autograd"
	"github.com/promptcam/promptcam/nn"
	"github.com/promptcam/promptcam/nn/optim"
	"github.com/promptcam/promptcam/vit"
)

// training is a run, from prepare to the end.
type training struct {
	*settings
	log    io.Writer
	views  *views
	test   *neighbours // nil without -knn
	dino   *dino
	state  *state
	spoken time.Time // when progress was last told
}

// train runs or resumes a training and leaves its results in -out.
func train(ctx context.Context, s *settings, log io.Writer) error {
	t, err := prepare(ctx, s, log)
	if err != nil {
		return err
	}
	for n := len(t.state.History); n < s.Epochs; n++ {
		e, err := t.epoch(ctx, n)
		if err != nil {
			return err
		}
		t.state.History = append(t.state.History, e)
		if err := t.state.save(statePath(s.out), t.dino); err != nil {
			return err
		}
		if err := publish(s, t.dino.teacher.Backbone, t.state.History); err != nil {
			return err
		}
		t.tell(n, e)
	}
	if err := publish(s, t.dino.teacher.Backbone, t.state.History); err != nil {
		return err
	}
	fmt.Fprintf(log, "weights: %s\n", backbonePath(s.out))
	if err := os.Remove(statePath(s.out)); err != nil {
		return fmt.Errorf("the results are complete, but: %w", err)
	}
	return nil
}

// prepare finds whatever is wrong before the first step.
func prepare(ctx context.Context, s *settings, log io.Writer) (*training, error) {
	resume, err := findState(s.out, s.resume)
	if err != nil {
		return nil, err
	}
	if s.resume && !resume {
		fmt.Fprintf(log, "-resume: no epoch had finished in %s: starting with the first\n", s.out)
	}
	t := &training{settings: s, log: log, spoken: time.Now()}
	images, err := t.openImages(ctx)
	if err != nil {
		return nil, err
	}
	if n := images.Len(); n < s.Batch {
		return nil, fmt.Errorf("%s: %d images, want at least the %d of -batch", t.source(), n, s.Batch)
	}
	c := s.config()
	switch {
	case s.knn != "":
		if t.test, err = openNeighbours(ctx, s.knn, c, s.knnMost, s.Seed); err != nil {
			return nil, err
		}
	case s.birds > 0:
		t.test = drawnSpecies(c, cmp.Or(s.knnMost, 20), s.Seed)
	}
	if err := writable(s.out); err != nil {
		return nil, err
	}
	if t.dino, err = newTraining(c, s); err != nil {
		return nil, err
	}
	t.views = newViews(images, s)
	t.state = &state{Recipe: s.recipe, Images: images.Identity()}
	size := 0
	for _, p := range nn.Params(t.dino.student.Backbone) {
		size += p.Value.Len()
	}
	fmt.Fprintf(log, "%d images; %d patches of %d pixels, width %d, %d blocks, %d heads: %d parameters\n",
		images.Len(), (s.Image/s.Patch)*(s.Image/s.Patch), s.Patch, s.Dim, s.Depth, s.Heads, size)
	if resume {
		if err := t.state.resume(statePath(s.out), t.dino); err != nil {
			return nil, err
		}
		fmt.Fprintf(log, "resuming after epoch %d of %d\n", len(t.state.History), s.Epochs)
	}
	return t, nil
}

// newTraining returns an untrained student of architecture c and its teacher.
func newTraining(c vit.Config, s *settings) (*dino, error) {
	student, err := newNetwork(c, []int{s.Local, s.Early}, s.head(), rand.New(rand.NewPCG(uint64(s.Seed), 0)))
	if err != nil {
		return nil, err
	}
	teacher, err := newNetwork(c, []int{s.Local, s.Early}, s.head(), rand.New(rand.NewPCG(uint64(s.Seed), 0)))
	if err != nil {
		return nil, err
	}
	for i, b := range student.Backbone.Blocks { // as timm and DINO do, from 0 to all
		b.DropPath = dropPath(s.DropPath, i, c.Depth)
	}
	return newDINO(student, teacher, newOptimizer(s.Optimizer, student)), nil
}

// newOptimizer returns what -optimizer names. Weights decay by a schedule of their own: see pace.
func newOptimizer(name string, student *network) optim.Optimizer {
	matrices := func(name string, p *autograd.Param) int {
		switch {
		case !strings.HasPrefix(name, "backbone.blocks.") || p.Value.Rank() != 2:
			return 0
		case strings.HasSuffix(name, ".qkv.weight"):
			return 3
		}
		return 1
	}
	if name == "adamw" {
		return optim.AdamW{}.New(nn.Params(student))
	}
	return optim.Muon{Momentum: 0.95, Matrices: matrices}.New(nn.Params(student))
}

func dropPath(last float64, block, depth int) nn.DropPath {
	return nn.DropPath(last * float64(block) / float64(max(depth-1, 1)))
}

// openImages opens -data or makes ready to draw -birds.
func (t *training) openImages(ctx context.Context) (Images, error) {
	if t.birds > 0 {
		return drawBirds(t.birds, t.settings), nil
	}
	f, err := openFolder(t.data)
	if err != nil {
		return nil, err
	}
	bad, err := f.check(ctx, t.skipBad, func(done, total int) { t.progress("checking image %d of %d", done, total) })
	for _, b := range bad {
		fmt.Fprintln(t.log, b.Err)
	}
	return f, err
}

// source names where the images come from.
func (t *training) source() string {
	if t.birds > 0 {
		return "-birds"
	}
	return "-data " + t.data
}

// writable makes a folder and tries to write in it.
func writable(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("-out: %w", err)
	}
	f, err := os.CreateTemp(dir, ".try.*")
	if err != nil {
		return fmt.Errorf("-out: cannot write in %s: %w", dir, err)
	}
	f.Close() // nothing was written
	if err := os.Remove(f.Name()); err != nil {
		return fmt.Errorf("-out: %w", err)
	}
	return nil
}

// epoch makes one pass over the images, and tests.
func (t *training) epoch(ctx context.Context, n int) (epoch, error) {
	began := time.Now()
	var e epoch
	steps := t.views.steps()
	for i, images := range t.views.order(n) {
		batch, err := t.views.batch(ctx, n, images)
		if err != nil {
			return e, err
		}
		if n == 0 && i == 0 && t.Contrast == 0 {
			t.dino.begin(batch)
		}
		p := t.pace(float64(n) + float64(i+1)/float64(steps))
		p.drops, p.seed, p.step = t.DropPath > 0, uint64(t.Seed)+5<<32, uint64(n*steps+i)
		told, err := t.dino.step(batch, p, t.Clip)
		if err != nil {
			return e, fmt.Errorf("epoch %d, step %d: %w: try an -lr below %g", n+1, i+1, err, p.rate)
		}
		e.Loss += told.loss / float64(steps)
		e.Entropy += told.entropy / float64(steps)
		e.Spread += told.spread / float64(steps)
		e.Norm += told.norm / float64(steps)
		e.LR, e.Decay, e.Momentum, e.Temperature = float64(p.rate), float64(p.decay), float64(p.momentum), float64(p.temperature)
		e.Images += len(images)
		t.progress("epoch %d/%d  %d/%d images  loss %.3f  %.1f images/s", n+1, t.Epochs, e.Images, steps*t.Batch, told.loss,
			float64(e.Images)/time.Since(began).Seconds())
	}
	if t.test != nil && ((n+1)%t.knnEvery == 0 || n+1 == t.Epochs) {
		var err error
		if e.KNN, e.KNNBoth, err = t.test.accuracy(ctx, t.dino.teacher.Backbone); err != nil {
			return e, err
		}
		e.Tested = true
	}
	e.Seconds = time.Since(began).Seconds()
	return e, nil
}

// tell prints a line about a finished epoch.
func (t *training) tell(n int, e epoch) {
	knn := ""
	if e.Tested {
		knn = fmt.Sprintf("  k-NN %.1f %%, with patches %.1f %%", 100*e.KNN, 100*e.KNNBoth)
	}
	teacher := ""
	if t.Contrast == 0 {
		teacher = fmt.Sprintf("  teacher's entropy %.3f of %.3f", e.Entropy, e.Spread)
	}
	fmt.Fprintf(t.log, "epoch %d/%d  loss %.4f%s%s  lr %.3g  %.1f images/s  %.1f s\n",
		n+1, t.Epochs, e.Loss, teacher, knn, e.LR, float64(e.Images)/e.Seconds, e.Seconds)
	t.spoken = time.Now()
}

// progress prints a line, unless one was printed within half a minute.
func (t *training) progress(format string, a ...any) {
	if now := time.Now(); now.Sub(t.spoken) > 30*time.Second {
		t.spoken = now
		fmt.Fprintf(t.log, format+"\n", a...)
	}
}

// saved says what an interrupted run has left and how to go on.
func saved(out string) string {
	if _, err := os.Stat(statePath(out)); err != nil {
		return "no epoch had finished: the same flags start again"
	}
	return fmt.Sprintf("the last finished epoch is on disk in %s: go on with the same flags and -resume", filepath.Clean(statePath(out)))
}
