package data

import (
	"context"
	"fmt"
	"iter"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/promptcam/promptcam/tensor"
)

// LoaderConfig says how a Loader makes batches.
type LoaderConfig struct {
	Transform Transform
	Batch     int   // images per batch
	Shuffle   bool  // a new order every epoch
	Seed      int64 // of the order and of the transform's randomness
	Workers   int   // images decoded at a time; 0 means GOMAXPROCS
}

// Loader decodes, transforms and batches images. It does not change after
// NewLoader: several epochs may run at the same time.
type Loader struct {
	root  string
	items []Item
	c     LoaderConfig
}

// Batch is some images, or their tokens, and what is known of them.
type Batch struct {
	Kind   Kind
	Values *tensor.Tensor // [B, 3, H, W] for Images, [B, R, D] for Tokens
	Labels []int          // [B], classes
	Index  []int          // [B], positions in the loader's items
	View   []int          // [B], which augmented view of each image this is: Pick.Nth, or the view in a cache of tokens
}

// Kind says what the values of a Batch are.
type Kind int

const (
	Images Kind = iota // normalised pixels
	Tokens             // the output of frozen layers
)

// NewLoader returns a loader of items, whose paths are relative to root. It
// keeps a copy of items. An invalid setting is an error, and so is an empty list.
func NewLoader(root string, items []Item, c LoaderConfig) (*Loader, error) {
	if err := c.Transform.Validate(); err != nil {
		return nil, err
	}
	switch {
	case c.Batch < 1:
		return nil, fmt.Errorf("data: loader: batch of %d images, need at least 1", c.Batch)
	case c.Workers < 0:
		return nil, fmt.Errorf("data: loader: %d workers, need at least 1, or 0 for all processors", c.Workers)
	case len(items) == 0:
		return nil, fmt.Errorf("data: loader: no images of %s", root)
	}
	return &Loader{root, slices.Clone(items), c}, nil
}

// Len returns the number of images.
func (l *Loader) Len() int { return len(l.items) }

// Batches returns the number of batches in an epoch.
func (l *Loader) Batches() int {
	return (len(l.items) + l.c.Batch - 1) / l.c.Batch
}

// ahead is the number of batches in memory: the caller's and two in the making.
const ahead = 3

// A slot is the memory of one batch, used again and again.
type slot struct {
	pixels []float32
	batch  Batch
	errs   []error // by position in the batch
	left   atomic.Int32
	ready  chan struct{}
}

// A job is one image of a batch.
type job struct {
	slot *slot
	at   int
}

// Epoch returns the batches of one epoch, of the items that the plan picks. Their
// order and the images' augmentation depend on the seed, plan and items alone, not on
// the number of workers; an image picked several times is augmented anew each time.
// A Batch is valid until the next step of the iteration, when its memory is reused.
// The first image, in order, that cannot be read ends the epoch with an error that
// names it, and so does the end of ctx. Leaving the loop early stops all work first.
func (l *Loader) Epoch(ctx context.Context, p Plan) iter.Seq2[*Batch, error] {
	return func(yield func(*Batch, error) bool) {
		epoch := p.Epoch
		picks, err := p.Picks(newRand(uint64(l.c.Seed), uint64(epoch)), l.items, l.c.Shuffle)
		if err != nil {
			yield(nil, err)
			return
		}
		outer := ctx
		ctx, cancel := context.WithCancel(ctx)
		var wg sync.WaitGroup
		defer wg.Wait()
		defer cancel()

		jobs := make(chan job)
		free := make(chan *slot, ahead)  // ready to be filled
		queue := make(chan *slot, ahead) // in the order of the epoch
		for range min(ahead, l.Batches()) {
			free <- l.newSlot()
		}
		workers := l.c.Workers
		if workers == 0 {
			workers = runtime.GOMAXPROCS(0)
		}
		for range min(workers, len(l.items)) {
			wg.Go(func() {
				var w worker
				for j := range jobs {
					l.load(ctx, &w, j, epoch)
				}
			})
		}
		wg.Go(func() {
			defer close(jobs)
			defer close(queue)
			l.feed(ctx, picks, free, queue, jobs)
		})

		for s := range queue {
			select {
			case <-s.ready:
			case <-ctx.Done():
			}
			if outer.Err() != nil {
				break
			}
			if i := slices.IndexFunc(s.errs, func(err error) bool { return err != nil }); i >= 0 {
				yield(nil, s.errs[i])
				return
			}
			if !yield(&s.batch, nil) {
				return
			}
			free <- s // never blocks: there are no more slots than room for them
		}
		if err := outer.Err(); err != nil {
			yield(nil, fmt.Errorf("data: loader: %w", err))
		}
	}
}

