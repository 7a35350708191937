// Pretrain teaches a vision transformer to see without labels, from a folder of images or from drawn
// birds, and leaves weights for examples/cub. Option -h explains its flags.
//
// Reading order: main.go; settings.go; birds.go, the drawn birds; package vit/pretrain, the training.
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/promptcam/promptcam/data"
	"github.com/promptcam/promptcam/examples/internal/console"
	"github.com/promptcam/promptcam/nn"
	"github.com/promptcam/promptcam/nn/fit"
	"github.com/promptcam/promptcam/tensor/checkpoint"
	"github.com/promptcam/promptcam/vit/pretrain"
)

func main() { console.Main("pretrain", run) }

// run is the program without its process.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	s, err := parse(args, stdout)
	if errors.Is(err, flag.ErrHelp) {
		return nil
	}
	if err != nil {
		return err
	}
	c := console.New(stdout, stderr)
	err = train(ctx, s, c)
	c.Clear()
	return console.Interrupted(ctx, err, func() string { return saved(s.Out) })
}

// train runs or resumes a training and leaves its results in --out.
func train(ctx context.Context, s *settings, c *console.Console) error {
	r, err := prepare(ctx, s, c)
	if err != nil {
		return err
	}
	for e, err := range r.Train(ctx) {
		if err == nil {
			err = checkpoint.WriteFile(statePath(s.Out), r.WriteState)
		}
		if err == nil {
			err = publish(s, r)
		}
		if err != nil {
			return err
		}
		c.Say(line(r, e))
	}
	if err := publish(s, r); err != nil { // again, where a run was ended between the state and this
		return err
	}
	c.Say("weights: " + backbonePath(s.Out))
	if err := os.Remove(statePath(s.Out)); err != nil {
		return fmt.Errorf("the results are complete, but: %w", err)
	}
	return nil
}

// prepare finds whatever is wrong before the first step.
func prepare(ctx context.Context, s *settings, c *console.Console) (*pretrain.Run, error) {
	for flag, dir := range map[string]string{"data": s.Data, "out": s.Out, "knn": s.KNN} {
		if info, err := os.Stat(dir); err == nil && !info.IsDir() {
			return nil, fmt.Errorf("--%s %s is a file, want a folder", flag, dir)
		}
	}
	unfinished, err := findState(s)
	if err != nil {
		return nil, err
	}
	if s.Resume && !unfinished {
		c.Say(fmt.Sprintf("--resume: no epoch had finished in %s: starting with the first", s.Out))
	}
	images, err := openImages(ctx, s, c)
	if err != nil {
		return nil, err
	}
	r, err := pretrain.New(s.Config, images)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", cmp.Or(s.Data, "--birds"), err)
	}
	r.TestEvery = s.KNNEvery
	r.Progress = func(p fit.Step) {
		c.Show(console.Progress{
			Part: fmt.Sprintf("epoch %d/%d", p.Epoch, s.Epochs), Done: int64(p.Done), Total: int64(p.Images),
			Text: fmt.Sprintf("%d/%d images  loss %.3f", p.Done, p.Images, p.Loss),
			Rate: fmt.Sprintf("%.1f images/s", float64(p.Done)/p.Seconds),
			Left: time.Duration(p.Seconds / float64(p.Done) * float64(p.Images-p.Done) * float64(time.Second)),
		})
	}
	switch {
	case s.KNN != "":
		if r.Test, err = pretrain.OpenTest(ctx, s.KNN, s.Backbone(), s.KNNMost, s.Seed); err != nil {
			return nil, fmt.Errorf("--knn: %w", err)
		}
	case s.Birds > 0:
		r.Test = s.species(cmp.Or(s.KNNMost, 20))
	}
	if err := describe(s); err != nil { // which finds whether anything can be written
		return nil, fmt.Errorf("--out: %w", err)
	}
	size := 0
	for _, p := range nn.Params(r.Teacher) {
		size += p.Value.Len()
	}
	c.Say(fmt.Sprintf("%d images; %d patches of %d pixels, width %d, %d blocks, %d heads: %d parameters",
		images.Len(), (s.Image/s.Patch)*(s.Image/s.Patch), s.Patch, s.Dim, s.Depth, s.Heads, size))
	if unfinished {
		f, err := checkpoint.Open(statePath(s.Out))
		if err != nil {
			return nil, fmt.Errorf("--resume: %w", err)
		}
		defer f.Close()
		if err := r.Resume(f); err != nil {
			return nil, fmt.Errorf("--resume: %w", err)
		}
		c.Say(fmt.Sprintf("resuming after epoch %d of %d", len(r.History()), s.Epochs))
	}
	return r, nil
}

// openImages opens --data or makes ready to draw --birds.
func openImages(ctx context.Context, s *settings, c *console.Console) (pretrain.Images, error) {
	if s.Birds > 0 {
		return s.flock(), nil
	}
	f, err := pretrain.OpenFolder(data.Dir(s.Data))
	if err != nil {
		return nil, fmt.Errorf("--data: %w", err)
	}
	bad, err := f.Check(ctx, func(done, total int) {
		c.Show(console.Progress{Part: "checking images", Done: int64(done), Total: int64(total), Text: fmt.Sprintf("%d/%d", done, total)})
	})
	if err != nil {
		return nil, err
	}
	if len(bad) > 0 && !s.SkipBad {
		return nil, fmt.Errorf("--data %s: %d of %d images cannot be read (--skip-bad goes on without them), the first is %w", s.Data, len(bad), f.Len(), bad[0].Err)
	}
	for _, b := range bad {
		c.Say(b.Err.Error())
	}
	f.Drop(bad)
	return f, nil
}

// line is what the console says of an epoch.
func line(r *pretrain.Run, e fit.Epoch) string {
	knn, teacher := "", ""
	if v, ok := e.Values[pretrain.KNN]; ok {
		knn = fmt.Sprintf("  k-NN %.1f %%, with patches %.1f %%", 100*v, 100*e.Values[pretrain.KNNPatches])
	}
	if r.Config.Contrast == 0 {
		teacher = fmt.Sprintf("  teacher's entropy %.3f of %.3f", e.Values[pretrain.Entropy], e.Values[pretrain.Spread])
	}
	return fmt.Sprintf("epoch %d/%d  loss %.4f%s%s  lr %.3g  %.1f images/s  %.1f s",
		e.Number, r.Config.Epochs, e.Loss, teacher, knn, e.LR, float64(e.Images)/e.Seconds, e.Seconds)
}
