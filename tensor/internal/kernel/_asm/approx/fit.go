package approx

import "math"

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
