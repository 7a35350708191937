package kernel

import "math"

// generic is the plain Go version of every loop: it runs where there is no assembly and defines what the
// assembly computes.
var generic = tier{
	name:           "generic",
	mr:             2,
	nr:             4,
	tile:           tileGeneric,
	pack:           packGeneric,
	packA:          packAGeneric,
	transpose:      transposeGeneric,
	add:            addGeneric,
	mul:            mulGeneric,
	scale:          scaleGeneric,
	axpy:           axpyGeneric,
	dot:            dotGeneric,
	sum:            sumGeneric,
	exp:            expGeneric,
	scaledMax:      scaledMaxGeneric,
	expSum:         expSumGeneric,
	softmaxGrad:    softmaxGradGeneric,
	maxRows:        maxRowsGeneric,
	exp2Rows:       exp2RowsGeneric,
	scaleRows:      scaleRowsGeneric,
	squares:        squaresGeneric,
	normalize:      normalizeGeneric,
	normalizeSums:  normalizeSumsGeneric,
	normalizeGrad:  normalizeGradGeneric,
	normalizeParam: normalizeParamGeneric,
	gelu:           geluGeneric,
	geluGrad:       geluGradGeneric,
	quickGELU:      quickGELUGeneric,
	quickGELUGrad:  quickGELUGradGeneric,
}

// tileGeneric computes c = beta*c + alpha*a·b for rows (1 to mr) by cols elements: a[i*aRow+p*aCol] times
// column j of b, summed over p < k in order, added to c[i*cRow+j], which is not read if beta is 0. b lies in
// panels of nr columns: element (p, j) is b[j/nr*panel+p*bRow+j%nr]. Every row of a panel has nr readable
// elements; those from cols on do not matter. For each panel the tile may prefetch the next 2k elements of
// ahead. A sum is computed in the same order at any place in the tile: a smaller tile computes its missing
// rows as copies of the last.
func tileGeneric(rows, cols, k int, alpha float32, a []float32, aRow, aCol int, b []float32, bRow, panel int, beta float32, c []float32, cRow int, ahead []float32) {
	const nr = 4
	for ; cols > nr; cols -= nr {
		tileGeneric(rows, nr, k, alpha, a, aRow, aCol, b, bRow, panel, beta, c, cRow, ahead)
		if k > 0 { // else b has no elements
			b = b[panel:]
		}
		c = c[nr:]
	}
	var s00, s01, s02, s03, s10, s11, s12, s13 float32
	last := (rows - 1) * aRow
	for p := range k {
		a0, a1 := a[p*aCol], a[p*aCol+last]
		row := b[p*bRow:][:4]
		b0, b1, b2, b3 := row[0], row[1], row[2], row[3]
		s00 += a0 * b0
		s01 += a0 * b1
		s02 += a0 * b2
		s03 += a0 * b3
		s10 += a1 * b0
		s11 += a1 * b1
		s12 += a1 * b2
		s13 += a1 * b3
	}
	sum := [2][4]float32{{s00, s01, s02, s03}, {s10, s11, s12, s13}}
	for i := range rows {
		row := c[i*cRow:][:cols]
		for j := range row {
			if beta == 0 {
				row[j] = alpha * sum[i][j]
			} else {
				row[j] = beta*row[j] + alpha*sum[i][j]
			}
		}
	}
}

// packGeneric copies panels of nr columns of src: element (i, j) of panel p, src[i*srcRow+p*nr+j], goes to
// dst[(p*rows+i)*nr+j].
func packGeneric(dst, src []float32, srcRow, rows, panels int) {
	packPanels(4, dst, src, srcRow, rows, panels)
}

// packAGeneric is packGeneric for panels of mr columns.
func packAGeneric(dst, src []float32, srcRow, rows, panels int) {
	packPanels(2, dst, src, srcRow, rows, panels)
}

func packPanels(nr int, dst, src []float32, srcRow, rows, panels int) {
	for i := range rows {
		for p := range panels {
			copy(dst[(p*rows+i)*nr:][:nr], src[i*srcRow+p*nr:])
		}
	}
}

// transposeGeneric sets dst[p*dstRow+i] = src[i*srcRow+p] for i < rows and p < k.
func transposeGeneric(dst []float32, dstRow int, src []float32, srcRow, rows, k int) {
	for i := range rows {
		for p, v := range src[i*srcRow:][:k] {
			dst[p*dstRow+i] = v
		}
	}
}

func addGeneric(dst, a, b []float32) {
	for i := range dst {
		dst[i] = a[i] + b[i]
	}
}

func mulGeneric(dst, a, b []float32) {
	for i := range dst {
		dst[i] = a[i] * b[i]
	}
}

func scaleGeneric(dst []float32, alpha float32, x []float32) {
	for i := range dst {
		dst[i] = alpha * x[i]
	}
}

func axpyGeneric(dst []float32, alpha float32, x []float32) {
	for i := range dst {
		dst[i] += alpha * x[i]
	}
}

func dotGeneric(a, b []float32) float32 {
	var s float32
	for i := range a {
		s += a[i] * b[i]
	}
	return s
}

func sumGeneric(x []float32) float32 {
	var s float32
	for _, v := range x {
		s += v
	}
	return s
}

func expGeneric(dst, x []float32) {
	for i, v := range x {
		dst[i] = float32(math.Exp(float64(v)))
	}
}

// scaledMaxGeneric returns the largest scale*x[i]; it may ignore NaN.
func scaledMaxGeneric(x []float32, scale float32) float32 {
	m := float32(math.Inf(-1))
	for _, v := range x {
		m = max(m, scale*v)
	}
	return m
}

