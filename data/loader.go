package data

import (
	"cmp"
	"context"
	"fmt"
	"io/fs"
	"iter"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/promptcam/promptcam/tensor"
)

// Loader batches rows of numbers, which workers read ahead: photographs decoded and transformed (NewLoader),
// tokens from a file (features.Cache.Loader), or the rows of any other source, which sets all fields. Several
// epochs may run at the same time.
type Loader struct {
	Items   []Item
	Kind    Kind
	Shape   []int // of a row
	Batch   int   // rows per batch
	Workers int   // rows read at a time; 0 means GOMAXPROCS

	// Picks returns the rows of an epoch, in order.
	Picks func(Plan) ([]Pick, error)

	// Reader returns a function that reads a row of an epoch into dst; ctx ends with the epoch. Each worker
	// calls it once, so the function may keep memory between rows.
	Reader func(ctx context.Context, epoch int) func(dst []float32, p Pick) error
}

// Batch is a few images, or their tokens, and their labels.
type Batch struct {
	Kind   Kind
	Values *tensor.Tensor // [B, 3, H, W] for Images, [B, R, D] for Tokens
	Labels []int          // [B], classes
	Index  []int          // [B], positions in the loader's items
	View   []int          // [B], Pick.Nth: which augmented view of the image this is
}

// Kind says what the values of a Batch are.
type Kind int

const (
	Images Kind = iota // normalised pixels
	Tokens             // the output of frozen layers
)

// Len returns the number of items.
func (l *Loader) Len() int { return len(l.Items) }

// Batches returns the number of batches in an epoch.
func (l *Loader) Batches() int {
	n := max(1, l.Batch)
	return (len(l.Items) + n - 1) / n
}

// ahead is the number of batches in memory: the caller's and two being filled.
const ahead = 3

// A slot is the memory that every third batch uses.
type slot struct {
	values *tensor.Tensor // of a full batch
	batch  Batch
	errs   []error // [B]
	left   atomic.Int32
}

// Epoch returns the batches of one epoch, of the items that the plan picks, in the order of Picks whatever
// the number of workers. A Batch is valid until the next step of the iteration, which reuses its memory. The
// first row, in order, that cannot be read ends the epoch with its error; so does the end of ctx. Leaving the
// loop early stops all work before the loop ends.
func (l *Loader) Epoch(ctx context.Context, p Plan) iter.Seq2[*Batch, error] {
	return func(yield func(*Batch, error) bool) {
		if l.Batch < 1 {
			yield(nil, fmt.Errorf("data: loader: batch of %d images, need at least 1", l.Batch))
			return
		}
		picks, err := l.Picks(p)
		if err != nil {
			yield(nil, err)
			return
		}
		outer := ctx
		ctx, cancel := context.WithCancel(ctx)
		var wg sync.WaitGroup
		defer wg.Wait()
		defer cancel()

		batches := slices.Collect(slices.Chunk(picks, l.Batch))
		open, full := signals(len(batches)), signals(len(batches))
		var slots [ahead]slot
		fill := func(n int) {
			if n < len(batches) {
				slots[n%ahead].reset(batches[n], l)
				close(open[n])
			}
		}
		for n := range ahead {
			fill(n)
		}
		workers := cmp.Or(l.Workers, runtime.GOMAXPROCS(0))
		readers := make([]func([]float32, Pick) error, workers)
		wg.Go(func() {
			Each(ctx, len(picks), workers, func(worker, i int) error {
				n, at := i/l.Batch, i%l.Batch
				select {
				case <-open[n]:
				case <-ctx.Done():
					return ctx.Err()
				}
				if readers[worker] == nil {
					readers[worker] = l.Reader(ctx, p.Epoch)
				}
				s := &slots[n%ahead]
				s.errs[at] = readers[worker](s.batch.Values.Select(0, at).Data(), picks[i])
				if s.left.Add(-1) == 0 {
					close(full[n])
				}
				return nil
			})
		})

		for n := range batches {
			select {
			case <-full[n]:
			case <-ctx.Done():
			}
			if outer.Err() != nil {
				break
			}
			s := &slots[n%ahead]
			if i := slices.IndexFunc(s.errs, func(err error) bool { return err != nil }); i >= 0 {
				yield(nil, s.errs[i])
				return
			}
			if !yield(&s.batch, nil) {
				return
			}
			fill(n + ahead)
		}
		if err := outer.Err(); err != nil {
			yield(nil, fmt.Errorf("data: loader: %w", err))
		}
	}
}

func signals(n int) []chan struct{} {
	all := make([]chan struct{}, n)
	for i := range all {
		all[i] = make(chan struct{})
	}
	return all
}

// reset prepares s for these picks, at most as many as the first time.
func (s *slot) reset(picks []Pick, l *Loader) {
	if s.values == nil {
		s.values = tensor.New(append([]int{len(picks)}, l.Shape...)...)
	}
	b := &s.batch
	b.Kind, b.Values = l.Kind, s.values.Slice(0, 0, len(picks))
	b.Index, b.Labels, b.View = b.Index[:0], b.Labels[:0], b.View[:0]
	for _, p := range picks {
		b.Index, b.Labels, b.View = append(b.Index, p.At), append(b.Labels, l.Items[p.At].Class), append(b.View, p.Nth)
	}
	s.errs = make([]error, len(picks))
	s.left.Store(int32(len(picks)))
}

// LoaderConfig configures NewLoader.
type LoaderConfig struct {
	Transform Transform
	Batch     int    // images per batch
	Shuffle   bool   // new order each epoch
	Seed      int64  // of the order and of the transform's randomness
	Workers   int    // images decoded at a time; 0 means GOMAXPROCS
	Limits    Limits // of a photograph
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
		Reader: func(ctx context.Context, epoch int) func([]float32, Pick) error {
			d := decoder{Limits: c.Limits}
			var s scaler
			var img RGB // each image takes the memory of the one before
			return func(dst []float32, p Pick) error {
				photo, err := d.read(ctx, fsys, items[p.At].Path)
				if err != nil {
					return err
				}
				// More seeds than for the order, so that the two never share a source.
				seeds := []uint64{uint64(c.Seed), uint64(epoch), uint64(p.At)}
				if p.Nth > 0 {
					seeds = append(seeds, uint64(p.Nth))
				}
				img.resize(c.Transform.Width, c.Transform.Height)
				c.Transform.apply(&img, photo, newRand(seeds...), &s)
				c.Transform.Normalise(dst, &img)
				return nil
			}
		},
	}, nil
}

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
