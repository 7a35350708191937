//go:build !purego

package kernel

import "golang.org/x/sys/cpu"

//go:generate go run -C _asm . -out ../kernel_amd64.s -stubs ../kernel_amd64.go -pkg kernel

// simdTiers returns the tiers in assembly that this processor can run, fastest first.
func simdTiers() []tier {
	if !cpu.X86.HasAVX2 || !cpu.X86.HasFMA || !cpu.X86.HasBMI2 {
		return nil
	}
	narrow := tier{
		name:           "avx2",
		mr:             6,
		nr:             16,
		tile:           tileAVX2,
		pack:           packAVX2,
		packA:          packAAVX2,
		transpose:      byEights(transpose8, 8),
		add:            addAVX2,
		mul:            mulAVX2,
		scale:          scaleAVX2,
		axpy:           axpyAVX2,
		dot:            dotAVX2,
		sum:            sumAVX2,
		exp:            expAVX2,
		scaledMax:      scaledMaxAVX2,
		expSum:         expSumAVX2,
		softmaxGrad:    softmaxGradAVX2,
		maxRows:        maxRowsAVX2,
		exp2Rows:       exp2RowsAVX2,
		scaleRows:      scaleRowsAVX2,
		squares:        squaresAVX2,
		normalize:      normalizeAVX2,
		normalizeSums:  normalizeSumsAVX2,
		normalizeGrad:  normalizeGradAVX2,
		normalizeParam: normalizeParamAVX2,
		gelu:           geluAVX2,
		geluGrad:       geluGradAVX2,
		quickGELU:      quickGELUAVX2,
		quickGELUGrad:  quickGELUGradAVX2,
	}
	if !cpu.X86.HasAVX512F {
		return []tier{narrow}
	}
	wide := tier{
		name:           "avx512",
		mr:             12,
		nr:             32,
		tile:           tileAVX512,
		pack:           packAVX512,
		packA:          packAAVX512,
		transpose:      byEights(transpose8, 8),
		add:            addAVX512,
		mul:            mulAVX512,
		scale:          scaleAVX512,
		axpy:           axpyAVX512,
		dot:            dotAVX512,
		sum:            sumAVX512,
		exp:            expAVX512,
		scaledMax:      scaledMaxAVX512,
		expSum:         expSumAVX512,
		softmaxGrad:    softmaxGradAVX512,
		maxRows:        maxRowsAVX512,
		exp2Rows:       exp2RowsAVX512,
		scaleRows:      scaleRowsAVX512,
		squares:        squaresAVX512,
		normalize:      normalizeAVX512,
		normalizeSums:  normalizeSumsAVX512,
		normalizeGrad:  normalizeGradAVX512,
		normalizeParam: normalizeParamAVX512,
		gelu:           geluAVX512,
		geluGrad:       geluGradAVX512,
		quickGELU:      quickGELUAVX512,
		quickGELUGrad:  quickGELUGradAVX512,
	}
	return []tier{wide, narrow}
}
