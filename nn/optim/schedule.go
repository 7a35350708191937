package optim

import "math"

// Schedule is the learning rate over the epochs of a training run: it rises in
// a line from 0 to Base during the first Warmup epochs, then falls along half
// a cosine to Min at Epochs (Loshchilov and Hutter, arXiv 1608.03983, without
// restarts), and stays there.
type Schedule struct {
	Base, Min      float32
	Warmup, Epochs float64 // Epochs not above Warmup means that the rate stays at Base
}

// At returns the learning rate after so many epochs, which need not be whole:
// At(float64(step)/stepsPerEpoch) follows the curve from step to step.
//
// At(float64(n)) for all of epoch n, counted from 0, is the staircase that the
// authors' code means to use. Theirs comes one epoch late: it trains
// two epochs at the start of the warm-up, and so one fewer near the end.
func (s Schedule) At(epoch float64) float32 {
	switch {
	case epoch < s.Warmup:
		return float32(float64(s.Base) * max(epoch, 0) / s.Warmup)
	case s.Epochs <= s.Warmup:
		return s.Base
	}
	t := min((epoch-s.Warmup)/(s.Epochs-s.Warmup), 1)
	return float32(float64(s.Min) + (float64(s.Base)-float64(s.Min))*(1+math.Cos(math.Pi*t))/2)
}
