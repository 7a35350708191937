package probe

import (
	"context"
	"math"
)

// lbfgs minimises a smooth convex function by limited-memory BFGS (Nocedal and Wright, Numerical
// Optimization, 2nd ed., algorithm 7.5).
type lbfgs struct {
	store      int     // pairs to remember
	iterations int     // at most
	tolerance  float64 // stops at a smaller relative decrease
}

// pair is an iteration's step, s, and change of the gradient, y.
type pair struct {
	s, y []float64
	rho  float64 // 1/(y·s)
}

// minimise moves x to the minimum of f, which returns its value and writes its gradient. It stops early when
// ctx ends, with its error.
func (l lbfgs) minimise(ctx context.Context, x []float64, f func(x, grad []float64) float64) error {
	grad, next, nextGrad, dir := make([]float64, len(x)), make([]float64, len(x)), make([]float64, len(x)), make([]float64, len(x))
	var past []pair
	value := f(x, grad)
	for range l.iterations {
		direction(dir, grad, past)
		slope := dot(grad, dir)
		step := 1.0
		if len(past) == 0 {
			step = 1 / math.Sqrt(-slope) // of length one, since the curvature is unknown
		}
		var nextValue float64
		for ; ; step /= 2 {
			if err := ctx.Err(); err != nil {
				return err
			}
			if !(-slope*step > 1e-14*math.Abs(value)) {
				return nil // float64 cannot resolve a decrease
			}
			for i, v := range x {
				next[i] = v + step*dir[i]
			}
			if nextValue = f(next, nextGrad); nextValue <= value+1e-4*step*slope { // Armijo's condition
				break
			}
		}
		p := pair{s: make([]float64, len(x)), y: make([]float64, len(x))}
		if len(past) == l.store {
			p, past = past[0], past[1:]
		}
		for i := range x {
			p.s[i], p.y[i] = next[i]-x[i], nextGrad[i]-grad[i]
		}
		if ys := dot(p.y, p.s); ys > 0 { // always for a convex function, except for rounding
			p.rho = 1 / ys
			past = append(past, p)
		}
		gain := value - nextValue
		copy(x, next)
		grad, nextGrad, value = nextGrad, grad, nextValue
		if gain <= l.tolerance*math.Abs(value) {
			return nil
		}
	}
	return nil
}

// direction writes the direction of descent to dir: minus the inverse Hessian, estimated from the past, times
// the gradient (algorithm 7.4).
func direction(dir, grad []float64, past []pair) {
	for i, g := range grad {
		dir[i] = -g
	}
	alpha := make([]float64, len(past))
	for i := len(past) - 1; i >= 0; i-- {
		p := past[i]
		alpha[i] = p.rho * dot(p.s, dir)
		axpy(dir, -alpha[i], p.y)
	}
	if n := len(past); n > 0 {
		p := past[n-1]
		scale := 1 / (p.rho * dot(p.y, p.y))
		for i := range dir {
			dir[i] *= scale
		}
	}
	for i, p := range past {
		axpy(dir, alpha[i]-p.rho*dot(p.y, dir), p.s)
	}
}

func dot(a, b []float64) float64 {
	var s float64
	for i, v := range a {
		s += v * b[i]
	}
	return s
}

func axpy(dst []float64, alpha float64, x []float64) {
	for i, v := range x {
		dst[i] += alpha * v
	}
}
