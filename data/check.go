package data

import (
	"cmp"
	"context"
	"io/fs"
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

// Check decodes the images of items, names in fsys, on all processors and
// returns those that fail, in order. It calls progress, unless nil, after each image, one call at a
// time. When ctx ends, Check returns the bad images found so far.
func Check(ctx context.Context, fsys fs.FS, items []Item, progress func(done, total int)) []BadImage {
	var (
		mu   sync.Mutex
		done int
		bad  []BadImage
	)
	decoders := make([]decoder, runtime.GOMAXPROCS(0))
	Each(ctx, len(items), len(decoders), func(worker, i int) error {
		_, err := decoders[worker].read(fsys, items[i].Path)
		mu.Lock()
		defer mu.Unlock()
		done++
		if err != nil {
			bad = append(bad, BadImage{i, items[i], err})
		}
		if progress != nil {
			progress(done, len(items))
		}
		return nil
	})
	slices.SortFunc(bad, func(a, b BadImage) int { return cmp.Compare(a.Index, b.Index) })
	return bad
}
