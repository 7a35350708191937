package kernel

import "unsafe"

// Make returns n zeros. Where they are many, the system is asked for large pages: a product reads several
// places at once, far from each other, and the processor finds only so many small pages quickly.
func Make(n int) []float32 {
	x := make([]float32, n)
	if n >= many {
		// From where the first large page that holds any of x begins to where the last one ends.
		first := uintptr(unsafe.Pointer(&x[0])) &^ (hugePage - 1)
		last := uintptr(unsafe.Pointer(&x[n-1])) | (hugePage - 1)
		adviseHuge(first, last+1-first)
	}
	return x
}

const (
	hugePage = 2 << 20 // bytes, on amd64 and, with small pages of 4 KB, arm64
	many     = 1 << 16 // floats, 64 small pages: as many as a first-level cache of addresses holds
)
