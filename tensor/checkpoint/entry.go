package checkpoint

import "io"

// storage is a run of little-endian elements in the file, shared by one or more tensors.
type storage interface {
	// open returns a reader of the bytes from offset on.
	open(offset int64) (io.ReadCloser, error)
}

// span is a storage that is part of the file, uncompressed.
type span struct {
	r        io.ReaderAt
	at, size int64
}

func (s span) open(offset int64) (io.ReadCloser, error) {
	return io.NopCloser(io.NewSectionReader(s.r, s.at+offset, s.size-offset)), nil
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

// read reads all elements of e, row by row.
func (e *entry) read() ([]float32, error) {
	n, _ := elements(e.shape)
	if n == 0 {
		return []float32{}, nil
	}
	r, err := e.storage.open(e.offset)
	if err != nil {
		return nil, err
	}
	defer r.Close() // of a reader: nothing can be lost
	if e.contiguous() {
		return e.readRun(r, n)
	}
	last := 0
	for i, s := range e.shape {
		last += (s - 1) * e.stride[i]
	}
	run, err := e.readRun(r, last+1)
	if err != nil {
		return nil, err
	}
	out := make([]float32, n)
	index := make([]int, len(e.shape))
	for i, at := 0, 0; i < n; i++ {
		out[i] = run[at]
		for d := len(index) - 1; d >= 0; d-- {
			if index[d]++; index[d] < e.shape[d] {
				at += e.stride[d]
				break
			}
			at -= (e.shape[d] - 1) * e.stride[d]
			index[d] = 0
		}
	}
	return out, nil
}

// readRun reads n consecutive elements.
func (e *entry) readRun(r io.Reader, n int) ([]float32, error) {
	out, size := make([]float32, n), e.dtype.Size()
	buf := make([]byte, min(chunk, n*size))
	for i := 0; i < n; {
		k := min(len(buf)/size, n-i)
		if err := readFull(r, buf[:k*size]); err != nil {
			return nil, err
		}
		e.dtype.Decode(out[i:i+k], buf)
		i += k
	}
	return out, nil
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
