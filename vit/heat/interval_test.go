package heat

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"gonum.org/v1/gonum/stat"
	"gonum.org/v1/gonum/stat/distuv"
)

// Of many samples of 60 coins of a known bias, an interval of 95 % must hold the bias in about
// 95 of 100.
func TestIntervalsCover(t *testing.T) {
	b := DefaultBootstrap()
	b.Resamples = 500
	rng := rand.New(rand.NewPCG(1, 2))
	for _, p := range []float64{0.5, 0.7, 0.85} {
		const samples = 600
		held := 0
		for range samples {
			coins := make([]float64, 60)
			for i := range coins {
				if rng.Float64() < p {
					coins[i] = 1
				}
			}
			if i := b.Mean(coins); i.Low <= p && p <= i.High {
				held++
			}
		}
		assert.InDelta(t, 0.94, float64(held)/samples, 0.03, "bias %v", p)
	}
}

// The resampled number of ones is binomial, and so its percentiles are known.
func TestIntervalIsThatOfTheBinomial(t *testing.T) {
	coins := make([]float64, 80)
	for i := range 60 {
		coins[i] = 1
	}
	b := Bootstrap{Resamples: 20000, Confidence: 0.9, Seed: 3}
	got := b.Mean(coins)
	binomial := distuv.Binomial{N: 80, P: 0.75}
	quantile := func(q float64) float64 {
		k := 0.
		for binomial.CDF(k) < q {
			k++
		}
		return k / 80
	}
	assert.Equal(t, 0.75, got.Mean)
	assert.Equal(t, 80, got.N)
	assert.InDelta(t, quantile(0.05), got.Low, 1.01/80)
	assert.InDelta(t, quantile(0.95), got.High, 1.01/80)
}

func TestQuantile(t *testing.T) {
	rng := rand.New(rand.NewPCG(6, 7))
	for _, n := range []int{1, 2, 3, 7, 40, 100, 2000} {
		values := make([]float64, n)
		for i := range values {
			values[i] = rng.NormFloat64()
		}
		slices.Sort(values)
		shares := []float64{0.025, 0.975, 0.005, 0.05, 0.5, 0.95, 1 - 0.05, (1 - 0.95) / 2, 1 - (1-0.95)/2, 1e-12, 1}
		for range 200 {
			shares = append(shares, rng.Float64(), float64(rng.IntN(n+1))/float64(n))
		}
		for _, p := range shares {
			assert.Equal(t, stat.Quantile(p, stat.Empirical, values, nil), quantile(values, p), "%v of %d", p, n)
		}
	}
}

func TestIntervalDependsOnSeedAndValuesAlone(t *testing.T) {
	rng := rand.New(rand.NewPCG(4, 5))
	values := make([]float64, 37)
	for i := range values {
		values[i] = rng.NormFloat64()
	}
	b := DefaultBootstrap()
	want := b.Mean(values)
	rng.Shuffle(len(values), func(i, j int) { values[i], values[j] = values[j], values[i] })
	assert.Equal(t, want, b.Mean(values))
	b.Seed++
	assert.NotEqual(t, want, b.Mean(values))

	assert.Equal(t, Interval{0.5, 0.5, 0.5, 3}, b.Mean([]float64{0.5, 0.5, 0.5}))
	assert.Equal(t, Interval{}, b.Mean(nil))
	assert.Equal(t, "–", Interval{}.String())
	assert.Equal(t, "50.0 % (25.0 to 75.0 %)", Interval{0.5, 0.25, 0.75, 9}.String())
	assert.Panics(t, func() { Bootstrap{}.Mean(values) })
	assert.Panics(t, func() { Bootstrap{Resamples: 9, Confidence: 1}.Mean(values) })
}

func TestWilson(t *testing.T) {
	i := Wilson(103./200, 200) // R: prop.test(103, 200, correct = FALSE)
	assert.InDelta(t, 0.446, i.Low, 1e-3)
	assert.InDelta(t, 0.583, i.High, 1e-3)
	i = Wilson(1, 10)
	assert.InDelta(t, 0.7225, i.Low, 1e-4)
	assert.InDelta(t, 1, i.High, 1e-12)
	assert.Equal(t, 10, i.N)
	assert.Zero(t, Wilson(0, 0))
}
