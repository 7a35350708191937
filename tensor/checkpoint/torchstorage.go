package checkpoint

import (
	"errors"
	"fmt"
)

// torchStorage is a storage of a PyTorch file. The pickle gives its key, type and size; its place is known
// only after the pickle.
type torchStorage struct {
	key   string
	dtype DType
	width int64 // bytes of one element
	bytes int64
	place storage
}

func (s *torchStorage) open(end int64) (readable, error) { return s.place.open(end) }

// storages are the storages that a pickle refers to, by key.
type storages struct {
	fileSize int64
	table    *budget // for what the pickle makes
	byKey    map[string]*torchStorage
}

// find returns the storage of a persistent id ("storage", type, key, device, elements[, view]), or the class of
// ("module", class, file, source), which torch.save wrote for whole models before PyTorch 1.6.
func (st *storages) find(id any) (any, error) {
	t, ok := id.(tuple)
	if ok && len(t) > 1 && t[0] == any("module") {
		if c, ok := t[1].(unknown); ok {
			return c, nil
		}
	}
	if !ok || len(t) < 5 || t[0] != any("storage") {
		return nil, fmt.Errorf("persistent id is %s, want (storage, type, key, device, size)", kind(id))
	}
	g, _ := t[1].(global)
	typ, ok := storageTypes[string(g)]
	if !ok {
		return nil, fmt.Errorf("type of a storage is %s", kind(t[1]))
	}
	key, ok := t[2].(string)
	if !ok || len(key) > maxName {
		return nil, fmt.Errorf("key of a storage is %s, want a string of at most %d bytes", kind(t[2]), maxName)
	}
	n, ok := t[4].(int64)
	if !ok || n < 0 || n > maxElements {
		return nil, fmt.Errorf("size of storage %s is not possible", Clean(key))
	}
	// In the first PyTorch releases a storage could be part of another.
	if len(t) > 5 && t[5] != nil {
		return nil, fmt.Errorf("storage %s is a view of another: not supported", Clean(key))
	}
	if err := st.table.spend(int64(len(key) / 8)); err != nil {
		return nil, err
	}
	s := &torchStorage{key: key, dtype: typ.dtype, width: typ.size, bytes: n * typ.size}
	if old, ok := st.byKey[key]; ok {
		if old.dtype != s.dtype || old.bytes != s.bytes {
			return nil, fmt.Errorf("storage %s is %s of %d bytes and %s of %d bytes", Clean(key), old.dtype, old.bytes, s.dtype, s.bytes)
		}
		return old, nil
	}
	if err := st.table.spend(tensorBytes); err != nil {
		return nil, err
	}
	st.byKey[key] = s
	return s, nil
}

// expansion is how many times more elements an expanded view (stride 0) may have than its storage.
const expansion = 64

// view returns the tensor described by (storage, offset, size, stride, ...), of the storage's type if dtype
// is empty.
func (st *storages) view(dtype DType, args tuple) (*entry, error) {
	if len(args) < 4 {
		return nil, fmt.Errorf("%d arguments, want at least 4", len(args))
	}
	s, ok := args[0].(*torchStorage)
	if !ok {
		return nil, fmt.Errorf("storage is %s", kind(args[0]))
	}
	if dtype == "" {
		dtype = s.dtype
	}
	offset, ok := args[1].(int64)
	shape, err := sizes(args[2])
	if err != nil {
		return nil, err
	}
	stride, err := sizes(args[3])
	if err != nil {
		return nil, err
	}
	if !ok || offset < 0 || len(shape) != len(stride) {
		return nil, fmt.Errorf("offset %s, %d sizes, %d strides do not fit", kind(args[1]), len(shape), len(stride))
	}
	n, ok := elements(shape)
	if !ok {
		return nil, fmt.Errorf("shape %s is not possible", brief(shape))
	}
	e := &entry{dtype: dtype, shape: shape, stride: stride, storage: s}
	size := int64(dtype.Size())
	if n == 0 || size == 0 {
		return e, nil // no element will be read
	}
	held := s.bytes / size
	last, ok := lastElement(offset, shape, stride, held)
	if !ok {
		return nil, fmt.Errorf("shape %s, strides %s from element %d on reach beyond storage %s of %d elements",
			brief(shape), brief(stride), offset, Clean(s.key), held)
	}
	if used := last - offset + 1; int64(n) > used && int64(n) > expansion*min(used, st.fileSize) {
		return nil, fmt.Errorf("%w: shape %s, strides %s expand %d elements to more than %d times as many", ErrTooLarge, brief(shape), brief(stride), used, expansion)
	}
	e.offset = offset * size
	return e, nil
}

// lastElement returns the largest index that a view reaches, and whether it lies within a storage of n
// elements.
func lastElement(offset int64, shape, stride []int, n int64) (last int64, ok bool) {
	last = offset
	if last >= n {
		return 0, false
	}
	for i, s := range shape {
		if s == 1 || stride[i] == 0 {
			continue
		}
		if int64(s-1) > (n-1-last)/int64(stride[i]) {
			return 0, false
		}
		last += int64(s-1) * int64(stride[i])
	}
	return last, true
}

// maxRank is as many dimensions as PyTorch supports. Without it one long tuple could be the shape of many
// tensors.
const maxRank = 64

// sizes returns a tuple of sizes or strides.
func sizes(v any) ([]int, error) {
	t, ok := v.(tuple)
	if !ok {
		return nil, fmt.Errorf("sizes are %s, want a tuple", kind(v))
	}
	if len(t) > maxRank {
		return nil, fmt.Errorf("%d dimensions, want at most %d", len(t), maxRank)
	}
	out := make([]int, len(t))
	for i, x := range t {
		n, ok := x.(int64)
		if !ok || n < 0 {
			return nil, errors.New("a size or stride is not a whole number")
		}
		out[i] = int(n)
	}
	return out, nil
}
