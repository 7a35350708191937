package checkpoint_test

import (
	"bytes"
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/promptcam/promptcam/tensor"
	"github.com/promptcam/promptcam/tensor/checkpoint"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
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
