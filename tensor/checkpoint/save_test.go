package checkpoint_test

import (
	"bytes"
	"errors"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/promptcam/promptcam/tensor"
	"github.com/promptcam/promptcam/tensor/checkpoint"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/x448/float16"
)

func TestSavedTensorsComeBack(t *testing.T) {
	special := []float32{0, float32(math.Copysign(0, -1)), 1e-45, math.MaxFloat32, float32(math.Inf(-1)), float32(math.NaN())}
	large := tensor.New(3, 50_000).Fill(1.5)
	tensors := map[string]*tensor.Tensor{
		"module.special": tensor.FromSlice(special, 2, 3), "transposed": tensor.FromSlice(special, 2, 3).Transpose(),
		"scalar": tensor.FromSlice([]float32{7}), "empty": tensor.New(0, 4), "large": large, "a\"<é\n": tensor.New(1),
	}
	metadata := map[string]string{"format": "pt", "é<\"\n": "\x00"}
	path := filepath.Join(t.TempDir(), "w.safetensors")
	require.NoError(t, checkpoint.Save(path, tensors, metadata))
	require.NoError(t, checkpoint.Save(path, tensors, metadata), "over the old one")
	entries, err := os.ReadDir(filepath.Dir(path))
	require.NoError(t, err)
	assert.Len(t, entries, 1)

	f := open(t, path)
	assert.Equal(t, metadata, f.Metadata())
	assert.Len(t, f.Names(), len(tensors))
	for name, want := range tensors {
		got, err := f.Tensor(name)
		require.NoError(t, err)
		assert.Equal(t, append([]int{}, want.Shape()...), append([]int{}, got.Shape()...), "%q", name)
		for i, v := range want.Contig().Data() {
			require.Equal(t, math.Float32bits(v), math.Float32bits(got.Data()[i]), "%q", name)
		}
	}

	raw, err := os.ReadFile(path)
	require.NoError(t, err)
	var again bytes.Buffer
	require.NoError(t, checkpoint.Write(&again, tensors, metadata))
	assert.Equal(t, raw, again.Bytes(), "the same bytes whatever the order of the maps")
}

func TestWrittenBytes(t *testing.T) {
	var b bytes.Buffer
	require.NoError(t, checkpoint.Write(&b, map[string]*tensor.Tensor{
		"b": tensor.FromSlice([]float32{1, 2}, 2), "a": tensor.FromSlice([]float32{3}, 1, 1),
	}, map[string]string{"k": "v"}))
	const header = `{"__metadata__":{"k":"v"},"a":{"dtype":"F32","shape":[1,1],"data_offsets":[0,4]},` +
		`"b":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}} `
	assert.Zero(t, len(header)%8)
	assert.Equal(t, le(len(header), 8)+header+"\x00\x00\x40\x40\x00\x00\x80\x3f\x00\x00\x00\x40", b.String())

	b.Reset()
	require.NoError(t, checkpoint.Write(&b, nil, nil))
	assert.Equal(t, le(8, 8)+"{}      ", b.String())
	decoded(t, b.Bytes())
}

// full is a disk with room for so many bytes.
type full struct{ room int }

var errFull = errors.New("no space left on device")

func (f *full) Write(p []byte) (int, error) {
	n := min(len(p), f.room)
	if f.room -= n; n < len(p) {
		return n, errFull
	}
	return n, nil
}

func TestWriteErrors(t *testing.T) {
	tensors := map[string]*tensor.Tensor{"w": tensor.New(100, 1000)}
	var b bytes.Buffer
	require.NoError(t, checkpoint.Write(&b, tensors, nil))
	for _, room := range []int{0, 7, 70, 100_000, b.Len() - 1} {
		err := checkpoint.Write(&full{room}, tensors, nil)
		assert.ErrorIs(t, err, errFull)
		assert.ErrorContains(t, err, "checkpoint: write: ")
	}
	assert.NoError(t, checkpoint.Write(&full{b.Len()}, tensors, nil))

	assert.ErrorContains(t, checkpoint.Write(&b, map[string]*tensor.Tensor{"\xff": tensor.New(1)}, nil), `tensor "\xff": not UTF-8`)
	assert.ErrorContains(t, checkpoint.Write(&b, map[string]*tensor.Tensor{"__metadata__": tensor.New(1)}, nil), "tensor __metadata__: the name is taken")
	assert.ErrorContains(t, checkpoint.Write(&b, nil, map[string]string{"k": "\xff"}), `metadata "k": not UTF-8`)
	assert.ErrorContains(t, checkpoint.Write(&b, nil, map[string]string{"k": strings.Repeat("x", 100_000_000)}), "the format's limit is 100000000")
}

