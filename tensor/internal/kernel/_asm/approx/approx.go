// Package approx holds the polynomials with which the kernels of every instruction set approximate functions.
package approx

import "math"

// Exp is exp on [-ln(2)/2, ln(2)/2]: coefficients, the constant one first.
var Exp = fit(math.Exp, -math.Ln2/2, math.Ln2/2, 6)

// ExpMin and ExpMax are arguments beyond which exp is 0 or Inf as a float32: ln of the extremes is -103.98
// and 88.73.
const (
	ExpMin = -105
	ExpMax = 89
)

// Ln2High and Ln2Low add up to ln 2. The first has zeros at its end, so that its product with the exponent of
// a float32 is exact.
const (
	Ln2High = 355. / 512
	Ln2Low  = math.Ln2 - Ln2High
)

// NormalTail is exp(t²/2)*Phi(-t), Phi being the distribution function of the standard normal. It falls
// slowly from 1/2 like 1/(t√2π), and over all of 0 <= t <= NormalMax it is close to a polynomial in w =
// (t-NormalPivot)/(t+NormalPivot): the substitution of Shepherd and Laframboise, "Chebyshev Approximation of
// (1+2x)exp(x²)erfc x in 0≤x<∞", Math. Comp. 36 (1981).
var NormalTail = fit(func(w float64) float64 {
	t := NormalPivot * (1 + w) / (1 - w)
	return math.Exp(t*t/2) * math.Erfc(t/math.Sqrt2) / 2
}, -1, (NormalMax-NormalPivot)/(NormalMax+NormalPivot), 9)

const (
	NormalMax   = 14.5 // exp(-t²/2) is 0 as a float32 from here on
	NormalPivot = 2.5
)

// As in package kernel.
const (
	QuickGELUSlope = 1.702
	QuickGELUEnd   = 88
)

// Exp2 is exp2 on [-1/2, 1/2].
var Exp2 = fit(math.Exp2, -0.5, 0.5, 5)

const (
	// Exp2Rounder added to x, which is not below Exp2Min nor far above 0, rounds it: a float32 of that size
	// has no bits for fractions. Its lowest bits are then those of the exponent of 2^x, as the exponent's
	// bias is part of it.
	Exp2Rounder = 3<<22 + 127
	// Exp2Min is where that exponent is that of 0. There are no denormal results.
	Exp2Min = -127
)

// fit returns the coefficients, the constant one first, of a polynomial of the given degree that approximates
// f on [lo, hi]: the one that meets f at the Chebyshev nodes, whose largest error is close to the least
// possible.
func fit(f func(float64) float64, lo, hi float64, degree int) []float64 {
	n := degree + 1
	x, d := make([]float64, n), make([]float64, n)
	for i := range n {
		x[i] = (lo+hi)/2 + (hi-lo)/2*math.Cos(math.Pi*(float64(i)+0.5)/float64(n))
		d[i] = f(x[i])
	}
	for j := 1; j < n; j++ { // divided differences
		for i := n - 1; i >= j; i-- {
			d[i] = (d[i] - d[i-1]) / (x[i] - x[i-j])
		}
	}
	p := make([]float64, n) // Newton's form, multiplied out from the inside
	for i := n - 1; i >= 0; i-- {
		for j := n - 1; j > 0; j-- {
			p[j] = p[j-1] - x[i]*p[j]
		}
		p[0] = d[i] - x[i]*p[0]
	}
	return p
}
