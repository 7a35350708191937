package kernel

import (
	"fmt"
	"math"
)

// Add sets dst[i] = a[i] + b[i]. dst may be a or b.
func Add(dst, a, b []float32) {
	enter("Add", dst, a, b)
	best.add(dst, a, b)
}

// Mul sets dst[i] = a[i] * b[i]. dst may be a or b.
func Mul(dst, a, b []float32) {
	enter("Mul", dst, a, b)
	best.mul(dst, a, b)
}

// Scale sets dst[i] = alpha * x[i]. dst may be x.
func Scale(dst []float32, alpha float32, x []float32) {
	enter("Scale", dst, x)
	best.scale(dst, alpha, x)
}

// Axpy adds alpha*x[i] to dst[i]. dst may be x.
func Axpy(dst []float32, alpha float32, x []float32) {
	enter("Axpy", dst, x)
	best.axpy(dst, alpha, x)
}

// Sum returns the sum of x.
func Sum(x []float32) float32 {
	raceRead(x)
	return best.sum(x)
}

// Exp sets dst[i] = exp(x[i]). dst may be x.
func Exp(dst, x []float32) {
	enter("Exp", dst, x)
	best.exp(dst, x)
}

// Softmax sets dst[i] = exp(scale*x[i]) / sum over j of exp(scale*x[j]), computed after subtracting the
// maximum of scale*x so that nothing overflows. dst may be x. Where scale*x is -Inf the result is 0; a NaN, a
// +Inf, or -Inf throughout makes all of dst NaN.
func Softmax(dst, x []float32, scale float32) {
	enter("Softmax", dst, x)
	softmax(best, dst, x, scale)
}

func softmax(t *tier, dst, x []float32, scale float32) {
	shift := t.scaledMax(x, scale)
	sum := t.expSum(dst, x, scale, shift)
	t.scale(dst, 1/sum, dst)
}

// LayerNorm sets dst[i] = (x[i]-mean)*rstd*weight[i] + bias[i], where mean and variance are those of x, the
// variance divided by len(x), and rstd = 1/sqrt(variance+eps). A second pass computes the variance about the
// mean. dst may be x.
func LayerNorm(dst, x, weight, bias []float32, eps float32) (mean, rstd float32) {
	enter("LayerNorm", dst, x, weight, bias)
	return layerNorm(best, dst, x, weight, bias, eps)
}

func layerNorm(t *tier, dst, x, weight, bias []float32, eps float32) (mean, rstd float32) {
	n := float32(len(x))
	mean = t.sum(x) / n
	variance := t.squares(x, mean) / n
	rstd = float32(1 / math.Sqrt(float64(variance)+float64(eps)))
	t.normalize(dst, x, weight, bias, mean, rstd)
	return mean, rstd
}

// LayerNormGrad is the adjoint of LayerNorm with respect to x. With x̂ = (x-mean)*rstd and g = dy*weight it
// sets dx[i] = rstd*(g[i] - mean of g - x̂[i] * mean of g*x̂). dx may be dy.
func LayerNormGrad(dx, dy, x, weight []float32, mean, rstd float32) {
	enter("LayerNormGrad", dx, dy, x, weight)
	layerNormGrad(best, dx, dy, x, weight, mean, rstd)
}

func layerNormGrad(t *tier, dx, dy, x, weight []float32, mean, rstd float32) {
	n := float32(len(x))
	sum, dot := t.normalizeSums(dy, x, weight, mean, rstd)
	t.normalizeGrad(dx, dy, x, weight, mean, rstd, sum/n, dot/n)
}

// LayerNormParamGrad is the adjoint of LayerNorm with respect to weight and bias: it adds
// dy[i]*(x[i]-mean)*rstd to dw[i] and dy[i] to db[i].
func LayerNormParamGrad(dw, db, dy, x []float32, mean, rstd float32) {
	enter("LayerNormParamGrad", dw, db, dy, x)
	raceWrite(db)
	best.normalizeParam(dw, db, dy, x, mean, rstd)
}

// GELU sets dst[i] = x[i]*Phi(x[i]), with Phi the standard normal's cumulative function: the exact form, not
// the tanh approximation. dst may be x.
//
// On AVX2 and AVX-512 activations and their derivatives are piecewise polynomials with an absolute error of
// about an ulp of max(1, |x[i]|). Small results therefore have no relative accuracy: GELU is exactly 0 below
// about -5.2, QuickGELU below about -9.4.
func GELU(dst, x []float32) {
	enter("GELU", dst, x)
	best.gelu(dst, x)
}

// GELUGrad is the adjoint of GELU: with phi the standard normal density it sets dst[i] = dy[i] * (Phi(x[i]) +
// x[i]*phi(x[i])). dst may be x or dy. For its accuracy see GELU; far below 0 the derivative may be -2^-64
// instead of its limit 0.
func GELUGrad(dst, x, dy []float32) {
	enter("GELUGrad", dst, x, dy)
	best.geluGrad(dst, x, dy)
}

// QuickGELU sets dst[i] = x[i]*sigmoid(1.702*x[i]), CLIP's activation. dst may be x. For its accuracy see
// GELU.
func QuickGELU(dst, x []float32) {
	enter("QuickGELU", dst, x)
	best.quickGELU(dst, x)
}

// QuickGELUGrad is the adjoint of QuickGELU: with s = sigmoid(1.702*x[i]) it sets dst[i] = dy[i] * s*(1 +
// 1.702*x[i]*(1-s)). dst may be x or dy. For its accuracy see GELUGrad.
func QuickGELUGrad(dst, x, dy []float32) {
	enter("QuickGELUGrad", dst, x, dy)
	best.quickGELUGrad(dst, x, dy)
}

// enter panics unless the operands of op all have the length of dst. It tells the race detector that they are
// read and dst is written.
func enter(op string, dst []float32, operands ...[]float32) {
	for _, x := range operands {
		if len(x) != len(dst) {
			panic(fmt.Sprintf("kernel: %s: operands of %d and %d elements", op, len(dst), len(x)))
		}
		raceRead(x)
	}
	raceWrite(dst)
}