func TestSaveLeavesNothingBehind(t *testing.T) {
	dir := t.TempDir()
	old := filepath.Join(dir, "old")
	require.NoError(t, os.WriteFile(old, []byte("old"), 0o666))
	folder := filepath.Join(dir, "folder")
	require.NoError(t, os.MkdirAll(filepath.Join(folder, "x"), 0o777))
	good := map[string]*tensor.Tensor{"w": tensor.New(1)}
	bad := map[string]*tensor.Tensor{"\xff": tensor.New(1)}
	for _, test := range []struct {
		path    string
		tensors map[string]*tensor.Tensor
	}{
		{filepath.Join(dir, "none", "w"), good}, // no such folder
		{filepath.Join(old, "w"), good},         // a file where a folder should be
		{folder, good},                          // fails when it renames
		{old, bad},                              // fails when it writes
	} {
		err := checkpoint.Save(test.path, test.tensors, nil)
		assert.ErrorContains(t, err, "checkpoint: save "+test.path+": ")
	}
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	assert.Len(t, entries, 2)
	raw, err := os.ReadFile(old)
	require.NoError(t, err)
	assert.Equal(t, "old", string(raw))
}

// What Create makes can be read at once, and written in place.
func TestCreatedTensorsAreWrittenInPlace(t *testing.T) {
	path := filepath.Join(t.TempDir(), "w.safetensors")
	infos := map[string]checkpoint.Info{
		"b": {DType: checkpoint.F16, Shape: []int{3, 5}}, "a": {DType: checkpoint.U8, Shape: []int{7}},
		"c": {DType: checkpoint.F32, Shape: []int{2}}, "d": {DType: checkpoint.I32, Shape: []int{}},
	}
	contents := map[string][]byte{"a": {1, 2, 3, 4, 5, 6, 7}}
	require.NoError(t, checkpoint.Create(path, infos, contents, map[string]string{"k": "v"}))
	values := []float32{1, -2, 0.5, 65504, 1e-7, 0.1}
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	require.NoError(t, err)
	defer file.Close()

	f := open(t, path)
	assert.Equal(t, map[string]string{"k": "v"}, f.Metadata())
	offset, size, ok := f.Place("b")
	require.True(t, ok)
	assert.Equal(t, int64(30), size)
	buf := make([]byte, 2*len(values))
	checkpoint.F16.Encode(buf, values)
	_, err = file.WriteAt(buf, offset)
	require.NoError(t, err)
	for name, info := range infos {
		got, _ := f.Info(name)
		assert.Equal(t, info, got)
		v, err := f.Tensor(name)
		require.NoError(t, err)
		want := make([]float32, v.Len())
		switch name {
		case "a":
			copy(want, []float32{1, 2, 3, 4, 5, 6, 7})
		case "b":
			copy(want, []float32{1, -2, 0.5, 65504, 1.1920929e-07, 0.099975586}) // 2 steps of 2^-24; 1638 of 2^-14
		}
		assert.Equal(t, want, v.Data(), name)
	}
	_, _, ok = f.Place("e")
	assert.False(t, ok)

	err = checkpoint.Create(path, map[string]checkpoint.Info{"w": {DType: "F8", Shape: []int{1}}}, nil, nil)
	assert.ErrorContains(t, err, "checkpoint: create "+path+`: tensor w: dtype "F8" cannot be read`)
	err = checkpoint.Create(path, map[string]checkpoint.Info{"w": {DType: "F32", Shape: []int{-1}}}, nil, nil)
	assert.ErrorContains(t, err, "tensor w: shape [-1] is not possible")
	err = checkpoint.Create(path, infos, map[string][]byte{"a": {1}}, nil)
	assert.ErrorContains(t, err, "tensor a: 1 bytes, want 7")
	assert.Equal(t, f.Metadata(), open(t, path).Metadata(), "the old file is still there")
}

