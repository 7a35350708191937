package main

import (
	"bytes"

	"github.com/promptcam/promptcam/nn/fit"
	"github.com/promptcam/promptcam/promptcam/figure/curves"
	"github.com/promptcam/promptcam/vit/pretrain"
)

// drawCurves draws, as PNG, the loss, which starts near most, with the entropy of DINO's
// teacher, the k-NN accuracy where it was measured, and the learning rate.
func drawCurves(history fit.History, most float64) ([]byte, error) {
	of := func(name, value string, scale float64) curves.Series {
		s := curves.Series{Name: name, Points: history.Series(value)}
		for i := range s.Points {
			s.Points[i] *= scale
		}
		return s
	}
	loss, rate := curves.Series{Name: "loss"}, curves.Series{}
	for _, e := range history {
		loss.Points, rate.Points = append(loss.Points, e.Loss), append(rate.Points, e.LR)
	}
	var picture bytes.Buffer
	err := curves.PNG(&picture,
		curves.Panel{Title: "loss", Max: 1.3 * most, Series: []curves.Series{ // with room for the legend above
			loss, of("teacher's entropy", pretrain.Entropy, 1), of("of a whole batch", pretrain.Spread, 1),
		}},
		curves.Panel{Title: "k-NN accuracy, %", Max: 100, Series: []curves.Series{
			of("class token", pretrain.KNN, 100), of("and mean patch", pretrain.KNNPatches, 100),
		}},
		curves.Panel{Title: "learning rate", Series: []curves.Series{rate}},
	)
	return picture.Bytes(), err
}
