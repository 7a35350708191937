package tensor

import "github.com/promptcam/promptcam/tensor/internal/parallel"

// Each calls do for each i in [0, n), on all processors, and returns when all calls have returned. Calls
// start in order; a call may wait for earlier ones. While the other processors are busy with calls too, an
// operation within a call runs on one processor, which avoids moving its data between CPU caches. If do
// panics, Each panics with the same value.
func Each(n int, do func(i int)) {
	parallel.For(n, 1, func(from, to int) {
		for i := from; i < to; i++ {
			do(i)
		}
	})
}
