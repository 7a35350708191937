package kernel

// tier is one implementation of the inner loops. Callers check lengths; a tier's functions may assume that
// slices passed together have equal lengths.
type tier struct {
	name string

	// tile computes at most mr rows of c, nr columns at a time; see tileGeneric.
	mr, nr int
	tile   func(rows, cols, k int, alpha float32, a []float32, aRow, aCol int, b []float32, bRow, panel int, beta float32, c []float32, cRow int, ahead []float32)
	// pack, packA and transpose copy operands; see the generic functions.
	pack, packA func(dst, src []float32, srcRow, rows, panels int)
	transpose   func(dst []float32, dstRow int, src []float32, srcRow, rows, k int)

	add, mul       func(dst, a, b []float32)
	scale, axpy    func(dst []float32, alpha float32, x []float32)
	dot            func(a, b []float32) float32
	sum            func(x []float32) float32
	exp            func(dst, x []float32)
	scaledMax      func(x []float32, scale float32) float32
	expSum         func(dst, x []float32, scale, shift float32) float32
	softmaxGrad    func(dst, y, dy []float32, scale, dot float32)
	maxRows        func(most, x []float32, row, cols int)
	exp2Rows       func(sum, x []float32, row, cols int, shift []float32)
	scaleRows      func(x []float32, row, cols int, scale []float32)
	squares        func(x []float32, mean float32) float32
	normalize      func(dst, x, weight, bias []float32, mean, rstd float32)
	normalizeSums  func(dy, x, weight []float32, mean, rstd float32) (sum, dot float32)
	normalizeGrad  func(dx, dy, x, weight []float32, mean, rstd, meanG, meanGX float32)
	normalizeParam func(dw, db, dy, x []float32, mean, rstd float32)
	gelu           func(dst, x []float32)
	geluGrad       func(dst, x, dy []float32)
	quickGELU      func(dst, x []float32)
	quickGELUGrad  func(dst, x, dy []float32)
}

// tiers lists what this processor can run, fastest first. Generic is always the last.
var tiers = append(simdTiers(), generic)

// best is the tier in use: the fastest that the processor and the build support. GODEBUG=cpu.avx512f=off
// rules out AVX-512; GODEBUG=cpu.avx2=off, on arm64 cpu.asimd=off, and the build tag purego rule out all but
// generic.
var best = &tiers[0]
