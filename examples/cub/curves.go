package main

import (
	"bytes"

	"github.com/promptcam/promptcam/nn/fit"
	"github.com/promptcam/promptcam/promptcam/figure/curves"
)

// drawCurves draws loss, accuracy and learning rate over the epochs, as PNG.
func drawCurves(history fit.History) ([]byte, error) {
	series := func(name string, value func(*fit.Entry) float64) curves.Series {
		s := curves.Series{Name: name}
		for _, e := range history {
			s.Points = append(s.Points, value(e))
		}
		return s
	}
	loss := curves.Panel{Title: "loss", Series: []curves.Series{
		series("training", func(e *fit.Entry) float64 { return e.Loss }),
	}}
	accuracy := curves.Panel{Title: "accuracy, %", Max: 100, Legend: curves.BottomRight, Series: []curves.Series{
		series("training", func(e *fit.Entry) float64 { return 100 * e.Accuracy }),
	}}
	rate := curves.Panel{Title: "learning rate", Series: []curves.Series{series("", func(e *fit.Entry) float64 { return e.LR })}}
	if _, ok := history[0].Values[valTop1]; ok {
		loss.Series = append(loss.Series, series("validation", func(e *fit.Entry) float64 { return e.Values[valLoss] }))
		accuracy.Series = append(accuracy.Series, series("validation", func(e *fit.Entry) float64 { return 100 * e.Values[valTop1] }))
	}
	var picture bytes.Buffer
	err := curves.PNG(&picture, loss, accuracy, rate)
	return picture.Bytes(), err
}
