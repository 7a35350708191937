package promptcam

import (
	"fmt"

	"github.com/promptcam/promptcam/nn"
	"github.com/promptcam/promptcam/tensor"
)

// average is the moving mean of a model's parameters over the steps of training. After
// step t, counted from 0, with parameters p:
//
//	mean = d·mean + (1-d)·p,  d = min(decay, (1+t)/(10+t))
//
// It starts as the parameters before the first step, which the smaller decay of the
// first steps soon forgets (as tf.train.ExponentialMovingAverage with num_updates).
type average struct {
	model *Model // whose parameters are the means
	decay float64
	pairs []pair
}

// pair is a parameter and its mean.
type pair struct{ param, mean *tensor.Tensor }

// average returns the mean so far, that of c.ResumeAverage or of m alone.
func (c TrainConfig) average(m *Model) (*average, error) {
	a := &average{model: parameters(m.Backbone, m.Config, m.first), decay: float64(c.Average)}
	a.model.Classes, a.model.Transform = m.Classes, m.Transform
	var src nn.Source = m.Tensors()
	if c.ResumeAverage != nil {
		src = c.ResumeAverage
	}
	if err := nn.Load(a.model, src); err != nil {
		return nil, fmt.Errorf("promptcam: resume: average: %w", err)
	}
	means := a.model.Tensors()
	for name, param := range m.Tensors() {
		a.pairs = append(a.pairs, pair{param, means[name]})
	}
	return a, nil
}

// add takes the parameters after step t into the mean.
func (a *average) add(t int) {
	rate := float32(1 - min(a.decay, float64(1+t)/float64(10+t)))
	for _, p := range a.pairs {
		mean := p.mean.Data()
		for i, v := range p.param.Data() {
			mean[i] += rate * (v - mean[i])
		}
	}
}
