package data

import (
	"fmt"
	"io/fs"
	"slices"
)

// LoaderConfig configures NewLoader.
type LoaderConfig struct {
	Transform Transform
	Batch     int   // images per batch
	Shuffle   bool  // new order each epoch
	Seed      int64 // of the order and of the transform's randomness
	Workers   int   // images decoded at a time; 0 means GOMAXPROCS
}

// NewLoader returns a loader that decodes and transforms the photographs of items, whose paths are names in
// fsys. It keeps a copy of items. Order and augmentation depend on the seed, the plan and items alone; an
// image that the plan picks several times is augmented anew each time. An invalid setting is an error, and so
// is an empty list.
func NewLoader(fsys fs.FS, items []Item, c LoaderConfig) (*Loader, error) {
	if err := c.Transform.Validate(); err != nil {
		return nil, err
	}
	switch {
	case c.Batch < 1:
		return nil, fmt.Errorf("data: loader: batch of %d images, need at least 1", c.Batch)
	case c.Workers < 0:
		return nil, fmt.Errorf("data: loader: %d workers, need at least 1, or 0 for all processors", c.Workers)
	case len(items) == 0:
		return nil, fmt.Errorf("data: loader: no images of %s", PathOf(fsys, "."))
	}
	items = slices.Clone(items)
	return &Loader{
		Items: items, Kind: Images, Shape: []int{3, c.Transform.Height, c.Transform.Width},
		Batch: c.Batch, Workers: c.Workers,
		Picks: func(p Plan) ([]Pick, error) {
			if p.Weights == nil && !c.Shuffle {
				return InOrder(len(items)), nil
			}
			return p.Picks(newRand(uint64(c.Seed), uint64(p.Epoch)), items)
		},
		Reader: func(epoch int) func([]float32, Pick) error {
			var w worker
			return func(dst []float32, p Pick) error {
				photo, err := w.decoder.read(fsys, items[p.At].Path)
				if err != nil {
					return err
				}
				// More seeds than for the order, so that the two never share a source.
				seeds := []uint64{uint64(c.Seed), uint64(epoch), uint64(p.At)}
				if p.Nth > 0 {
					seeds = append(seeds, uint64(p.Nth))
				}
				w.img.resize(c.Transform.Width, c.Transform.Height)
				c.Transform.apply(&w.img, photo, newRand(seeds...), &w.scaler)
				c.Transform.Normalise(dst, &w.img)
				return nil
			}
		},
	}, nil
}

// A worker makes images, each in the memory of the one before.
type worker struct {
	decoder decoder
	scaler  scaler
	img     RGB
}
