package optim

import (
	"fmt"
	"math"
)

// Schedule is the learning rate over the epochs of training: it rises linearly from 0 to Base during the
// first Warmup epochs, then falls along half a cosine to Min at Epochs (Loshchilov and Hutter, arXiv
// 1608.03983, without restarts), and stays there.
type Schedule struct {
	Base   float64 `knob:"lr" json:"lr" group:"Training" range:"(0,1000]" arg:"rate" help:"highest learning rate"`
	Min    float64 `knob:"min-lr" json:"min-lr" range:"[0,1000]" arg:"rate" help:"learning rate at the end of the cosine"`
	Warmup float64 `knob:"warmup" json:"warmup" range:"[0,1048576]" arg:"epochs" help:"epochs over which the learning rate rises from 0"`
	Epochs float64 // no knob: when the rate reaches Min; if not above Warmup, it stays at Base
}

// Validate returns an error unless Base is positive, Min at most Base, and nothing negative or infinite.
func (s Schedule) Validate() error {
	switch {
	case !proper(s.Base) || s.Base == 0:
		return fmt.Errorf("optim: learning rate %v, want a positive number", s.Base)
	case s.Min > s.Base:
		return fmt.Errorf("optim: last learning rate %v, want at most the highest, %v", s.Min, s.Base)
	case !proper(s.Min) || !proper(s.Warmup) || !proper(s.Epochs):
		return fmt.Errorf("optim: last learning rate %v after %v epochs, %v of warm-up: want none negative", s.Min, s.Epochs, s.Warmup)
	}
	return nil
}

// At returns the learning rate after a number of epochs, which need not be whole; a negative one counts as 0.
// Base and Min are rounded to float32 first. At(float64(n)) for all of epoch n, from 0, is the staircase that
// the code of Prompt-CAM's authors intends. Theirs is one epoch late: two epochs have the first rate.
func (s Schedule) At(epoch float64) float32 {
	epoch = max(epoch, 0)
	base, low := float64(float32(s.Base)), float64(float32(s.Min))
	switch {
	case epoch < s.Warmup:
		return float32(base * epoch / s.Warmup)
	case s.Epochs <= s.Warmup:
		return float32(base)
	}
	t := min((epoch-s.Warmup)/(s.Epochs-s.Warmup), 1)
	return float32(low + (base-low)*(1+math.Cos(math.Pi*t))/2)
}