// feed hands the epoch's images out as jobs, one batch after the other, as
// slots come free.
func (l *Loader) feed(ctx context.Context, order []Pick, free <-chan *slot, queue chan<- *slot, jobs chan<- job) {
	for b := range l.Batches() {
		var s *slot
		select {
		case s = <-free:
		case <-ctx.Done():
			return
		}
		s.reset(order[b*l.c.Batch:min((b+1)*l.c.Batch, len(order))], l)
		queue <- s // never blocks either
		for at := range s.batch.Index {
			select {
			case jobs <- job{s, at}:
			case <-ctx.Done():
				return
			}
		}
	}
}

func (l *Loader) newSlot() *slot {
	n := min(l.c.Batch, len(l.items))
	return &slot{
		pixels: make([]float32, n*3*l.c.Transform.Height*l.c.Transform.Width),
		batch:  Batch{Labels: make([]int, 0, n), Index: make([]int, 0, n)},
		errs:   make([]error, 0, n),
	}
}

// reset prepares s for these items.
func (s *slot) reset(picks []Pick, l *Loader) {
	n, h, w := len(picks), l.c.Transform.Height, l.c.Transform.Width
	s.batch.Values = tensor.FromSlice(s.pixels[:n*3*h*w], n, 3, h, w)
	s.batch.Index, s.batch.Labels, s.batch.View = s.batch.Index[:0], s.batch.Labels[:0], s.batch.View[:0]
	for _, p := range picks {
		s.batch.Index, s.batch.View = append(s.batch.Index, p.At), append(s.batch.View, p.Nth)
		s.batch.Labels = append(s.batch.Labels, l.items[p.At].Class)
	}
	s.errs = s.errs[:n]
	clear(s.errs)
	s.left.Store(int32(n))
	s.ready = make(chan struct{})
}

// A worker makes images, each in the memory of the one before.
type worker struct {
	decoder decoder
	scaler  scaler
	img     RGB
}

// load makes one image of a batch and tells when it was the last. Once ctx has
// ended nobody looks at the batch, and there is nothing to make.
func (l *Loader) load(ctx context.Context, w *worker, j job, epoch int) {
	if ctx.Err() == nil {
		j.slot.errs[j.at] = l.image(w, j.slot, j.at, epoch)
	}
	if j.slot.left.Add(-1) == 0 {
		close(j.slot.ready)
	}
}

func (l *Loader) image(w *worker, s *slot, at, epoch int) error {
	i := s.batch.Index[at]
	photo, err := w.decoder.read(filepath.Join(l.root, l.items[i].Path))
	if err != nil {
		return err
	}
	t := l.c.Transform
	w.img.resize(t.Width, t.Height)
	// More seeds than for the order, so that the two never share a source.
	seeds := []uint64{uint64(l.c.Seed), uint64(epoch), uint64(i)}
	if nth := s.batch.View[at]; nth > 0 {
		seeds = append(seeds, uint64(nth))
	}
	t.apply(&w.img, photo, newRand(seeds...), &w.scaler)
	n := len(w.img.Pix)
	t.Normalise(s.pixels[at*n:][:n], &w.img)
	return nil
}
