package tensor

import "github.com/promptcam/promptcam/tensor/internal/parallel"

// Each calls do for each i in [0, n), several at a time on as many processors as there are, and returns when
// all calls have returned. Calls begin in order; one may wait for those before it. Operations within them run
// on one processor each as long as the others are busy with calls too, which spares them from passing what
// they work on from cache to cache. A panic of do is Each's.
func Each(n int, do func(i int)) {
	parallel.For(n, 1, func(from, to int) {
		for i := from; i < to; i++ {
			do(i)
		}
	})
}
