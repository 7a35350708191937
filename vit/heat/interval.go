package heat

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"gonum.org/v1/gonum/stat"
)

// Bootstrap computes confidence intervals by the percentile method (Efron and Tibshirani, "An Introduction to
// the Bootstrap", 1993, chapter 13).
type Bootstrap struct {
	Resamples  int
	Confidence float64 // such as 0.95
	Seed       uint64
}

// DefaultBootstrap computes 95 % intervals from 2,000 resamples.
func DefaultBootstrap() Bootstrap { return Bootstrap{Resamples: 2000, Confidence: 0.95, Seed: 1} }

// Interval is a mean with its confidence interval. If all values are equal, Low and High equal the mean,
// however few they are.
type Interval struct {
	Mean float64 `json:"mean"` // 0, as are the bounds, if there are no values
	Low  float64 `json:"low"`
	High float64 `json:"high"`
	N    int     `json:"images"` // values
}

// String returns the mean and the interval in percent, such as "93.1 % (90.4 to 95.6 %)".
func (i Interval) String() string {
	if i.N == 0 {
		return "–"
	}
	return fmt.Sprintf("%.1f %% (%.1f to %.1f %%)", 100*i.Mean, 100*i.Low, 100*i.High)
}

// Mean returns the mean of values, in any order, with an interval from percentiles of the means of resamples,
// each as many values drawn with replacement. It panics unless b has at least 1 resample and a confidence
// between 0 and 1.
func (b Bootstrap) Mean(values []float64) Interval {
	if b.Resamples < 1 || !(b.Confidence > 0 && b.Confidence < 1) {
		panic(fmt.Sprintf("heat: Bootstrap: %d resamples and confidence %v: want at least 1, and between 0 and 1", b.Resamples, b.Confidence))
	}
	n := len(values)
	if n == 0 {
		return Interval{}
	}
	values = slices.Sorted(slices.Values(values))
	rng := rand.New(rand.NewPCG(b.Seed, uint64(n)))
	means := make([]float64, b.Resamples)
	for i := range means {
		var sum float64
		for range n {
			sum += values[rng.IntN(n)]
		}
		means[i] = sum / float64(n)
	}
	slices.Sort(means)
	tail := (1 - b.Confidence) / 2
	return Interval{
		Mean: mean(values), N: n,
		Low:  stat.Quantile(tail, stat.Empirical, means, nil),
		High: stat.Quantile(1-tail, stat.Empirical, means, nil),
	}
}

// Mean returns the mean of values without an interval: Low and High equal the mean.
func Mean(values []float64) Interval {
	m := mean(values)
	return Interval{m, m, m, len(values)}
}

// Wilson returns a share of n things with its 95 % interval (E. B. Wilson, "Probable Inference, the Law of
// Succession, and Statistical Inference", JASA 22, 1927). It is zero for n = 0.
func Wilson(share float64, n int) Interval {
	if n == 0 {
		return Interval{}
	}
	const z = 1.959964 // 95 % of the normal distribution
	m := float64(n)
	middle, half := share+z*z/(2*m), z*math.Sqrt(share*(1-share)/m+z*z/(4*m*m))
	return Interval{share, max(0, (middle-half)/(1+z*z/m)), min(1, (middle+half)/(1+z*z/m)), n}
}

// mean returns the mean of values, 0 for none.
func mean(values []float64) float64 {
	var sum float64
	for _, v := range values {
		sum += v
	}
	return sum / float64(max(1, len(values)))
}
