package fit

import (
	"fmt"

	"github.com/promptcam/promptcam/tensor"
)

// EMA configures an exponential moving average of parameters over the steps of training. After step t,
// counted from 0, with parameters p:
//
//	mean = d·mean + (1-d)·p,  d = min(Decay, (1+t)/(10+t))
//
// It starts as the parameters before the first step, which the smaller decay of the first steps soon forgets
// (as tf.train.ExponentialMovingAverage with num_updates). A Decay of 0 turns it off.
type EMA struct {
	Decay float64 `knob:"average" json:"average" group:"Training" default:"0" range:"[0,1)" arg:"decay" help:"decay per step of the exponential moving average (EMA) of the parameters, which is then evaluated and saved, such as 0.99; 0: the last parameters are"`
}

// Validate returns an error unless the decay is at least 0 and less than 1.
func (c EMA) Validate() error {
	if !(c.Decay >= 0 && c.Decay < 1) {
		return fmt.Errorf("fit: average with decay %v, want at least 0 and less than 1", c.Decay)
	}
	return nil
}

// Average keeps the means of parameters.
type Average struct {
	decay         float64
	params, means map[string]*tensor.Tensor
}

// New returns an Average that keeps the means of params in means, by name, which it sets to their values.
func (c EMA) New(params, means map[string]*tensor.Tensor) *Average {
	for name, p := range params {
		tensor.CopyTo(means[name], p)
	}
	return &Average{float64(float32(c.Decay)), params, means}
}

// Add takes the parameters after step t, counted from 0, into the means.
func (a *Average) Add(t int) {
	rate := float32(1 - min(a.decay, float64(1+t)/float64(10+t)))
	for name, p := range a.params {
		mean := a.means[name].Data()
		for i, v := range p.Data() {
			mean[i] += rate * (v - mean[i])
		}
	}
}
