package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/promptcam/promptcam/nn"
	"github.com/promptcam/promptcam/nn/fit"
	"github.com/promptcam/promptcam/tensor/checkpoint"
	"github.com/promptcam/promptcam/vit/pretrain"
)

func statePath(out string) string    { return filepath.Join(out, "state.safetensors") }
func backbonePath(out string) string { return filepath.Join(out, "backbone.safetensors") }

// console prints to the user.
type console struct {
	io.Writer
	spoken time.Time // when progress was last printed
}

func (c *console) print(format string, a ...any) {
	fmt.Fprintf(c, format+"\n", a...)
	c.spoken = time.Now()
}

// progress prints a line, unless one was printed within half a minute.
func (c *console) progress(format string, a ...any) {
	if time.Since(c.spoken) > 30*time.Second {
		c.print(format, a...)
	}
}

// train runs or resumes a training and leaves its results in -out.
func train(ctx context.Context, s *settings, c *console) error {
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
		tell(c, r, e)
	}
	if err := publish(s, r); err != nil {
		return err
	}
	c.print("weights: %s", backbonePath(s.Out))
	if err := os.Remove(statePath(s.Out)); err != nil {
		return fmt.Errorf("the results are complete, but: %w", err)
	}
	return nil
}

// prepare finds whatever is wrong before the first step.
func prepare(ctx context.Context, s *settings, c *console) (*pretrain.Run, error) {
	unfinished, err := findState(s)
	if err != nil {
		return nil, err
	}
	if s.Resume && !unfinished {
		c.print("-resume: no epoch had finished in %s: starting with the first", s.Out)
	}
	images, err := openImages(ctx, s, c)
	if err != nil {
		return nil, err
	}
	r, err := pretrain.New(s.Config, images)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", cmp.Or(s.Data, "-birds"), err)
	}
	r.TestEvery = s.KNNEvery
	r.Progress = func(p fit.Step) {
		c.progress("epoch %d/%d  %d/%d images  loss %.3f  %.1f images/s", p.Epoch, s.Epochs, p.Done, p.Images, p.Loss, float64(p.Done)/p.Seconds)
	}
	switch {
	case s.KNN != "":
		if r.Test, err = pretrain.OpenTest(ctx, s.KNN, s.Backbone(), s.KNNMost, s.Seed); err != nil {
			return nil, fmt.Errorf("-knn: %w", err)
		}
	case s.Birds > 0:
		r.Test = s.species(cmp.Or(s.KNNMost, 20))
	}
	if err := describe(s); err != nil { // which finds whether anything can be written
		return nil, fmt.Errorf("-out: %w", err)
	}
	size := 0
	for _, p := range nn.Params(r.Teacher) {
		size += p.Value.Len()
	}
	c.print("%d images; %d patches of %d pixels, width %d, %d blocks, %d heads: %d parameters",
		images.Len(), (s.Image/s.Patch)*(s.Image/s.Patch), s.Patch, s.Dim, s.Depth, s.Heads, size)
	if unfinished {
		if err := resume(r, statePath(s.Out)); err != nil {
			return nil, fmt.Errorf("-resume: %w", err)
		}
		c.print("resuming after epoch %d of %d", len(r.History()), s.Epochs)
	}
	return r, nil
}

// resume fills r from a state.
func resume(r *pretrain.Run, path string) error {
	f, err := checkpoint.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	return r.Resume(f)
}

// openImages opens -data or makes ready to draw -birds.
func openImages(ctx context.Context, s *settings, c *console) (pretrain.Images, error) {
	if s.Birds > 0 {
		return s.flock(), nil
	}
	f, err := pretrain.OpenFolder(s.Data)
	if err != nil {
		return nil, fmt.Errorf("-data: %w", err)
	}
	bad, err := f.Check(ctx, func(done, total int) { c.progress("checking image %d of %d", done, total) })
	if err != nil {
		return nil, err
	}
	if len(bad) > 0 && !s.SkipBad {
		return nil, fmt.Errorf("-data %s: %d of %d images cannot be read (-skip-bad goes on without them), the first is %w", s.Data, len(bad), f.Len(), bad[0].Err)
	}
	for _, b := range bad {
		c.print("%v", b.Err)
	}
	f.Drop(bad)
	return f, nil
}

// findState reports whether -out holds an unfinished run, which only -resume continues.
func findState(s *settings) (bool, error) {
	_, err := os.Stat(statePath(s.Out))
	switch {
	case err == nil && !s.Resume:
		return false, fmt.Errorf("-out %s holds an unfinished run: go on with -resume, or choose another -out", s.Out)
	case err == nil:
		return true, nil
	case !errors.Is(err, fs.ErrNotExist):
		return false, fmt.Errorf("-out: %w", err)
	}
	if _, err := os.Stat(backbonePath(s.Out)); err == nil {
		return false, fmt.Errorf("-out %s holds the results of a run that has finished: choose another -out", s.Out)
	}
	return false, nil
}

// describe makes -out and writes the architecture to it.
func describe(s *settings) error {
	if err := os.MkdirAll(s.Out, 0o755); err != nil {
		return err
	}
	text, err := json.MarshalIndent(s.Backbone(), "", "\t")
	if err != nil {
		return err
	}
	return writeFile(s.Out, "backbone.json", append(text, '\n'))
}

// publish writes what an epoch leaves beside the state.
func publish(s *settings, r *pretrain.Run) error {
	if err := pretrain.ExportFile(backbonePath(s.Out), r.Teacher, checkpoint.DType(strings.ToUpper(s.Type))); err != nil {
		return err
	}
	var metrics bytes.Buffer
	if err := pretrain.WriteMetrics(&metrics, r.History()); err != nil {
		return err
	}
	most := math.Log(float64(s.Outputs))
	if s.Contrast > 0 {
		most = math.Log(float64(min(s.Piece, s.Batch)))
	}
	curves, err := drawCurves(r.History(), most)
	if err != nil {
		return err
	}
	return errors.Join(writeFile(s.Out, "metrics.csv", metrics.Bytes()), writeFile(s.Out, "curves.png", curves))
}

func writeFile(dir, name string, content []byte) error {
	return checkpoint.WriteFile(filepath.Join(dir, name), func(w io.Writer) error {
		_, err := w.Write(content)
		return err
	})
}

// tell prints a line about a finished epoch.
func tell(c *console, r *pretrain.Run, e fit.Epoch) {
	knn, teacher := "", ""
	if v, ok := e.Values[pretrain.KNN]; ok {
		knn = fmt.Sprintf("  k-NN %.1f %%, with patches %.1f %%", 100*v, 100*e.Values[pretrain.KNNPatches])
	}
	if r.Config.Contrast == 0 {
		teacher = fmt.Sprintf("  teacher's entropy %.3f of %.3f", e.Values[pretrain.Entropy], e.Values[pretrain.Spread])
	}
	c.print("epoch %d/%d  loss %.4f%s%s  lr %.3g  %.1f images/s  %.1f s",
		e.Number, r.Config.Epochs, e.Loss, teacher, knn, e.LR, float64(e.Images)/e.Seconds, e.Seconds)
}

// saved says what an interrupted run has left and how to go on.
func saved(out string) string {
	if _, err := os.Stat(statePath(out)); err != nil {
		return "no epoch had finished: the same flags start again"
	}
	return fmt.Sprintf("the last finished epoch is on disk in %s: go on with the same flags and -resume", filepath.Clean(statePath(out)))
}
