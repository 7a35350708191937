package checkpoint

import (
	"context"
	"fmt"
	"io"
)

// storage is a run of little-endian elements in the file, shared by one or more tensors.
type storage interface {
	// open makes the bytes up to end readable.
	open(end int64) (readable, error)
}

// readable is an open storage.
type readable interface {
	// readAt fills p with the bytes from offset on.
	readAt(p []byte, offset int64) error
}

// span is a storage that is part of the file, uncompressed.
type span struct {
	r        io.ReaderAt
	at, size int64
}

func (s span) reader() io.Reader { return io.NewSectionReader(s.r, s.at, s.size) }

func (s span) open(int64) (readable, error) { return s, nil }

func (s span) readAt(p []byte, offset int64) error {
	n, err := s.r.ReadAt(p, s.at+offset)
	switch {
	case n == len(p):
		return nil
	case err == io.EOF:
		return fmt.Errorf("%d of %d bytes are there: %w", n, len(p), io.ErrUnexpectedEOF)
	}
	return err
}

// entry says where a tensor's elements are. All of them are within the storage, as its maker has checked.
type entry struct {
	dtype   DType
	shape   []int
	stride  []int // in elements; nil for row-major
	offset  int64 // of the first element, in bytes
	storage storage
}

const chunk = 1 << 16 // bytes read at once, a multiple of every element size

// sparse is how many times more elements than its own a view may span to be read in one run.
const sparse = 4

// scatteredBytes is what each of many small reads costs, as memory that takes as long.
const scatteredBytes = 64

// extent returns how many elements of the storage lie between the first and the last of e, and in runs of how
// many they are read: as many, or if they lie far apart those of the last dimension or one.
func (e *entry) extent() (all, run int) {
	n, _ := elements(e.shape)
	if n == 0 || e.contiguous() {
		return n, n
	}
	all = 1
	for i, s := range e.shape {
		all += (s - 1) * e.stride[i]
	}
	last := len(e.shape) - 1
	switch {
	case all/sparse <= n:
		return all, all
	case e.stride[last] == 1:
		return all, e.shape[last]
	}
	return all, 1
}

// cost returns the bytes that the elements of e take as float32, and what reading them costs beside.
func (e *entry) cost() int64 {
	n, _ := elements(e.shape)
	all, run := e.extent()
	if run == all {
		return 4 * int64(n)
	}
	return 4*int64(n) + scatteredBytes*int64(n/run)
}

// read reads all elements of e, row by row.
func (e *entry) read(ctx context.Context) ([]float32, error) {
	n, _ := elements(e.shape)
	if n == 0 {
		return []float32{}, nil
	}
	all, run := e.extent()
	from, err := e.storage.open(e.offset + int64(all)*int64(e.dtype.Size()))
	if err != nil {
		return nil, err
	}
	out := make([]float32, n)
	buf := make([]byte, min(chunk, run*e.dtype.Size()))
	switch {
	case e.contiguous():
		return out, e.readRun(from, out, 0, buf)
	case run < all:
		return out, e.rows(ctx, run, func(i, at int) error { return e.readRun(from, out[i:i+run], at, buf) })
	}
	held := make([]float32, all)
	if err := e.readRun(from, held, 0, buf); err != nil {
		return nil, err
	}
	return out, e.rows(ctx, 1, func(i, at int) error { out[i] = held[at]; return nil })
}

// rows calls visit for each run of elements of length row, 1 or that of the last dimension, with the index of
// its first element and how many elements of the storage lie before it.
func (e *entry) rows(ctx context.Context, row int, visit func(i, at int) error) error {
	n, _ := elements(e.shape)
	dims := len(e.shape)
	if row > 1 {
		dims--
	}
	index := make([]int, dims)
	for i, at := 0, 0; i < n; i += row {
		if i/row%chunk == 0 && ctx.Err() != nil {
			return outside{ctx.Err()}
		}
		if err := visit(i, at); err != nil {
			return err
		}
		for d := dims - 1; d >= 0; d-- {
			if index[d]++; index[d] < e.shape[d] {
				at += e.stride[d]
				break
			}
			at -= (e.shape[d] - 1) * e.stride[d]
			index[d] = 0
		}
	}
	return nil
}

// readRun reads consecutive elements, from the one at on, by way of buf.
func (e *entry) readRun(from readable, out []float32, at int, buf []byte) error {
	size := e.dtype.Size()
	for len(out) > 0 {
		k := min(len(buf)/size, len(out))
		if err := from.readAt(buf[:k*size], e.offset+int64(at)*int64(size)); err != nil {
			return err
		}
		e.dtype.Decode(out[:k], buf)
		out, at = out[k:], at+k
	}
	return nil
}

// contiguous reports whether the elements are in row-major order without gaps.
func (e *entry) contiguous() bool {
	if e.stride == nil {
		return true
	}
	step := 1
	for i := len(e.shape) - 1; i >= 0; i-- {
		if e.shape[i] != 1 && e.stride[i] != step {
			return false
		}
		step *= e.shape[i]
	}
	return true
}
