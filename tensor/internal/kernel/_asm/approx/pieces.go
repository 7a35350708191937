package approx

import "math"

// Pieces approximate a function of t >= 0 by one polynomial for each of n intervals. Interval k holds the t
// that Scale*t rounds to k for, and its polynomial's argument is Scale*t - k. The last is for everything
// beyond; a constant is all that is left of the function there.
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