// expSumGeneric sets dst[i] = exp(scale*x[i] - shift) and returns the sum.
func expSumGeneric(dst, x []float32, scale, shift float32) float32 {
	var s float32
	for i, v := range x {
		e := float32(math.Exp(float64(scale*v - shift)))
		dst[i] = e
		s += e
	}
	return s
}

// softmaxGradGeneric sets dst[i] = scale*y[i]*(dy[i] - dot).
func softmaxGradGeneric(dst, y, dy []float32, scale, dot float32) {
	for i := range dst {
		dst[i] = scale * y[i] * (dy[i] - dot)
	}
}

// maxRowsGeneric sets most[r] to the largest of x[r*row+j], j < cols, for each r; it may ignore NaN.
func maxRowsGeneric(most, x []float32, row, cols int) {
	for r := range most {
		most[r] = scaledMaxGeneric(x[r*row:][:cols], 1)
	}
}

// exp2RowsGeneric sets x[r*row+j] to 2^(x[r*row+j] - shift[r]), j < cols, and sum[r] to the sum over j, for
// each r. No exponent is above 0, up to rounding; if one is below -126 the power may be 0.
func exp2RowsGeneric(sum, x []float32, row, cols int, shift []float32) {
	for r := range sum {
		sum[r] = 0
		for j, v := range x[r*row:][:cols] {
			e := float32(math.Exp2(float64(v - shift[r])))
			x[r*row+j] = e
			sum[r] += e
		}
	}
}

// scaleRowsGeneric multiplies x[r*row+j], j < cols, by scale[r], for each r.
func scaleRowsGeneric(x []float32, row, cols int, scale []float32) {
	for r, s := range scale {
		scaleGeneric(x[r*row:][:cols], s, x[r*row:])
	}
}

// squaresGeneric returns the sum of (x[i]-mean)².
func squaresGeneric(x []float32, mean float32) float32 {
	var s float32
	for _, v := range x {
		s += (v - mean) * (v - mean)
	}
	return s
}

// normalizeGeneric sets dst[i] = (x[i]-mean)*rstd*weight[i] + bias[i].
func normalizeGeneric(dst, x, weight, bias []float32, mean, rstd float32) {
	for i := range dst {
		dst[i] = (x[i]-mean)*rstd*weight[i] + bias[i]
	}
}

// normalizeSumsGeneric returns the sums of dy*weight and of dy*weight*x̂, where x̂ = (x-mean)*rstd.
func normalizeSumsGeneric(dy, x, weight []float32, mean, rstd float32) (sum, dot float32) {
	for i := range dy {
		g := dy[i] * weight[i]
		sum += g
		dot += g * ((x[i] - mean) * rstd)
	}
	return sum, dot
}

// normalizeGradGeneric sets dx[i] = rstd*(dy[i]*weight[i] - meanG - x̂[i]*meanGX).
func normalizeGradGeneric(dx, dy, x, weight []float32, mean, rstd, meanG, meanGX float32) {
	for i := range dx {
		dx[i] = rstd * (dy[i]*weight[i] - meanG - (x[i]-mean)*rstd*meanGX)
	}
}

// normalizeParamGeneric adds dy[i]*x̂[i] to dw[i] and dy[i] to db[i].
func normalizeParamGeneric(dw, db, dy, x []float32, mean, rstd float32) {
	for i := range dw {
		dw[i] += dy[i] * ((x[i] - mean) * rstd)
		db[i] += dy[i]
	}
}

// geluGeneric is x*Phi(x), written so that -Inf gives the limit 0.
func geluGeneric(dst, x []float32) {
	for i, v := range x {
		v := float64(v)
		t := min(math.Abs(v), geluEnd)
		dst[i] = float32(max(v, 0) - t*normalTail(t))
	}
}

// geluGradGeneric is dy*(Phi(x) + x*phi(x)), written so that the infinities give the limits 0 and 1.
func geluGradGeneric(dst, x, dy []float32) {
	for i, v := range x {
		t := min(math.Abs(float64(v)), geluEnd)
		d := normalTail(t) - t*math.Exp(-t*t/2)/math.Sqrt(2*math.Pi) // the derivative at -t
		if v >= 0 {
			d = 1 - d
		}
		dst[i] = dy[i] * float32(d)
	}
}

// normalTail returns Phi(-t).
func normalTail(t float64) float64 { return 0.5 * math.Erfc(t/math.Sqrt2) }

// geluEnd is where exp(-t²/2) has long been 0 as a float32.
const geluEnd = 14.5

// quickGELUGeneric is x*sigmoid(1.702x), written so that -Inf gives the limit 0.
func quickGELUGeneric(dst, x []float32) {
	for i, v := range x {
		v := max(float64(v), -quickGELUEnd)
		dst[i] = float32(v / (1 + math.Exp(-quickGELUSlope*v)))
	}
}

// quickGELUGradGeneric is dy*s*(1 + 1.702x(1-s)) with s = sigmoid(1.702x), written so that the infinities
// give the limits 0 and 1: the derivatives at x and -x add up to 1.
func quickGELUGradGeneric(dst, x, dy []float32) {
	for i, v := range x {
		t := min(math.Abs(float64(v)), quickGELUEnd)
		e := math.Exp(-quickGELUSlope * t)
		d := e / (1 + e) * (1 - quickGELUSlope*t/(1+e)) // the derivative at -t
		if v >= 0 {
			d = 1 - d
		}
		dst[i] = dy[i] * float32(d)
	}
}

const (
	// quickGELUSlope is from Hendrycks and Gimpel, "Gaussian Error Linear Units", arXiv 1606.08415, section
	// 2.
	quickGELUSlope = 1.702
	// quickGELUEnd is where sigmoid(-1.702x) has long been 0 as a float32.
	quickGELUEnd = 88
)
