package data

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/promptcam/promptcam/tensor"
)

// Loader batches rows of numbers, which workers read ahead: photographs decoded
// and transformed (NewLoader), tokens from a file (features.Cache.Loader), or
// the rows of any other source, which fills in all fields. Several epochs may
// run at the same time.
type Loader struct {
	Items   []Item
	Kind    Kind
	Shape   []int // of a row
	Batch   int   // rows per batch
	Workers int   // rows read at a time

	// Picks returns the rows of an epoch, in order.
	Picks func(Plan) ([]Pick, error)

	// Reader returns a function that reads a row of an epoch into dst. Each worker
	// calls it once, so the function may keep memory between rows.
	Reader func(epoch int) func(dst []float32, p Pick) error
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
func (l *Loader) Batches() int { return (len(l.Items) + l.Batch - 1) / l.Batch }

// ahead is the number of batches in memory: the caller's and two being filled.
const ahead = 3

// A slot is the memory of one batch, used again and again.
type slot struct {
	values []float32
	batch  Batch
	picks  []Pick
	errs   []error // by position in the batch
	left   atomic.Int32
	ready  chan struct{}
}

// A job is one row of a batch.
type job struct {
	slot *slot
	at   int
}

// Epoch returns the batches of one epoch, of the items that the plan picks, in
// the order of Picks whatever the number of workers. A Batch is valid until the
// next step of the iteration, which reuses its memory. The first row, in order,
// that cannot be read ends the epoch with its error; the end of ctx ends it
// too. Leaving the loop early stops all work before the loop ends.
func (l *Loader) Epoch(ctx context.Context, p Plan) iter.Seq2[*Batch, error] {
	return func(yield func(*Batch, error) bool) {
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

		jobs := make(chan job)
		free := make(chan *slot, ahead)  // ready to be filled
		queue := make(chan *slot, ahead) // in the order of the epoch
		for range min(ahead, l.Batches()) {
			free <- new(slot)
		}
		for range min(l.Workers, len(picks)) {
			wg.Go(func() {
				read := l.Reader(p.Epoch)
				for j := range jobs {
					if ctx.Err() == nil { // otherwise nobody looks at the batch
						j.slot.read(j.at, read)
					}
					if j.slot.left.Add(-1) == 0 {
						close(j.slot.ready)
					}
				}
			})
		}
		wg.Go(func() {
			defer close(jobs)
			defer close(queue)
			for part := range slices.Chunk(picks, l.Batch) {
				select {
				case s := <-free:
					s.reset(part, l)
					queue <- s // never blocks: there are no more slots than room for them
					s.hand(ctx, jobs)
				case <-ctx.Done():
					return
				}
			}
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
			free <- s // never blocks either
		}
		if err := outer.Err(); err != nil {
			yield(nil, fmt.Errorf("data: loader: %w", err))
		}
	}
}

// reset prepares s for these picks, no more than the first time.
func (s *slot) reset(picks []Pick, l *Loader) {
	shape := append([]int{len(picks)}, l.Shape...)
	if s.values == nil {
		s.values = tensor.New(shape...).Data()
		s.errs = make([]error, len(picks))
	}
	n := len(picks) * (len(s.values) / len(s.errs))
	b := &s.batch
	b.Kind, b.Values = l.Kind, tensor.FromSlice(s.values[:n], shape...)
	b.Index, b.Labels, b.View = b.Index[:0], b.Labels[:0], b.View[:0]
	for _, p := range picks {
		b.Index, b.Labels, b.View = append(b.Index, p.At), append(b.Labels, l.Items[p.At].Class), append(b.View, p.Nth)
	}
	s.values, s.picks, s.errs = s.values[:n], picks, s.errs[:len(picks)]
	clear(s.errs)
	s.left.Store(int32(len(picks)))
	s.ready = make(chan struct{})
}

// hand gives the rows of s to the workers.
func (s *slot) hand(ctx context.Context, jobs chan<- job) {
	for at := range s.picks {
		select {
		case jobs <- job{s, at}:
		case <-ctx.Done():
			return
		}
	}
}

// read reads one row.
func (s *slot) read(at int, read func(dst []float32, p Pick) error) {
	n := len(s.values) / len(s.picks)
	s.errs[at] = read(s.values[at*n:][:n], s.picks[at])
}
