package features

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"sync"

	"github.com/promptcam/promptcam/data"
	"github.com/promptcam/promptcam/tensor"
)

// LoaderConfig says how a Loader makes batches.
type LoaderConfig struct {
	First   int   // view
	Views   int   // Epoch sees one of so many views of each image, from First on
	Batch   int   // images per batch
	Shuffle bool  // a new order every epoch
	Seed    int64 // of the order and of the choice of views
}

// Loader batches tokens as data.Loader does images. It does not change after
// Cache.Loader: several epochs may run at the same time, until the cache is closed.
type Loader struct {
	cache  *Cache
	items  []data.Item
	rows   []int32 // [N, Views], of the file, from First on
	hashes map[string][32]byte
	config LoaderConfig
}

// Loader returns a loader of items, of which it keeps a copy: their paths are those
// of the records. An invalid setting is an error, and so are an empty list and, as a
// *MismatchError, views that are not in the file. Whether Fill has made them shows
// when they are read, and so does a record that another process has made of another
// photograph since then.
func (c *Cache) Loader(items []data.Item, config LoaderConfig) (*Loader, error) {
	switch {
	case config.Views < 1 || config.Batch < 1:
		return nil, fmt.Errorf("features: loader: %d views in batches of %d images, need at least 1", config.Views, config.Batch)
	case len(items) == 0:
		return nil, fmt.Errorf("features: loader: no images of %s", c.path)
	}
	l := &Loader{c, slices.Clone(items), make([]int32, 0, len(items)*config.Views), c.hashes, config}
	for _, it := range items {
		for v := range config.Views {
			r := Record{it.Path, config.First + v}
			row, ok := c.row(r)
			if !ok {
				return nil, &MismatchError{c.path, []string{fmt.Sprintf("no record of %s", r)}}
			}
			l.rows = append(l.rows, int32(row))
		}
	}
	return l, nil
}

// Len returns the number of images.
func (l *Loader) Len() int { return len(l.items) }

// Batches returns the number of batches in an epoch.
func (l *Loader) Batches() int { return (len(l.items) + l.config.Batch - 1) / l.config.Batch }

// ahead is the number of batches in memory: the caller's and two in the making.
const ahead = 3

// A slot is the memory of one batch, used again and again.
type slot struct {
	numbers []float32
	batch   data.Batch
	err     error
}

// Epoch returns the batches of one epoch, of the items that the plan picks. Their order and
// views depend on the seed, plan and items alone: an item's first view on its position
// only, and an item picked several times has another view each time, until all were seen.
// A Batch is valid until the next step of the iteration, when its memory is reused. The first
// record that cannot be read or does not fit its checksum ends the epoch with an error that
// names it, and so does the end of ctx. Leaving the loop early stops all work first.
func (l *Loader) Epoch(ctx context.Context, p data.Plan) iter.Seq2[*data.Batch, error] {
	return func(yield func(*data.Batch, error) bool) {
		epoch := p.Epoch
		picks, err := p.Picks(random("order %d %d", l.config.Seed, epoch), l.items, l.config.Shuffle)
		if err != nil {
			yield(nil, err)
			return
		}
		outer := ctx
		ctx, cancel := context.WithCancel(ctx)
		var wg sync.WaitGroup
		defer wg.Wait()
		defer cancel()

		free := make(chan *slot, ahead)  // ready to be filled
		queue := make(chan *slot, ahead) // in the order of the epoch
		for range min(ahead, l.Batches()) {
			free <- new(slot)
		}
		wg.Go(func() {
			defer close(queue)
			l.read(ctx, picks, l.views(epoch), free, queue)
		})
		for s := range queue {
			if outer.Err() != nil {
				break
			}
			if s.err != nil {
				yield(nil, s.err)
				return
			}
			if !yield(&s.batch, nil) {
				return
			}
			free <- s // never blocks: there are no more slots than room for them
		}
		if err := outer.Err(); err != nil {
			yield(nil, fmt.Errorf("features: loader: %w", err))
		}
	}
}

// read fills slots as they come free with these items; views are the first of each, by position.
func (l *Loader) read(ctx context.Context, order []data.Pick, views []int, free <-chan *slot, queue chan<- *slot) {
	record := make([]byte, l.cache.source.bytes())
	rows, dim := l.cache.source.shape()
	size := rows * dim
	for b := 0; b < len(order); b += l.config.Batch {
		var s *slot
		select {
		case s = <-free:
		case <-ctx.Done():
			return
		}
		picks := order[b:min(b+l.config.Batch, len(order))]
		if s.numbers == nil {
			s.numbers = make([]float32, len(picks)*size) // the last batch is no longer than those before
		}
		t := tensor.FromSlice(s.numbers[:len(picks)*size], len(picks), rows, dim)
		s.batch = data.Batch{Kind: data.Tokens, Values: t, Labels: s.batch.Labels[:0], Index: s.batch.Index[:0], View: s.batch.View[:0]}
		for i, p := range picks {
			if ctx.Err() != nil {
				return
			}
			item, view := l.items[p.At], (views[p.At]+p.Nth)%l.config.Views // from First on
			row := l.rows[p.At*l.config.Views+view]
			if err := l.cache.numbers(s.numbers[i*size:][:size], int(row), l.hashes[item.Path], record); err != nil {
				s.err = fmt.Errorf("features: %s: %s: %w", l.cache.path, Record{item.Path, l.config.First + view}, err)
				break
			}
			s.batch.Labels = append(s.batch.Labels, item.Class)
			s.batch.Index = append(s.batch.Index, p.At)
			s.batch.View = append(s.batch.View, l.config.First+view)
		}
		queue <- s // never blocks either
		if s.err != nil {
			return
		}
	}
}

// views returns an epoch's view of each item, from First on.
func (l *Loader) views(epoch int) []int {
	// By position, from a source of their own, so that they depend on neither the order nor what comes after.
	rng := random("views %d %d", l.config.Seed, epoch)
	views := make([]int, len(l.items))
	for i := range views {
		views[i] = rng.IntN(l.config.Views)
	}
	return views
}
