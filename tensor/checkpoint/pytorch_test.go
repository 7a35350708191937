package checkpoint_test

import (
	"archive/zip"
	"bytes"
	"io"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/promptcam/promptcam/tensor/checkpoint"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// ramp is the numbers that testdata/make.py fills tensors with.
func ramp(from, n, step int) []float32 {
	out := make([]float32, n)
	for i := range out {
		out[i] = float32(from+i*step)*0.75 - 3
	}
	return out
}

func TestEveryElementType(t *testing.T) {
	f := open(t, "testdata/dtypes.pt")
	for name, want := range map[string]struct {
		dtype checkpoint.DType
		data  []float32
	}{
		"f32": {checkpoint.F32, ramp(0, 6, 1)}, "f16": {checkpoint.F16, ramp(0, 6, 1)},
		"bf16": {checkpoint.BF16, ramp(0, 6, 1)}, "f64": {checkpoint.F64, ramp(0, 6, 1)},
		"i64": {checkpoint.I64, []float32{-(1 << 40), 7}}, "i32": {checkpoint.I32, []float32{-70000, 7}},
		"i16": {checkpoint.I16, []float32{-300, 7}}, "i8": {checkpoint.I8, []float32{-3, 7}},
		"u8": {checkpoint.U8, []float32{253, 7}}, "bool": {checkpoint.Bool, []float32{1, 0}},
	} {
		info, ok := f.Info(name)
		require.True(t, ok)
		assert.Equal(t, want.dtype, info.DType, name)
		x, err := f.Tensor(name)
		require.NoError(t, err)
		assert.Equal(t, want.data, x.Data(), name)
		if !strings.Contains(name, "f") {
			assert.Equal(t, []int{2}, x.Shape())
		}
	}
	_, err := f.Tensor("c64")
	assert.ErrorContains(t, err, `checkpoint: testdata/dtypes.pt: tensor c64: dtype "C64" cannot be read`)
	_, err = f.Tensor("none")
	assert.EqualError(t, err, "checkpoint: testdata/dtypes.pt: tensor none: not there: the file holds 11 others")
}

// PyTorch 2 has types without a class of storage.
func TestTensorOfUntypedStorage(t *testing.T) {
	tensor := func(dtype string) string {
		return call(glob("torch._utils", "_rebuild_tensor_v3"), tup(str("storage"), glob("torch.storage", "UntypedStorage"), str("0"), str("cpu"), num(4))+"Q",
			num(1), nums([]int{1}), nums([]int{1}), yes, none, glob("torch", dtype))
	}
	f := decoded(t, torchZip(t, dict(str("half"), tensor("float16"), str("short"), tensor("uint16")), "\x00\x00\x00\x40"))
	x, err := f.Tensor("half")
	require.NoError(t, err)
	assert.Equal(t, []float32{2}, x.Data())
	_, err = f.Tensor("short")
	assert.ErrorContains(t, err, `tensor short: dtype "U16" cannot be read`)
	_, ok := f.Info("long")
	assert.False(t, ok)
	_, err = decode(torchZip(t, dict(str("double"), tensor("float64")), "\x00\x00\x00\x40"))
	assert.ErrorContains(t, err, "reach beyond storage 0 of 0 elements")
}

// A tensor with attributes of its own, or of a class derived from Tensor, is made by way of another function.
func TestTensorWithAttributes(t *testing.T) {
	v2 := glob("torch._utils", "_rebuild_tensor_v2")
	args := tup(storage("Float", "0", 2), num(1), nums([]int{1}), nums([]int{1}), yes, none)
	from := glob("torch._tensor", "_rebuild_from_type_v2")
	f := decoded(t, torchZip(t, dict(str("w"), call(from, v2, glob("torch", "Tensor"), args, dict(str("note"), num(1)))), pair))
	x, err := f.Tensor("w")
	require.NoError(t, err)
	assert.Equal(t, []float32{2}, x.Data())
	for _, bad := range []string{call(from, v2, none), call(from, from, none, args), call(from, none, none, args), call(from, v2, none, none)} {
		_, err := decode(torchZip(t, dict(str("w"), bad), pair))
		assert.ErrorContains(t, err, "torch._tensor._rebuild_from_type_v2: want a function and its arguments")
	}
}

func TestViewsOfOneStorage(t *testing.T) {
	want := map[string]struct {
		shape []int
		index []int
	}{
		"rows":      {[]int{2, 6}, []int{6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17}},
		"columns":   {[]int{4, 2}, []int{2, 3, 8, 9, 14, 15, 20, 21}},
		"steps":     {[]int{2, 2}, []int{1, 4, 13, 16}},
		"expanded":  {[]int{5}, []int{0, 0, 0, 0, 0}},
		"scalar":    {[]int{}, []int{23}},
		"empty":     {[]int{0, 6}, []int{}},
		"parameter": {[]int{6}, []int{18, 19, 20, 21, 22, 23}},
		"transposed": {[]int{6, 4}, []int{0, 6, 12, 18, 1, 7, 13, 19, 2, 8, 14, 20,
			3, 9, 15, 21, 4, 10, 16, 22, 5, 11, 17, 23}},
		"permuted": {[]int{4, 2, 3}, []int{0, 4, 8, 12, 16, 20, 1, 5, 9, 13, 17, 21,
			2, 6, 10, 14, 18, 22, 3, 7, 11, 15, 19, 23}},
	}
	raw, err := os.ReadFile("testdata/views.pt")
	require.NoError(t, err)
	for name, f := range map[string]*checkpoint.File{
		"zip": open(t, "testdata/views.pt"), "legacy": open(t, "testdata/views_legacy.pt"),
		"protocol 4": open(t, "testdata/views_protocol4.pt"), "deflated": decoded(t, deflate(t, raw)),
	} {
		for tensor, w := range want {
			x, err := f.Tensor(tensor)
			require.NoError(t, err, name)
			assert.Equal(t, w.shape, append([]int{}, x.Shape()...), "%s: %s", name, tensor)
			data := []float32{}
			for _, i := range w.index {
				data = append(data, ramp(i, 1, 1)...)
			}
			assert.Equal(t, data, x.Data(), "%s: %s", name, tensor)
		}
	}
}

// deflate packs an archive's members.
func deflate(t testing.TB, raw []byte) []byte {
	z, err := zip.NewReader(bytes.NewReader(raw), int64(len(raw)))
	require.NoError(t, err)
	var members []member
	for _, m := range z.File {
		r, err := m.Open()
		require.NoError(t, err)
		data, err := io.ReadAll(r)
		require.NoError(t, err)
		members = append(members, member{m.Name, string(data), zip.Deflate})
	}
	return archive(t, members...)
}

// A training checkpoint holds student and teacher, whose names carry prefixes,
// and much else.
func TestTrainingCheckpoint(t *testing.T) {
	f := open(t, "testdata/full.pt")
	assert.Equal(t, []string{"0.bias", "0.weight", "1.bias", "1.weight", "head.last_layer.weight_g"}, f.Names())
	w, err := f.Tensor("0.weight")
	require.NoError(t, err)
	assert.Equal(t, ramp(0, 6, 1), w.Data(), "the teacher's; the student's are negative")
	assert.Equal(t, map[string]string{"epoch": "100", "arch": "vit_small", "loss": "2.5", "amp": "true"}, f.Metadata())
}

func TestStateDictIsFound(t *testing.T) {
	two := func(a, b string) string {
		x := view(storage("Float", "0", 2), 0, []int{2}, []int{1})
		return dict(str(a), x, str(b), x)
	}
	self := "}q\x00" + "(" + str("model") + "h\x00" + str("teacher") + "h\x00" + str("net") + "h\x00" + "u"
	for _, test := range []struct {
		object string
		names  string
		want   string
	}{
		{one("w"), "w", ""},
		{dict(str("model"), dict(str("state_dict"), one("w"))), "w", ""},
		{dict(str("best"), view(storage("Float", "0", 2), 0, []int{}, []int{}), str("state_dict"), one("w")), "w", ""},
		{dict(str("teacher"), one("t"), str("student"), one("s")), "t", ""},
		{dict(str("weights"), one("w"), str("args"), dict()), "w", ""},
		{dict(str("a"), one("w"), str("b"), one("w")), "", "no state dict by a known key such as state_dict_ema; the numbers of tensors are [a: 1, b: 1]: state one of them as FILE#KEY"},
		{dict(str("epoch"), num(3)), "", "keys are [epoch]"},
		{self, "", "keys are [model, net, teacher]"},
		{list(), "", "the file holds a list, want a dict of tensors"},
		{none, "", "the file holds None"},
		{two("module.a", "b"), "a b", ""},
		{two("module.backbone.a", "backbone.module.b"), "a b", ""},
		{two("module.a", "a"), "a module.a", ""},
		{two("module.", "backbone.backbone"), "backbone module.", ""},
		{"c__builtin__\nset\n" + tup(list(num(1))) + "R0" + one("w"), "w", ""},
		{call(glob("collections", "OrderedDict")) + "(" + one("w")[2:], "w", ""},
		{dict(num(1), num(2), str("w"), call(glob("torch._utils", "_rebuild_parameter"),
			view(storage("Float", "0", 2), 0, []int{2}, []int{1}), yes, none)), "w", ""},
	} {
		data := "\x00\x00\x80?\x00\x00\x00@"
		storages := []string{data}
		if !strings.Contains(test.object, "FloatStorage") {
			storages = nil
		}
		for _, raw := range [][]byte{torchZip(t, test.object, storages...), torchLegacy(test.object, 4, storages...)} {
			f, err := decode(raw)
			if test.want != "" {
				assert.ErrorContains(t, err, "checkpoint: w.pth: ")
				assert.ErrorContains(t, err, test.want)
				continue
			}
			require.NoError(t, err, test.names)
			assert.Equal(t, test.names, strings.Join(f.Names(), " "))
		}
	}
}

func TestTensorIsSafeForConcurrentUse(t *testing.T) {
	f := open(t, "testdata/views.pt")
	var wait sync.WaitGroup
	for range 8 {
		wait.Go(func() {
			for _, name := range f.Names() {
				_, err := f.Tensor(name)
				assert.NoError(t, err)
			}
		})
	}
	wait.Wait()
}

// countingReader counts the bytes read.
type countingReader struct {
	io.ReaderAt
	n int
}

func (c *countingReader) ReadAt(p []byte, at int64) (int, error) {
	n, err := c.ReaderAt.ReadAt(p, at)
	c.n += n
	return n, err
}

func TestTensorsAreReadWhenAskedFor(t *testing.T) {
	const elements = 1 << 20
	object := dict(str("w"), view(storage("Float", "0", elements), 0, []int{elements}, []int{1}),
		str("v"), view(storage("Float", "0", elements), 100, []int{10}, []int{1}))
	data := strings.Repeat("\x00\x00\x80?", elements)
	for _, raw := range [][]byte{torchZip(t, object, data), torchLegacy(object, 4, data)} {
		r := &countingReader{ReaderAt: bytes.NewReader(raw)}
		f, err := checkpoint.Decode(r, int64(len(raw)), "w.pth")
		require.NoError(t, err)
		assert.Less(t, r.n, 32<<10, "of %d", len(raw))
		r.n = 0
		x, err := f.Tensor("v")
		require.NoError(t, err)
		assert.Equal(t, float32(1), x.Data()[9])
		assert.Equal(t, 40, r.n)
	}
}
