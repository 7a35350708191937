package checkpoint

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"sync"
)

// Errors of Open, Decode and Tensor that a program may want to tell apart, with errors.Is. Errors of the disk
// or the reader, and a context that is done, are neither.
var (
	// ErrFormat means that the content is at fault: it is no weights file, holds no tensors, or is damaged.
	ErrFormat = errors.New("not a readable weights file")

	// ErrTooLarge means that reading would take more memory than Limits allow.
	ErrTooLarge = errors.New("too large")
)

// Limits bounds the memory that reading a file may take. It is checked before the memory is taken. The zero
// value has the defaults.
type Limits struct {
	// Table is the most bytes that the table of contents may take, with names, metadata and all other values
	// of a pickle, as this package estimates them. 0 means 256 MiB.
	Table int64

	// Tensors is the most bytes that all tensors may take which Tensor returns for different names, as
	// float32. Elements that lie far apart in the file count more, for the time that they take, and so does a
	// compressed storage that several tensors share, which is kept in memory. 0 means 64 GiB.
	Tensors int64

	// Ratio is how many times the file's size, plus 16 MiB, each of the two may be, whatever they are. Elements
	// of one byte take four as float32; half-precision weights that two names share, compressed by half, take
	// eight times their place in the file. 0 means 16.
	Ratio int64
}

// small is what any file may take.
const small = 16 << 20

// budget is what is left of a limit.
type budget struct {
	what     string // what the memory is for
	fileSize int64
	limit    int64

	mu   sync.Mutex
	left int64
}

// budgets returns those of the table of contents and of the tensors of a file.
func (l Limits) budgets(fileSize int64) (table, tensors *budget) {
	ratio := cmp.Or(l.Ratio, 16)
	justified := int64(math.MaxInt64)
	if fileSize < (math.MaxInt64-small)/max(1, ratio) {
		justified = small + ratio*fileSize
	}
	of := func(what string, limit int64) *budget {
		limit = min(limit, justified)
		return &budget{what: what, fileSize: fileSize, limit: limit, left: limit}
	}
	return of("the table of contents", cmp.Or(l.Table, 256<<20)), of("the tensors", cmp.Or(l.Tensors, 64<<30))
}

// spend takes n bytes, or returns an error if they are not left.
func (b *budget) spend(n int64) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if n > b.left {
		return b.exceeded()
	}
	b.left -= n
	return nil
}

// allows returns an error if n bytes are more than there ever were.
func (b *budget) allows(n int64) error {
	if n > b.limit {
		return b.exceeded()
	}
	return nil
}

func (b *budget) exceeded() error {
	return fmt.Errorf("%w: %s would take more than %d bytes of memory, the limit for this file of %d bytes", ErrTooLarge, b.what, b.limit, b.fileSize)
}

// outside is the error of a reader or context, which says nothing about the file's content.
type outside struct{ error }

func (e outside) Unwrap() error { return e.error }

// unreadable is an ErrFormat with its own text.
type unreadable struct{ error }

func (e unreadable) Unwrap() error        { return e.error }
func (e unreadable) Is(target error) bool { return target == ErrFormat }

// blame makes err an ErrFormat unless its cause lies outside the content.
func blame(err error) error {
	var o outside
	if err == nil || errors.Is(err, ErrTooLarge) || errors.As(err, &o) {
		return err
	}
	return unreadable{err}
}

// heard is a reader that fails once ctx is done.
type heard struct {
	ctx context.Context
	r   io.ReaderAt
}

func (h heard) ReadAt(p []byte, at int64) (int, error) {
	if err := h.ctx.Err(); err != nil {
		return 0, outside{err}
	}
	n, err := h.r.ReadAt(p, at)
	if err != nil && err != io.EOF {
		err = outside{err}
	}
	return n, err
}
