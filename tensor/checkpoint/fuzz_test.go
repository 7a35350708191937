package checkpoint_test

import (
	"os"
	"runtime"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// digest opens and reads a hostile file, and fails if that took more memory
// than its size justifies. An element may be a byte that becomes eight, a
// member may be packed 100 times, an opcode may make a map's entry.
func digest(t *testing.T, raw []byte) {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f, err := decode(raw)
	runtime.ReadMemStats(&after)
	limit := func(times uint64) uint64 { return 16<<20 + times*uint64(len(raw)) }
	assert.Less(t, after.TotalAlloc-before.TotalAlloc, limit(1000))
	if err != nil {
		return
	}
	for _, name := range f.Names() {
		runtime.ReadMemStats(&before)
		x, err := f.Tensor(name)
		runtime.ReadMemStats(&after)
		assert.Less(t, after.TotalAlloc-before.TotalAlloc, limit(2000))
		if info, ok := f.Info(name); assert.True(t, ok) && err == nil {
			assert.Equal(t, info.Shape, append([]int{}, x.Shape()...))
		}
	}
}

func seed(f *testing.F, paths ...string) {
	for _, path := range paths {
		raw, err := os.ReadFile(path)
		require.NoError(f, err)
		f.Add(raw)
	}
}

func FuzzSafetensors(f *testing.F) {
	f.Add(safe(`{"__metadata__":{"k":"v"},"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"b":{"dtype":"F16","shape":[1,2],"data_offsets":[2,6]}}`, 6))
	f.Add(safe(`{"a":{"dtype":"F64","shape":[],"data_offsets":[0,8]},"b":{"dtype":"F8_E4M3","shape":[0],"data_offsets":[8,8]}}`, 8))
	f.Fuzz(digest)
}

// FuzzPickle runs pickles with two storages to speak of.
func FuzzPickle(f *testing.F) {
	data := "0123456789abcdef"
	for _, s := range []string{
		dict(str("w"), view(storage("Float", "0", 4), 1, []int{2}, []int{1}), str("v"), view(storage("Byte", "1", 16), 0, []int{4, 4}, []int{1, 4})),
		dict(str("teacher"), dict(str("module.w"), view(storage("Half", "0", 8), 0, []int{64}, []int{0})), str("epoch"), num(3)),
		dict(str("args"), call(glob("argparse", "Namespace")), str("f"), "G\x40\x00\x00\x00\x00\x00\x00\x00"),
		"\x95\x00\x00\x00\x00\x00\x00\x00\x00}\x94(\x8c\x01w\x94\x8c\x05torch\x94\x8c\x04Size\x94\x93K\x01K\x02\x86\x85R0Nu",
		glob("os", "system"),
		scripted("Model", str("visual"), scripted("Tower", str("proj"), view(storage("Half", "0", 8), 0, []int{8}, []int{1})),
			str("sizes"), call(glob("torch.jit._pickle", "build_intlist"), list(num(1)))),
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, pickle []byte) {
		digest(t, torchLegacy(string(pickle), 1, data, data))
		digest(t, torchZip(t, string(pickle), data, data))
	})
}

func FuzzZip(f *testing.F) {
	seed(f, "testdata/views.pt", "testdata/views_protocol4.pt", "testdata/dtypes.pt", "testdata/full.pt", "testdata/script.pt", "testdata/trace.pt")
	raw, err := os.ReadFile("testdata/views.pt")
	require.NoError(f, err)
	f.Add(deflate(f, raw))
	f.Fuzz(digest)
}

func FuzzLegacy(f *testing.F) {
	seed(f, "testdata/views_legacy.pt")
	f.Fuzz(digest)
}