func TestEncodedNumbersComeBack(t *testing.T) {
	values := []float32{0, 1, -1.5, 65519, 65520, -1e9, 1e-8, 3e-8, float32(math.Inf(1))}
	for d, want := range map[checkpoint.DType][]float32{
		checkpoint.F32: values,
		checkpoint.F16: {0, 1, -1.5, 65504, float32(math.Inf(1)), float32(math.Inf(-1)), 0, 5.9604645e-08, float32(math.Inf(1))},
	} {
		buf := make([]byte, d.Size()*len(values))
		d.Encode(buf, values)
		got := make([]float32, len(values))
		d.Decode(got, buf)
		assert.Equal(t, want, got, d)
	}
	// Every F16, and lists of all lengths.
	all := make([]byte, 2<<16)
	for i := range 1 << 16 {
		all[2*i], all[2*i+1] = byte(i), byte(i>>8)
	}
	got := make([]float32, 1<<16)
	checkpoint.F16.Decode(got, all)
	for i, v := range got {
		require.Equal(t, math.Float32bits(float16.Frombits(uint16(i)).Float32()), math.Float32bits(v))
	}
	for n := range 12 {
		part := make([]float32, n+1)
		checkpoint.F16.Decode(part[:n], all[2*999:])
		assert.Equal(t, append(slices.Clone(got[999:999+n]), 0), part)
	}
	assert.PanicsWithValue(t, "checkpoint: Encode: 2 numbers as F16 to 5 bytes", func() { checkpoint.F16.Encode(make([]byte, 5), []float32{1, 2}) })
	assert.PanicsWithValue(t, "checkpoint: Encode: 1 numbers as I32 to 4 bytes", func() { checkpoint.I32.Encode(make([]byte, 4), []float32{1}) })
}

// WriteAs writes what Create does of the same elements.
func TestWriteAs(t *testing.T) {
	x := tensor.FromSlice([]float32{1, -2.5, 1e-7, 70000, 1. / 3, 0}, 2, 3).Transpose()
	metadata := map[string]string{"format": "pt"}
	for dtype, size := range map[checkpoint.DType]int{checkpoint.F32: 4, checkpoint.F16: 2} {
		var got bytes.Buffer
		require.NoError(t, checkpoint.WriteAs(&got, dtype, map[string]*tensor.Tensor{"x": x}, metadata))
		content := make([]byte, size*x.Len())
		dtype.Encode(content, x.Contig().Data())
		path := filepath.Join(t.TempDir(), "w.safetensors")
		require.NoError(t, checkpoint.Create(path, map[string]checkpoint.Info{"x": {DType: dtype, Shape: x.Shape()}}, map[string][]byte{"x": content}, metadata))
		want, err := os.ReadFile(path)
		require.NoError(t, err)
		assert.Equal(t, want, got.Bytes(), dtype)
	}
	assert.Error(t, checkpoint.WriteAs(&bytes.Buffer{}, "F12", map[string]*tensor.Tensor{"x": x}, nil))
}

// at keeps what is written to it.
type at struct{ bytes []byte }

func (w *at) WriteAt(p []byte, off int64) (int, error) {
	if more := int(off) + len(p) - len(w.bytes); more > 0 {
		w.bytes = append(w.bytes, make([]byte, more)...)
	}
	return copy(w.bytes[off:], p), nil
}

func TestCreateAtMakesTheSameBytes(t *testing.T) {
	for _, infos := range []map[string]checkpoint.Info{
		{"a": {DType: checkpoint.U8, Shape: []int{3}}, "b": {DType: checkpoint.F32, Shape: []int{2, 2}}},
		{"a": {DType: checkpoint.U8, Shape: []int{3}}, "B": {DType: checkpoint.F16, Shape: []int{4}}},
		{"a": {DType: checkpoint.U8, Shape: []int{3}}, "z": {DType: checkpoint.F32, Shape: []int{0}}},
	} {
		path, w := filepath.Join(t.TempDir(), "w.safetensors"), new(at)
		contents := map[string][]byte{"a": {1, 2, 3}}
		require.NoError(t, checkpoint.Create(path, infos, contents, nil))
		require.NoError(t, checkpoint.CreateAt(w, infos, contents, nil))
		want, err := os.ReadFile(path)
		require.NoError(t, err)
		assert.Equal(t, want, w.bytes)
		_, err = checkpoint.Decode(bytes.NewReader(w.bytes), int64(len(w.bytes)), "memory")
		assert.NoError(t, err)
	}
	err := checkpoint.CreateAt(new(at), map[string]checkpoint.Info{"w": {DType: "F8"}}, nil, nil)
	assert.ErrorContains(t, err, `checkpoint: create: tensor w: dtype "F8"`)
}
