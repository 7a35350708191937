//go:build !purego

package kernel

import "golang.org/x/sys/cpu"

// simdTiers returns the tiers in assembly that this processor can run: every 64-bit Arm has NEON.
func simdTiers() []tier {
	if !cpu.ARM64.HasASIMD {
		return nil
	}
	neon := generic // for functions without a NEON version
	neon.name = "neon"
	neon.mr = 8
	neon.nr = 8
	neon.tile = tiles
	neon.pack = packNEON
	neon.packA = packNEON // a tile has as many rows as columns
	neon.transpose = byEights(transpose8x4NEON, 4)
	neon.add = addNEON
	neon.mul = mulNEON
	neon.scale = scaleNEON
	neon.axpy = axpyNEON
	neon.dot = dotNEON
	neon.sum = sumNEON
	neon.exp = expNEON
	neon.scaledMax = scaledMaxNEON
	neon.expSum = expSumNEON
	neon.softmaxGrad = softmaxGradNEON
	neon.maxRows = maxRowsNEON
	neon.exp2Rows = exp2RowsNEON
	neon.scaleRows = scaleRowsNEON
	neon.squares = squaresNEON
	neon.normalize = normalizeNEON
	neon.normalizeSums = normalizeSumsNEON
	neon.normalizeGrad = normalizeGradNEON
	neon.normalizeParam = normalizeParamNEON
	neon.gelu = geluNEON
	neon.geluGrad = geluGradNEON
	neon.quickGELU = quickGELUNEON
	neon.quickGELUGrad = quickGELUGradNEON
	return []tier{neon}
}

// tiles is tileGeneric in terms of tileNEON.
func tiles(rows, cols, k int, alpha float32, a []float32, aRow, aCol int, b []float32, bRow, panel int, beta float32, c []float32, cRow int, ahead []float32) {
	const nr = 8
	for ; cols > nr; cols -= nr {
		tileNEON(rows, nr, k, alpha, a, aRow, aCol, b, bRow, beta, c, cRow)
		if k > 0 { // else b has no elements
			b = b[panel:]
		}
		c = c[nr:]
	}
	tileNEON(rows, cols, k, alpha, a, aRow, aCol, b, bRow, beta, c, cRow)
}
