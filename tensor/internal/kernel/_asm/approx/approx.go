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
// slowly from 1/2 like 1/(t√2π), and over all of 0 <= t <= NormalMax it is close to a polynomial in
// w = (t-NormalPivot)/(t+NormalPivot): the substitution of Shepherd and Laframboise, "Chebyshev Approximation of
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

// Pieces approximate a function of t >= 0 by one polynomial for each of n intervals. Interval k holds each t
// for which Scale*t rounds to k, and its polynomial's argument is Scale*t - k. The last interval holds
// everything beyond, where the function is about constant.
type Pieces struct {
	Scale        float64
	End          float64     // a t beyond which all are treated like this one
	Coefficients [][]float64 // for each power, the constant one first, those of all intervals
}

// GELU is Phi(-t), by which x*Phi(x) is max(x, 0) - t*Phi(-t) with t = |x|.
func GELU(n int) Pieces {
	return pieces(func(t float64) float64 { return math.Erfc(t/math.Sqrt2) / 2 }, 5.2, 0, n)
}

// GELUGrad is the derivative of x*Phi(x) at -t. That at t is 1 less it.
func GELUGrad(n int) Pieces {
	return pieces(func(t float64) float64 {
		return math.Erfc(t/math.Sqrt2)/2 - t*math.Exp(-t*t/2)/math.Sqrt(2*math.Pi)
	}, 5.8, restOfGrad, n)
}

// QuickGELU is sigmoid(-slope*t), by which x*sigmoid(slope*x) is max(x, 0) less t times it.
func QuickGELU(n int) Pieces {
	return pieces(func(t float64) float64 { return 1 / (1 + math.Exp(QuickGELUSlope*t)) }, 9.4, 0, n)
}

// QuickGELUGrad is the derivative of x*sigmoid(slope*x) at -t. That at t is 1 less it.
func QuickGELUGrad(n int) Pieces {
	return pieces(func(t float64) float64 {
		e, z := math.Exp(QuickGELUSlope*t), QuickGELUSlope*t
		return (1 - z*e/(1+e)) / (1 + e)
	}, 11.1, restOfGrad, n)
}

const (
	// precision is the distance from 1 to the float32 below. The functions end where they are smaller than
	// twice that, so that their errors are absolute ones: the activations are as precise as the sum of 1 and
	// erf, or tanh, would make them.
	precision = 0x1p-24
	// restOfGrad is negative as the derivative is there: multiplied by an infinite gradient it gives -Inf,
	// where 0 would give NaN.
	restOfGrad = -0x1p-64
)

// pieces returns n polynomials of the least degree with an error below precision for f on [0, end], and the
// constant rest from there on.
func pieces(f func(float64) float64, end, rest float64, n int) Pieces {
	const fine = 64 // Scale is a multiple of 1/fine, which is exact as a float32
	p := Pieces{Scale: math.Floor(fine*(float64(n)-1.5)/end) / fine}
	p.End = float64(n-1) / p.Scale
	for degree := 1; ; degree++ {
		p.Coefficients = make([][]float64, degree+1)
		worst := 0.
		for k := range n - 1 {
			inside := func(r float64) float64 { return f((float64(k) + r) / p.Scale) }
			c := fit(inside, -0.5, 0.5, degree)
			for i, c := range c {
				p.Coefficients[i] = append(p.Coefficients[i], c)
			}
			worst = max(worst, deviation(inside, c))
		}
		for i := range p.Coefficients {
			p.Coefficients[i] = append(p.Coefficients[i], 0)
		}
		p.Coefficients[0][n-1] = rest
		if worst < precision {
			return p
		}
	}
}

// deviation returns how far the polynomial is from f on [-1/2, 1/2] at most.
func deviation(f func(float64) float64, coefficients []float64) float64 {
	const points = 1000
	most := 0.
	for i := range points + 1 {
		r := float64(i)/points - 0.5
		y := 0.
		for j := len(coefficients) - 1; j >= 0; j-- {
			y = y*r + coefficients[j]
		}
		most = max(most, math.Abs(y-f(r)))
	}
	return most
}
