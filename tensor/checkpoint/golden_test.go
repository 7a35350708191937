package checkpoint_test

import (
	"math"
	"os"
	"path/filepath"
	"strings"
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
		"":                                      "empty file",
		"<!DOCTYPE html>\n":                     `neither safetensors nor a PyTorch file but an HTML page: the download gave a page of the web site, such as a log-in or an error; it begins with "<!DOCTYPE html>`,
		"\n <html lang=de>":                     "an HTML page",
		"<?xml version='1.0'?><Error>NoSuchKey": "neither safetensors nor a PyTorch file but XML or HTML, as a failed download leaves",
		strings.Repeat("\x00", 5000):            "zeros, as an unfinished download leaves",
		"version https://git-lfs.github.com/spec/v1\noid sha256:0": "a Git LFS pointer in place of the weights: fetch them with git lfs pull",
		"\x80\x04\x95":                 "a Python pickle, but not one of torch.save",
		"PK\x03\x04":                   "zip archive cut short or damaged: zip: not a valid zip file",
		"PK\x05\x06" + le(0, 8):        "an empty zip archive",
		"\xff\xd8\xff\xe0JFIF":         "neither safetensors nor a PyTorch file but a JPEG image",
		"\x89PNG\r\n\x1a\n\x00":        "a PNG image",
		"RIFF\x00\x00\x00\x00WEBPVP8 ": "a WebP image",
		"\x00\x00\x00\x18ftypheic":     "a HEIC or AVIF image",
		"\x1f\x8b\x08":                 "a gzip archive: unpack it",
		strings.Repeat("a/weights.pth\x00", 18) + "12345ustar\x00": "a tar archive: unpack it",
		"\x08\x07\x12\x07pytorch\x1a\x051.3.1":                     "an ONNX model",
		"\x89HDF\r\n\x1a\n":                                        "an HDF5 file",
		"\x93NUMPY\x01\x00":                                        "a NumPy array",
		`{"metadata":{"total_size":8},"weight_map":{"a":"x"}}`:     "the index of weights in several files",
		`{"meta":{"total_size":8},"weight_map":{"a":"x"}}`:         "the index of weights in several files",
		`{"model":{}}`:                   "JSON, such as a model's config",
		`{"meta":{}}`:                    "JSON, such as a model's config",
		`{"architectures": ["ViT"]}`:     "JSON, such as a model's config",
		"Weights are on the other page.": `neither safetensors nor a PyTorch file but text: it begins with "Weights`,
		"\x00\x01\x02":                   `neither safetensors nor a PyTorch file: it begins with "\x00\x01\x02"`,
		string(archive(t, member{name: "a.npy"}, member{name: "b.npy"})): "NumPy's .npz",
		string(archive(t, member{name: "x/w.pth"})):                      "x/w.pth is in it: unpack it",
		string(archive(t, member{name: "x.txt"})):                        "zip archive without data.pkl",
	} {
		path := filepath.Join(t.TempDir(), "w.pth")
		require.NoError(t, os.WriteFile(path, []byte(content), 0o666))
		_, err := checkpoint.Open(path)
		assert.ErrorContains(t, err, "checkpoint: "+path+": ")
		assert.ErrorContains(t, err, want)
		assert.ErrorIs(t, err, checkpoint.ErrFormat)
		assert.NotContains(t, err.Error(), "\n")
	}
}

func TestFolderOfWeights(t *testing.T) {
	weights := safe(`{"w":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}}`, 2)
	for _, test := range []struct{ files, want string }{
		{"model.safetensors pytorch_model.bin config.json training_args.bin", "model.safetensors"},
		{"pytorch_model.bin README.md", "pytorch_model.bin"},
		{"Best.PTH.tar .hidden.pth", "Best.PTH.tar"},
		{"model.safetensors last.ckpt", "several weights files: state one of [last.ckpt, model.safetensors]"},
		{"model-00001-of-00002.safetensors model-00002-of-00002.safetensors model.safetensors.index.json", "weights in 2 files (model-00001-of-00002.safetensors, ...), which cannot be read together: merge them"},
		{"model-00001-of-00002.safetensors model-00002-of-00002.safetensors a.pth", "state one of [a.pth, model-00001-of-00002.safetensors, "},
		{"__0_0.distcp .metadata", "a distributed checkpoint: make it one file"},
		{"config.json", "no weights (.safetensors, .pth, .pt, .bin, .ckpt) are in it"},
		{"", "not a regular file but a folder"},
	} {
		folder := t.TempDir()
		for _, name := range strings.Fields(test.files) {
			require.NoError(t, os.WriteFile(filepath.Join(folder, name), weights, 0o666))
		}
		f, err := checkpoint.Open(folder)
		if strings.Contains(test.want, " ") {
			assert.ErrorContains(t, err, "checkpoint: "+folder+": ")
			assert.ErrorContains(t, err, test.want)
			assert.ErrorIs(t, err, checkpoint.ErrFormat)
			continue
		}
		require.NoError(t, err)
		assert.Equal(t, filepath.Join(folder, test.want), f.Path())
		assert.NoError(t, f.Close())
	}
}
