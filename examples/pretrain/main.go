// Pretrain teaches a vision transformer to see without labels, from a folder of images or from drawn birds,
// and leaves weights for examples/cub. Option -h explains its flags.
//
// Reading order: main.go; settings.go; images.go; results.go; package vit/pretrain, the training.
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
	if ctx.Err() == nil || !errors.Is(err, ctx.Err()) {
		return err
	}
	if !exists(s.state()) {
		return fmt.Errorf("interrupted (%w): no epoch had finished: the same flags start again", err)
	}
	return fmt.Errorf("interrupted (%w): the last finished epoch is on disk in %s: go on with the same flags and --resume", err, s.state())
}

// train runs or resumes a training and leaves its results in --out.
func train(ctx context.Context, s *settings, c *console.Console) error {
	r, err := prepare(ctx, s, c)
	if err != nil {
		return err
	}
	for e, err := range r.Train(ctx) {
		if err == nil {
			err = checkpoint.WriteFile(s.state(), r.WriteState)
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
	c.Say("weights: " + s.backbone())
	if err := os.Remove(s.state()); err != nil {
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
	unfinished := exists(s.state())
	switch {
	case unfinished && !s.Resume:
		return nil, fmt.Errorf("--out %s holds an unfinished run: go on with --resume, or choose another --out", s.Out)
	case !unfinished && exists(s.backbone()):
		return nil, fmt.Errorf("--out %s holds the results of a run that has finished: choose another --out", s.Out)
	case !unfinished && s.Resume:
		c.Say(fmt.Sprintf("--resume: no epoch had finished in %s: starting with the first", s.Out))
	}
	images, err := s.images(ctx, c)
	if err != nil {
		return nil, err
	}
	r, err := pretrain.New(s.Config, images)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", cmp.Or(s.Data, "--birds"), err)
	}
	r.TestEvery = s.KNNEvery
	if r.Test, err = s.test(ctx); err != nil {
		return nil, fmt.Errorf("--knn: %w", err)
	}
	r.Progress = func(p fit.Step) {
		c.Show(console.Progress{
			Part: fmt.Sprintf("epoch %d/%d", p.Epoch, s.Epochs), Done: int64(p.Done), Total: int64(p.Images),
			Text: fmt.Sprintf("%d/%d images  loss %.3f", p.Done, p.Images, p.Loss),
			Rate: fmt.Sprintf("%.1f images/s", float64(p.Done)/p.Seconds),
			Left: time.Duration(p.Seconds / float64(p.Done) * float64(p.Images-p.Done) * float64(time.Second)),
		})
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
	if !unfinished {
		return r, nil
	}
	f, err := checkpoint.Open(s.state())
	if err != nil {
		return nil, fmt.Errorf("--resume: %w", err)
	}
	defer f.Close()
	if err := r.Resume(f); err != nil {
		return nil, fmt.Errorf("--resume: %w", err)
	}
	c.Say(fmt.Sprintf("resuming after epoch %d of %d", len(r.History()), s.Epochs))
	return r, nil
}
