package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"

	"github.com/promptcam/promptcam/nn/fit"
	"github.com/promptcam/promptcam/promptcam/figure/curves"
	"github.com/promptcam/promptcam/tensor/checkpoint"
	"github.com/promptcam/promptcam/vit/pretrain"
)

func (s *settings) state() string    { return filepath.Join(s.Out, "state.safetensors") }
func (s *settings) backbone() string { return filepath.Join(s.Out, "backbone.safetensors") }

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// write writes a file in --out, whole or not at all.
func (s *settings) write(name string, write func(io.Writer) error) error {
	return checkpoint.WriteFile(filepath.Join(s.Out, name), write)
}

// describe makes --out and writes the architecture to it.
func describe(s *settings) error {
	if err := os.MkdirAll(s.Out, 0o755); err != nil {
		return err
	}
	return s.write("backbone.json", func(w io.Writer) error {
		e := json.NewEncoder(w)
		e.SetIndent("", "\t")
		return e.Encode(s.Backbone())
	})
}

// publish writes what an epoch leaves beside the state.
func publish(s *settings, r *pretrain.Run) error {
	dtype := checkpoint.DType(strings.ToUpper(s.Type))
	return errors.Join(
		s.write("backbone.safetensors", func(w io.Writer) error { return pretrain.Export(w, r.Teacher, dtype) }),
		s.write("metrics.csv", func(w io.Writer) error { return pretrain.WriteMetrics(w, r.History()) }),
		s.write("curves.png", func(w io.Writer) error { return drawCurves(w, s, r.History()) }),
	)
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
