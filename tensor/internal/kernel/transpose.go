//go:build (amd64 || arm64) && !purego

package kernel

// byEights returns transposeGeneric in terms of eight, which transposes eight rows and a multiple of unit
// columns.
func byEights(eight func(dst []float32, dstRow int, src []float32, srcRow, k int), unit int) func(dst []float32, dstRow int, src []float32, srcRow, rows, k int) {
	return func(dst []float32, dstRow int, src []float32, srcRow, rows, k int) {
		fast := k / unit * unit
		i := 0
		for ; i+8 <= rows && fast > 0; i += 8 {
			eight(dst[i:], dstRow, src[i*srcRow:], srcRow, fast)
			if fast < k {
				transposeGeneric(dst[fast*dstRow+i:], dstRow, src[i*srcRow+fast:], srcRow, 8, k-fast)
			}
		}
		if i < rows {
			transposeGeneric(dst[i:], dstRow, src[i*srcRow:], srcRow, rows-i, k)
		}
	}
}
