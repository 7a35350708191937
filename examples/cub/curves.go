package main

import (
	"bytes"

	"github.com/promptcam/promptcam/promptcam/figure/curves"
)

// drawCurves draws loss, accuracy and learning rate over the epochs, as PNG.
func drawCurves(history []epoch) ([]byte, error) {
	series := func(name string, value func(epoch) float64) curves.Series {
		s := curves.Series{Name: name}
		for _, e := range history {
			s.Points = append(s.Points, value(e))
		}
		return s
	}
	loss := curves.Panel{Title: "loss", Series: []curves.Series{
		series("training", func(e epoch) float64 { return e.Loss }),
	}}
	accuracy := curves.Panel{Title: "accuracy, %", Max: 100, Legend: curves.BottomRight, Series: []curves.Series{
		series("training", func(e epoch) float64 { return 100 * e.Accuracy }),
	}}
	rate := curves.Panel{Title: "learning rate", Series: []curves.Series{series("", func(e epoch) float64 { return e.LR })}}
	if history[0].Val != nil {
		loss.Series = append(loss.Series, series("validation", func(e epoch) float64 { return e.Val.Loss }))
		accuracy.Series = append(accuracy.Series, series("validation", func(e epoch) float64 { return 100 * e.Val.Top1 }))
	}
	var picture bytes.Buffer
	err := curves.PNG(&picture, loss, accuracy, rate)
	return picture.Bytes(), err
}
