package features

import (
	"context"
	"fmt"
	"slices"

	"github.com/promptcam/promptcam/data"
)

// LoaderConfig configures a loader.
type LoaderConfig struct {
	First   int   // view
	Views   int   // number of views from First on; each epoch sees one of each image
	Batch   int   // images per batch
	Shuffle bool  // a new order every epoch
	Seed    int64 // of the order and of the choice of views
}

// Loader returns a loader of the tokens of items, whose paths are those of the records. It is valid until the
// cache is closed, and keeps a copy of items. The view of an item depends on the seed, the epoch and its
// position alone; an item that the plan picks several times has another view each time, until all were seen.
// Errors: an invalid setting, an empty list and, as a *MismatchError, views that are not in the file. Only
// reading shows whether Fill has made a record, and whether another process has since overwritten it.
func (c *Cache) Loader(items []data.Item, config LoaderConfig) (*data.Loader, error) {
	switch {
	case config.Views < 1 || config.Batch < 1:
		return nil, fmt.Errorf("features: loader: %d views in batches of %d images, need at least 1", config.Views, config.Batch)
	case len(items) == 0:
		return nil, fmt.Errorf("features: loader: no images of %s", c.path)
	}
	items = slices.Clone(items)
	for _, it := range items {
		for v := range config.Views {
			r := Record{it.Path, config.First + v}
			if _, ok := c.row(r); !ok {
				return nil, mismatch(c.path, []difference{{"other photographs", fmt.Sprintf("no record of %s", r)}})
			}
		}
	}
	rows, dim := c.source.shape()
	hashes := c.hashes
	return &data.Loader{
		Items: items, Kind: data.Tokens, Shape: []int{rows, dim}, Batch: config.Batch, Workers: 1,
		Picks: func(p data.Plan) ([]data.Pick, error) { return config.picks(items, p) },
		Reader: func(context.Context, int) func([]float32, data.Pick) error {
			buf := make([]byte, c.source.bytes())
			return func(dst []float32, p data.Pick) error {
				r := Record{items[p.At].Path, p.Nth}
				row, _ := c.row(r)
				if err := c.numbers(dst, row, hashes[r.Path], buf); err != nil {
					return fmt.Errorf("features: %s: %s: %w", c.path, r, err)
				}
				return nil
			}
		},
	}, nil
}

// picks returns an epoch's items, with views of the cache for Pick.Nth.
func (c LoaderConfig) picks(items []data.Item, p data.Plan) (picks []data.Pick, err error) {
	if p.Weights == nil && !c.Shuffle {
		picks = data.InOrder(len(items))
	} else if picks, err = p.Picks(random("order %d %d", c.Seed, p.Epoch), items); err != nil {
		return nil, err
	}
	// By position and from a source of their own, so that they depend on neither the order nor later items.
	rng := random("views %d %d", c.Seed, p.Epoch)
	views := make([]int, len(items))
	for i := range views {
		views[i] = rng.IntN(c.Views)
	}
	for i, pick := range picks {
		picks[i].Nth = c.First + (views[pick.At]+pick.Nth)%c.Views
	}
	return picks, nil
}
