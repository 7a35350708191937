package data

import (
	"cmp"
	"context"
	"runtime"
	"sync"
)

// Each calls do for each i in [0, n) from several workers, numbered from 0, and returns when all calls have.
// 0 workers means GOMAXPROCS. Calls begin in order of i. After an error or the end of ctx no more begin. The
// error of the lowest i wins: it does not depend on the workers' speed, because all calls before it had
// begun. Without one, Each returns ctx.Err() if it left something undone.
func Each(ctx context.Context, n, workers int, do func(worker, i int) error) error {
	var (
		wg     sync.WaitGroup
		mu     sync.Mutex
		next   int
		lowest int // that failed
		failed error
	)
	take := func() (i int, ok bool) {
		mu.Lock()
		defer mu.Unlock()
		if next == n || failed != nil || ctx.Err() != nil {
			return 0, false
		}
		next++
		return next - 1, true
	}
	for worker := range min(cmp.Or(workers, runtime.GOMAXPROCS(0)), n) {
		wg.Go(func() {
			for i, ok := take(); ok; i, ok = take() {
				if err := do(worker, i); err != nil {
					mu.Lock()
					if failed == nil || i < lowest {
						lowest, failed = i, err
					}
					mu.Unlock()
				}
			}
		})
	}
	wg.Wait()
	if failed == nil && next < n {
		return ctx.Err()
	}
	return failed
}
