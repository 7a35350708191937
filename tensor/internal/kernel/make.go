package kernel

import "unsafe"

// Make returns n zeros. For a large n it asks the system for large pages: a matrix product reads several
// distant places at once, and the processor's cache of page addresses is small.
func Make(n int) []float32 {
	x := make([]float32, n)
	if n >= many {
		// From the start of the first large page that overlaps x to the end of the last one.
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
