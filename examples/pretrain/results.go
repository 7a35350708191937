package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strings"

	"github.com/promptcam/promptcam/nn/fit"
	"github.com/promptcam/promptcam/promptcam/figure/curves"
	"github.com/promptcam/promptcam/tensor/checkpoint"
	"github.com/promptcam/promptcam/vit/pretrain"
)

func statePath(out string) string    { return filepath.Join(out, "state.safetensors") }
func backbonePath(out string) string { return filepath.Join(out, "backbone.safetensors") }

// findState reports whether --out holds an unfinished run, which only --resume continues.
func findState(s *settings) (bool, error) {
	_, err := os.Stat(statePath(s.Out))
	switch {
	case err == nil && !s.Resume:
		return false, fmt.Errorf("--out %s holds an unfinished run: go on with --resume, or choose another --out", s.Out)
	case err == nil:
		return true, nil
	case !errors.Is(err, fs.ErrNotExist):
		return false, fmt.Errorf("--out: %w", err)
	}
	if _, err := os.Stat(backbonePath(s.Out)); err == nil {
		return false, fmt.Errorf("--out %s holds the results of a run that has finished: choose another --out", s.Out)
	}
	return false, nil
}

// saved says what an interrupted run has left and how to go on.
func saved(out string) string {
	if _, err := os.Stat(statePath(out)); err != nil {
		return "no epoch had finished: the same flags start again"
	}
	return fmt.Sprintf("the last finished epoch is on disk in %s: go on with the same flags and --resume", filepath.Clean(statePath(out)))
}

// describe makes --out and writes the architecture to it.
func describe(s *settings) error {
	if err := os.MkdirAll(s.Out, 0o755); err != nil {
		return err
	}
	return checkpoint.WriteFile(filepath.Join(s.Out, "backbone.json"), func(w io.Writer) error {
		e := json.NewEncoder(w)
		e.SetIndent("", "\t")
		return e.Encode(s.Backbone())
	})
}

// publish writes what an epoch leaves beside the state.
func publish(s *settings, r *pretrain.Run) error {
	return errors.Join(
		checkpoint.WriteFile(backbonePath(s.Out), func(w io.Writer) error {
			return pretrain.Export(w, r.Teacher, checkpoint.DType(strings.ToUpper(s.Type)))
		}),
		checkpoint.WriteFile(filepath.Join(s.Out, "metrics.csv"), func(w io.Writer) error { return pretrain.WriteMetrics(w, r.History()) }),
		checkpoint.WriteFile(filepath.Join(s.Out, "curves.png"), func(w io.Writer) error { return drawCurves(w, s, r.History()) }),
	)
}

// drawCurves draws the loss, with the entropy of DINO's teacher, the k-NN accuracy where it was measured, and
// the learning rate.
func drawCurves(w io.Writer, s *settings, history fit.History) error {
	guess := math.Log(float64(s.Outputs)) // near which the loss starts
	if s.Contrast > 0 {
		guess = math.Log(float64(min(s.Piece, s.Batch)))
	}
	percent := func(name string) []float64 {
		points := history.Series(name)
		for i := range points {
			points[i] *= 100
		}
		return points
	}
	return curves.PNG(w,
		curves.Panel{Title: "loss", Max: 1.3 * guess, Series: []curves.Series{ // with room for the legend above
			{Name: "loss", Points: history.Series("loss")}, {Name: "teacher's entropy", Points: history.Series(pretrain.Entropy)},
			{Name: "of a whole batch", Points: history.Series(pretrain.Spread)},
		}},
		curves.Panel{Title: "k-NN accuracy, %", Max: 100, Series: []curves.Series{
			{Name: "class token", Points: percent(pretrain.KNN)}, {Name: "and mean patch", Points: percent(pretrain.KNNPatches)},
		}},
		curves.Panel{Title: "learning rate", Series: []curves.Series{{Points: history.Series("lr")}}},
	)
}
