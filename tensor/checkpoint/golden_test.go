package checkpoint_test

import (
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/promptcam/promptcam/tensor/checkpoint"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// shared returns the folder of reference data beside the repository, or skips.
func shared(t *testing.T) string {
	dir := filepath.Join("..", "..", "..", "shared")
	if _, err := os.Stat(dir); err != nil {
		t.Skipf("the reference data beside the repository is not here: %v", err)
	}
	return dir
}

func open(t testing.TB, path string) *checkpoint.File {
	f, err := checkpoint.Open(path)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, f.Close()) })
	return f
}

// same asserts that two files hold the same tensors, bit for bit.
func same(t *testing.T, want, got *checkpoint.File) {
	require.Equal(t, want.Names(), got.Names())
	require.NotEmpty(t, got.Names())
	for _, name := range want.Names() {
		wi, _ := want.Info(name)
		gi, _ := got.Info(name)
		assert.Equal(t, wi, gi, name)
		w, err := want.Tensor(name)
		require.NoError(t, err)
		g, err := got.Tensor(name)
		require.NoError(t, err)
		require.Equal(t, w.Shape(), g.Shape(), name)
		require.True(t, g.Contiguous())
		for i, v := range w.Data() {
			if u := g.Data()[i]; math.Float32bits(u) != math.Float32bits(v) {
				require.Fail(t, "bits differ", "%s, element %d: %v and %v", name, i, v, u)
			}
		}
	}
}

func TestThreeFormatsHoldTheSameBits(t *testing.T) {
	compare := func(t *testing.T, dir string) {
		want := open(t, filepath.Join(dir, "model.safetensors"))
		same(t, want, open(t, filepath.Join(dir, "model.pt")))
		same(t, want, open(t, filepath.Join(dir, "model_legacy.pt")))
	}
	t.Run("clip", func(t *testing.T) { compare(t, "testdata/golden/clip") })
	for _, family := range []string{"dino", "dinov2"} {
		t.Run(family, func(t *testing.T) { compare(t, filepath.Join(shared(t), "golden", family)) })
	}
	t.Run("vit_tiny", func(t *testing.T) {
		path := filepath.Join(shared(t), "weights", "vit_tiny_patch16_224")
		same(t, open(t, path+".safetensors"), open(t, path+".pth"))
	})
}

func TestFormatIsToldByContent(t *testing.T) {
	want := open(t, "testdata/golden/clip/model.safetensors")
	for _, name := range []string{"model.safetensors", "model.pt", "model_legacy.pt"} {
		raw, err := os.ReadFile("testdata/golden/clip/" + name)
		require.NoError(t, err)
		for _, extension := range []string{".pt", ".pth", ".bin", ".safetensors", ""} {
			path := filepath.Join(t.TempDir(), "weights"+extension)
			require.NoError(t, os.WriteFile(path, raw, 0o666))
			got := open(t, path)
			assert.Equal(t, path, got.Path())
			assert.Equal(t, want.Names(), got.Names())
		}
	}
}

func TestOtherFilesAreNamed(t *testing.T) {
	_, err := checkpoint.Open(filepath.Join(t.TempDir(), "none.pth"))
	require.ErrorIs(t, err, os.ErrNotExist)
	assert.ErrorContains(t, err, "none.pth")
	_, err = checkpoint.Open(t.TempDir())
	assert.ErrorContains(t, err, "not a regular file")
	for content, want := range map[string]string{
		"":                                 "empty file",
		"<!DOCTYPE html>":                  `neither safetensors nor a PyTorch file: it begins with "<!DOCTYPE html>"`,
		"version https://git-lfs.github.c": `begins with "version https://git-lfs`,
		"\x80\x04\x95":                     "a Python pickle, but not one of torch.save",
		"PK\x03\x04":                       "zip archive cut short or damaged: zip: not a valid zip file",
	} {
		path := filepath.Join(t.TempDir(), "w.pth")
		require.NoError(t, os.WriteFile(path, []byte(content), 0o666))
		_, err := checkpoint.Open(path)
		assert.ErrorContains(t, err, "checkpoint: "+path+": ")
		assert.ErrorContains(t, err, want)
	}
}
