package main

import (
	"bytes"
	"math"

	"github.com/promptcam/promptcam/promptcam/figure/curves"
	"github.com/promptcam/promptcam/vit/pretrain"
)

// drawCurves draws, as PNG, the loss, which starts near most, with the entropy of DINO's
// teacher, the k-NN accuracy where it was measured, and the learning rate.
func drawCurves(history []pretrain.Epoch, most float64) ([]byte, error) {
	series := func(name string, value func(pretrain.Epoch) float64, has func(pretrain.Epoch) bool) curves.Series {
		s := curves.Series{Name: name}
		for _, e := range history {
			if has(e) {
				s.Points = append(s.Points, value(e))
			} else {
				s.Points = append(s.Points, math.NaN())
			}
		}
		return s
	}
	always := func(pretrain.Epoch) bool { return true }
	taught := func(e pretrain.Epoch) bool { return e.Spread > 0 }
	tested := func(e pretrain.Epoch) bool { return e.KNN != nil }
	var picture bytes.Buffer
	err := curves.PNG(&picture,
		curves.Panel{Title: "loss", Max: 1.3 * most, Series: []curves.Series{ // with room for the legend above
			series("loss", func(e pretrain.Epoch) float64 { return e.Loss }, always),
			series("teacher's entropy", func(e pretrain.Epoch) float64 { return e.Entropy }, taught),
			series("of a whole batch", func(e pretrain.Epoch) float64 { return e.Spread }, taught),
		}},
		curves.Panel{Title: "k-NN accuracy, %", Max: 100, Series: []curves.Series{
			series("class token", func(e pretrain.Epoch) float64 { return 100 * e.KNN.Class }, tested),
			series("and mean patch", func(e pretrain.Epoch) float64 { return 100 * e.KNN.Patches }, tested),
		}},
		curves.Panel{Title: "learning rate", Series: []curves.Series{
			series("", func(e pretrain.Epoch) float64 { return e.LR }, always),
		}},
	)
	return picture.Bytes(), err
}
