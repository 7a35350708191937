package checkpoint_test

import (
	"archive/zip"
	"encoding/binary"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// digest opens and reads a hostile file, and fails if that took more memory than its size justifies.
func digest(t *testing.T, raw []byte) {
	justified(t, "file", raw)
	f, err := decode(raw)
	if err != nil {
		assert.NotContains(t, err.Error(), "\n")
		return
	}
	for _, name := range f.Names()[:min(100, len(f.Names()))] {
		x, err := f.Tensor(name)
		if info, ok := f.Info(name); assert.True(t, ok) && err == nil {
			assert.Equal(t, info.Shape, append([]int{}, x.Shape()...))
		}
	}
	for _, key := range f.Others() {
		assert.NotEqual(t, f.Key(), key)
	}
}

func seed(f *testing.F, paths ...string) {
	for _, path := range paths {
		raw, err := os.ReadFile(path)
		require.NoError(f, err)
		f.Add(raw)
	}
}

// FuzzFile takes any file, by its first bytes.
func FuzzFile(f *testing.F) {
	for _, o := range []string{
		"", "{", "<html>", "version https://git-lfs.", "\xff\xd8\xff", "RIFF0000WEBP", "0000ftypheic", "\x1f\x8b\x08", "\x08\x07\x12\x07pytorch",
		"\x80\x04\x95", "\x89HDF\r\n\x1a\n", "\x93NUMPY", "GGUF", strings.Repeat("\x00", 257) + "ustar\x00", `{"weight_map":{}}`, "\xef\xbb\xbf<!DOCTYPE",
	} {
		f.Add([]byte(o))
	}
	f.Add(archive(f, member{name: "a.npy"}))
	f.Add(safe(`{}`, 0))
	f.Add(torchZip(f, one("w"), pair))
	f.Add(torchLegacy(one("w"), 4, pair))
	f.Fuzz(digest)
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
		dict(str("model"), glob("a", "B")+")\x81"+dict(str("_modules"), dict())+"b", str("model_ema"), glob("a", "Dict")+")\x81"+one("module._orig_mod.w")[1:]),
		call(glob("builtins", "getattr"), glob("a", "B"), str("c")),
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

// grammar writes pickles of whole values, choosing by bytes that it is given.
type grammar struct {
	choices []byte
	memo    int // values memoised
	size    int // opcodes and other bytes written
}

// pick returns a number below n: 0 when nothing is left to choose by.
func (g *grammar) pick(n int) int {
	if len(g.choices) == 0 {
		return 0
	}
	c := g.choices[0]
	g.choices = g.choices[1:]
	return int(c) % n
}

func of[T any](g *grammar, list ...T) T { return list[g.pick(len(list))] }

// odd is a number, mostly one that leads somewhere.
func (g *grammar) odd() int {
	return of(g, 0, 1, 2, 3, 4, 8, 15, 16, 63, 64, 65, 1<<16, 1<<31, 1<<46, 1<<62, -1, -5)
}

func (g *grammar) key() string {
	return of(g, "w", "v", "a.b", "state_dict", "state_dict_ema", "model", "ema", "teacher", "module.w", "module._orig_mod.w", "backbone.w", "n_averaged",
		"optimizer", "_modules", "_parameters", "epoch", "", ".", "__metadata__", "\xff", strings.Repeat("k", 4096), strings.Repeat("k", 4097))
}

func (g *grammar) storage() string {
	typ := of(g, "Float", "Half", "BFloat16", "Double", "Long", "Byte", "Bool", "Char", "Untyped", "ComplexFloat")
	return storage(typ, of(g, "0", "1", "2", "3"), of(g, 4, 8, 16, 32, 64, g.odd()))
}

func (g *grammar) view() string {
	shape := make([]int, g.pick(4))
	stride := make([]int, len(shape))
	for i := range shape {
		shape[i], stride[i] = of(g, 1, 2, 3, 4, g.odd()), of(g, 1, 0, 2, 4, g.odd())
	}
	return view(g.storage(), of(g, 0, 0, 1, g.odd()), shape, stride)
}

// store enters the value on the stack in the memo.
func (g *grammar) store() string {
	g.memo++
	return "r" + le(g.memo-1, 4)
}

func (g *grammar) values(depth int) (list []string) {
	for range g.pick(4) {
		list = append(list, g.value(depth))
	}
	return list
}

func (g *grammar) items(depth int) string {
	out := ""
	for range g.pick(5) {
		out += str(g.key()) + g.value(depth) + "s"
	}
	return out
}

// value is a value of values at most depth deep. One that may hold itself is memoised before it is filled.
func (g *grammar) value(depth int) (v string) {
	defer func() { g.size += len(v) }()
	if g.size > 1<<14 {
		return none
	}
	if g.memo > 0 && g.pick(5) == 1 {
		return "j" + le(g.pick(g.memo), 4)
	}
	kinds := 6
	if depth > 0 {
		kinds = 17
	}
	switch g.pick(kinds) {
	case 0:
		v = g.view()
	case 1:
		v = none
	case 2:
		v = num(g.odd())
	case 3:
		v = str(g.key())
	case 4:
		v = "G" + le(g.odd(), 8)
	case 5:
		v = "\x8b" + le(g.pick(20), 4) + strings.Repeat("\xfe", g.pick(20))
	case 6, 7:
		v = tup(g.values(depth - 1)...)
	case 8:
		v = "]" + g.store() + "(" + strings.Join(g.values(depth-1), "") + "e"
	case 9, 10, 11:
		v = "}" + g.store() + g.items(depth-1)
	case 12:
		v = call(glob("collections", "OrderedDict")) + g.store() + g.items(depth-1) + g.value(depth-1) + "b"
	case 13:
		v = glob("__torch__.m", "A") + ")\x81" + g.store() + "}" + g.items(depth-1) + "b"
	case 14: // an object of any class, or derived from dict
		v = glob(of(g, "argparse", "omegaconf", "torch.nn.modules.linear"), "Class") + ")\x81" + g.store() + g.items(depth-1) + "}" + g.items(depth-1) + "b"
	case 15:
		name := of(g, [2]string{"torch", "Size"}, [2]string{"torch._utils", "_rebuild_parameter"}, [2]string{"torch._utils", "_rebuild_tensor_v3"},
			[2]string{"torch._utils", "_rebuild_sparse_tensor"}, [2]string{"builtins", "set"}, [2]string{"builtins", "getattr"}, [2]string{"os", "system"},
			[2]string{"torch.jit._pickle", "build_intlist"}, [2]string{"collections", "defaultdict"}, [2]string{"numpy.core.multiarray", "_reconstruct"},
			[2]string{strings.Repeat("m", 300), strings.Repeat("n", 300)})
		v = str(name[0]) + str(name[1]) + "\x93" + tup(g.values(depth-1)...) + of(g, "R", "\x81")
	case 16:
		v = tup(str("module"), glob("a", "Net"), g.value(depth-1), g.value(depth-1)) + "Q"
	}
	if g.pick(3) == 1 {
		v += g.store()
	}
	return v
}

// FuzzGrammar makes pickles of whole values, with memo, sharing, recursion, modules and views, some with a
// wrong byte, in a zip archive, a deflated one and a legacy stream.
func FuzzGrammar(f *testing.F) {
	f.Add([]byte{0, 0})
	for i := range 40 { // choices that go different ways
		var b []byte
		for j := range 40 {
			b = binary.LittleEndian.AppendUint16(b, uint16((i+1)*(j+7)*40503>>3))
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, choices []byte) {
		g := &grammar{choices: choices}
		format, wrong := g.pick(3), g.pick(4)
		object := []byte("}" + g.store() + g.items(5) + g.items(3))
		if wrong == 1 {
			object[(g.pick(256)<<8+g.pick(256))%len(object)] = byte(g.pick(256))
		}
		data := strings.Repeat("0123456789abcdef", 4)
		switch format {
		case 0:
			digest(t, torchZip(t, string(object), data[:16], data[:32], data, data[:8]))
		case 1:
			digest(t, torchLegacy(string(object), 4, data[:16], data[:32], data, data[:8]))
		default:
			digest(t, archive(t, member{"a/data.pkl", proto + string(object) + ".", zip.Deflate}, member{"a/data/0", data[:16], zip.Deflate},
				member{"a/data/1", data[:32], zip.Store}, member{"a/data/2", data, zip.Deflate}, member{name: "a/data/3", data: data[:8]}))
		}
	})
}
