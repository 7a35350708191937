package data

import (
	"cmp"
	"context"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
)

// BadImage is an item whose file cannot be read as an image.
type BadImage struct {
	Index int // into the items checked
	Item  Item
	Err   error
}

// Check decodes the images of items on all processors and returns those that
// fail, in order. progress, if not nil, hears of every image, one call at a
// time. When ctx ends, Check returns what it has found so far; ctx.Err tells.
func (s *Set) Check(ctx context.Context, items []Item, progress func(done, total int)) []BadImage {
	var (
		mu   sync.Mutex
		wg   sync.WaitGroup
		next int
		done int
		bad  []BadImage
	)
	for range min(runtime.GOMAXPROCS(0), len(items)) {
		wg.Go(func() {
			for {
				mu.Lock()
				i := next
				next++
				mu.Unlock()
				if i >= len(items) || ctx.Err() != nil {
					return
				}
				_, err := ReadImage(filepath.Join(s.Root, items[i].Path))
				mu.Lock()
				done++
				if err != nil {
					bad = append(bad, BadImage{i, items[i], err})
				}
				if progress != nil {
					progress(done, len(items))
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	slices.SortFunc(bad, func(a, b BadImage) int { return cmp.Compare(a.Index, b.Index) })
	return bad
}
