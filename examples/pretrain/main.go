// Pretrain teaches a vision transformer to see without labels, from a folder of images or from drawn birds,
// and leaves weights for examples/cub; -h explains its flags. Reading order: main.go; settings.go; package
// vit/pretrain, the training.
package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/promptcam/promptcam/examples/internal/console"
	"github.com/promptcam/promptcam/nn"
	"github.com/promptcam/promptcam/nn/fit"
	"github.com/promptcam/promptcam/promptcam/figure/curves"
	"github.com/promptcam/promptcam/tensor/checkpoint"
	"github.com/promptcam/promptcam/tensor/machine"
	"github.com/promptcam/promptcam/vit/pretrain"
)

func main() { console.Main("pretrain", run) }

const state, backbone = "state.safetensors", "backbone.safetensors" // in --out; the state until the end

// run is the program without its process.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	s, err := parse(args, stdout)
	if s == nil {
		return err
	}
	c := console.New(stdout, stderr)
	err = train(ctx, s, c)
	c.Clear()
	return console.Interrupted(ctx, err, func() string {
		if s.exists(state) {
			return fmt.Sprintf("the last finished epoch is on disk in %s: go on with the same flags and --resume", s.path(state))
		}
		return "no epoch had finished: the same flags start again"
	})
}

// train runs or resumes a training and leaves its results in --out.
func train(ctx context.Context, s *settings, c *console.Console) error {
	if err := s.folders(); err != nil {
		return err
	}
	free, err := machine.Occupy(s.Out)
	var held *machine.HeldError
	switch {
	case errors.As(err, &held):
		return fmt.Errorf("--out %s is in use by another run (%s): wait until it ends, or choose another folder", s.Out, held.Holder())
	case err != nil:
		return fmt.Errorf("--out: cannot write in %s: %w", s.Out, err)
	}
	defer free()
	machine.Sweep(s.Out)
	r, err := prepare(ctx, s, c)
	if err != nil {
		return err
	}
	for e, err := range r.Train(ctx) {
		if err == nil {
			err = publish(s, r)
		}
		if err != nil {
			return err
		}
		c.Say(line(s, e))
	}
	c.Say("weights: " + s.path(backbone))
	if err := os.Remove(s.path(state)); err != nil {
		return fmt.Errorf("the results are complete, but: %w", err)
	}
	return nil
}

// prepare returns the run, new or resumed, and finds whatever is wrong before the first step.
func prepare(ctx context.Context, s *settings, c *console.Console) (*pretrain.Run, error) {
	unfinished := s.exists(state)
	switch {
	case unfinished && !s.Resume:
		return nil, fmt.Errorf("--out %s holds an unfinished run: go on with --resume, or choose another --out", s.Out)
	case !unfinished && s.exists(backbone):
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
	err = checkpoint.WriteFile(s.path("backbone.json"), func(w io.Writer) error {
		e := json.NewEncoder(w)
		e.SetIndent("", "\t")
		return e.Encode(s.Backbone())
	})
	if err != nil { // found before the first step
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
	f, err := checkpoint.Open(s.path(state))
	if err == nil {
		defer f.Close()
		err = r.Resume(f)
	}
	if err != nil {
		return nil, fmt.Errorf("--resume: %w", err)
	}
	c.Say(fmt.Sprintf("resuming after epoch %d of %d", len(r.History()), s.Epochs))
	return r, publish(s, r) // the last epoch may have ended between the state and the rest
}

// folders returns an error if a folder of the settings is a file.
func (s *settings) folders() error {
	for flag, dir := range map[string]string{"data": s.Data, "out": s.Out, "knn": s.KNN} {
		if info, err := os.Stat(dir); err == nil && !info.IsDir() {
			return fmt.Errorf("--%s %s is a file, want a folder", flag, dir)
		}
	}
	return nil
}

func (s *settings) path(name string) string { return filepath.Join(s.Out, name) }

func (s *settings) exists(name string) bool {
	_, err := os.Stat(s.path(name))
	return err == nil
}

// publish writes what an epoch leaves, the state first.
func publish(s *settings, r *pretrain.Run) error {
	dtype := checkpoint.DType(strings.ToUpper(s.Type))
	for _, file := range []struct {
		name  string
		write func(io.Writer) error
	}{
		{state, r.WriteState},
		{backbone, func(w io.Writer) error { return pretrain.Export(w, r.Teacher, dtype) }},
		{"metrics.csv", func(w io.Writer) error { return pretrain.WriteMetrics(w, r.History()) }},
		{"curves.png", func(w io.Writer) error { return drawCurves(w, s, r.History()) }},
	} {
		if err := checkpoint.WriteFile(s.path(file.name), file.write); err != nil {
			return err
		}
	}
	return nil
}

// line is what the console says of an epoch.
func line(s *settings, e fit.Epoch) string {
	text := fmt.Sprintf("epoch %d/%d  loss %.4f", e.Number, s.Epochs, e.Loss)
	if s.Contrast == 0 {
		text += fmt.Sprintf("  teacher's entropy %.3f of %.3f", e.Values[pretrain.Entropy], e.Values[pretrain.Spread])
	}
	if v, ok := e.Values[pretrain.KNN]; ok {
		text += fmt.Sprintf("  k-NN %.1f %%, with patches %.1f %%", 100*v, 100*e.Values[pretrain.KNNPatches])
	}
	return text + fmt.Sprintf("  lr %.3g  %.1f images/s  %.1f s", e.LR, float64(e.Images)/e.Seconds, e.Seconds)
}

// drawCurves draws the loss, with the entropy of DINO's teacher, the k-NN accuracy where it was measured, and
// the learning rate.
func drawCurves(w io.Writer, s *settings, history fit.History) error {
	guess := math.Log(float64(s.Outputs)) // near which the loss starts
	if s.Contrast > 0 {
		guess = math.Log(float64(min(s.Piece, s.Batch)))
	}
	series := func(legend, name string, factor float64) curves.Series {
		points := history.Series(name)
		for i := range points {
			points[i] *= factor
		}
		return curves.Series{Name: legend, Points: points}
	}
	return curves.PNG(w,
		curves.Panel{Title: "loss", Max: 1.3 * guess, Series: []curves.Series{ // with room for the legend above
			series("loss", "loss", 1), series("teacher's entropy", pretrain.Entropy, 1), series("of a whole batch", pretrain.Spread, 1),
		}},
		curves.Panel{Title: "k-NN accuracy, %", Max: 100, Series: []curves.Series{
			series("class token", pretrain.KNN, 100), series("and mean patch", pretrain.KNNPatches, 100),
		}},
		curves.Panel{Title: "learning rate", Series: []curves.Series{series("", "lr", 1)}},
	)
}
