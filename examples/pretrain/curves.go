package main

import (
	"bytes"
	"math"

	"github.com/promptcam/promptcam/promptcam/figure/curves"
)

// drawCurves draws, as PNG, the loss, which starts near most, with the entropy of DINO's
// teacher, the k-NN accuracy where it was measured, and the learning rate.
func drawCurves(history []epoch, most float64) ([]byte, error) {
	series := func(name string, value func(epoch) float64, has func(epoch) bool) curves.Series {
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
	always := func(epoch) bool { return true }
	taught := func(e epoch) bool { return e.Spread > 0 }
	tested := func(e epoch) bool { return e.Tested }
	var picture bytes.Buffer
	err := curves.PNG(&picture,
		curves.Panel{Title: "loss", Max: 1.3 * most, Series: []curves.Series{ // with room for the legend above
			series("loss", func(e epoch) float64 { return e.Loss }, always),
			series("teacher's entropy", func(e epoch) float64 { return e.Entropy }, taught),
			series("of a whole batch", func(e epoch) float64 { return e.Spread }, taught),
		}},
		curves.Panel{Title: "k-NN accuracy, %", Max: 100, Series: []curves.Series{
			series("class token", func(e epoch) float64 { return 100 * e.KNN }, tested),
			series("and mean patch", func(e epoch) float64 { return 100 * e.KNNBoth }, tested),
		}},
		curves.Panel{Title: "learning rate", Series: []curves.Series{
			series("", func(e epoch) float64 { return e.LR }, always),
		}},
	)
	return picture.Bytes(), err
}
