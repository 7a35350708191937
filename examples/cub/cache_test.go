package main

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/promptcam/promptcam/data/datatest"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestFeaturesAreReused(t *testing.T) {
	weights, arch := tinyBackbone(t, nil)
	data, cache, first := datatest.Photographs(t, t.TempDir(), 10), t.TempDir(), t.TempDir()
	args := func(out string, more ...string) []string {
		return append([]string{"-data", data, "-weights", weights, "-arch", arch, "-epochs", "2", "-batch", "4", "-out", out}, more...)
	}
	// 24 training images in two views each and 6 test images.
	stdout := must(t, args(first, "-cache", cache, "-baseline")...)
	assert.Contains(t, stdout, "54 features computed in ")
	assert.Contains(t, stdout, "(0 from cache): output of layer 2, in ")
	assert.Equal(t, []string{"features.safetensors"}, files(t, cache))
	assert.Equal(t, complete, files(t, first))
	baselines := readMetrics(t, first)["baselines"].(map[string]any)
	for name, title := range map[string]string{"linear_probe": "linear probe on the class token", "nearest_mean": "nearest class mean of the class token"} {
		assert.Contains(t, stdout, title)
		assert.Greater(t, baselines[name].(map[string]any)["top1"], 50., "colours are easy")
	}

	second := t.TempDir()
	assert.Regexp(t, `(?m)^0 features computed in \d+ s \(54 from cache\)`, must(t, args(second, "-cache", cache, "-baseline")...))
	sameResults(t, first, second)

	t.Run("by some of the classes", func(t *testing.T) {
		assert.Regexp(t, `(?m)^0 features computed in \d+ s \(36 from cache\)`, must(t, args(t.TempDir(), "-cache", cache, "-classes", "red,blue")...))
	})
	t.Run("by class prompts that are carried", func(t *testing.T) {
		more := []string{"-cache", t.TempDir(), "-mode", "from:2", "-agnostic", "0"}
		assert.Contains(t, must(t, args(t.TempDir(), more...)...), "output of layer 1")
	})
	t.Run("not of a photograph that changed", func(t *testing.T) {
		datatest.Photograph(t, filepath.Join(data, "red", "0.jpg"), 2, 99)
		stdout := must(t, args(t.TempDir(), "-cache", cache)...)
		assert.Contains(t, stdout, "because photographs have changed")
	})
	t.Run("not of another backbone", func(t *testing.T) {
		other, _ := tinyBackbone(t, func(w tensors) { w["cls_token"].Data()[0]++ })
		fails(t, args(t.TempDir(), "-cache", cache, "-weights", other), "-cache", cache, "backbone", "choose another folder")

		out := t.TempDir()
		must(t, args(out)...)
		assert.Contains(t, files(t, out), "features.safetensors", "without --cache they are in --out")
		_, stderr, err := cub(t, t.Context(), args(out, "-weights", other)...)
		require.NoError(t, err)
		assert.Contains(t, stderr, "cached features in "+filepath.Join(out, "features.safetensors")+" are for another backbone: recomputing 54 features")
	})
	t.Run("not if they are damaged", func(t *testing.T) {
		dir := t.TempDir()
		path := filepath.Join(dir, "features.safetensors")
		all := read(t, cache, "features.safetensors")
		write(t, path, all[:len(all)/2])
		fails(t, args(t.TempDir(), "-cache", dir), "--cache: ", path, "delete the file")
		write(t, path, "text")
		fails(t, args(t.TempDir(), "-cache", dir), "--cache: ", path, "delete the file")
		fails(t, args(dir), "--out: ", path, "delete the file")
		damaged := []byte(all)
		damaged[len(damaged)/2] ^= 1 // among the tokens, which are most of it
		write(t, path, string(damaged))
		assert.Contains(t, must(t, args(t.TempDir(), "-cache", dir)...), "because they were torn")
	})
	t.Run("off", func(t *testing.T) {
		out := t.TempDir()
		must(t, args(out, "-cache", "off")...)
		assert.Equal(t, complete, files(t, out))
		fails(t, args(out, "-cache", "off", "-baseline"), "-baseline", "mode last")
		fails(t, args(out, "-mode", "deep", "-distill", "1"), "-distill", "mode last")
		fails(t, args(out, "-mode", "deep", "-mix", "0.5"), "-mix", "mode last")
	})
}

// What -augment draws is what is trained on, from photographs and from features.
func TestAugmentation(t *testing.T) {
	weights, arch := tinyBackbone(t, nil)
	args := []string{"-data", datatest.Photographs(t, t.TempDir(), 6), "-weights", weights, "-arch", arch, "-epochs", "1", "-samples", "0"}
	for name, more := range map[string][]string{"photographs": {"-cache", "off"}, "features": {"-views", "4"}} {
		seen := map[string]string{}
		for _, augment := range []string{"none", "crop", "rrc"} {
			out := t.TempDir()
			next := append(args, "-out", out, "-augment", augment)
			if augment != "none" || name == "photographs" {
				next = append(next, more...)
			}
			must(t, next...)
			model := read(t, out, "model.safetensors")
			assert.Empty(t, seen[model], "%s: --augment %s", name, augment)
			seen[model] = augment
		}
	}
}

func TestFeaturesOfUnreadablePhotographs(t *testing.T) {
	weights, arch := tinyBackbone(t, nil)
	data, out := datatest.Photographs(t, t.TempDir(), 10), t.TempDir()
	write(t, filepath.Join(data, "red", "3.png"), "not a picture")
	args := []string{"-data", data, "-weights", weights, "-arch", arch, "-epochs", "1", "-out", out}
	fails(t, args, "3.png", "1 of 30 images cannot be read", "-skip-bad")
	stdout := must(t, append(args, "-skip-bad")...)
	assert.Contains(t, stdout, "going on without 1 of 30 images")
	assert.EqualValues(t, 1, readMetrics(t, out)["skipped_images"])
}

func TestWhereFeaturesCannotBe(t *testing.T) {
	weights, arch := tinyBackbone(t, nil)
	data, out, file := datatest.Photographs(t, t.TempDir(), 3), t.TempDir(), filepath.Join(t.TempDir(), "file")
	write(t, file, "text")
	args := []string{"-data", data, "-weights", weights, "-arch", arch, "-epochs", "1", "-out", out}
	fails(t, append(args, "-cache", file), "--cache "+file+" is a file, want a folder")
	fails(t, append(args, "-cache", filepath.Join(file, "in")), "--cache: ", file)
	fails(t, append(args, "-cache", filepath.Join(data, "cache")), "--cache "+data, "want a folder outside")
	assert.Empty(t, files(t, out))
}

// Interrupted while features are made, a run goes on with those that are there.
func TestInterruptedFeatures(t *testing.T) {
	weights, arch := tinyBackbone(t, nil)
	data, want, out := datatest.Photographs(t, t.TempDir(), 10), t.TempDir(), t.TempDir()
	args := []string{"-data", data, "-weights", weights, "-arch", arch, "-epochs", "2", "-average", "0.9", "-out"}
	must(t, append(args, want)...)

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := command(ctx, append(args, out), io.Discard, io.Discard)
	require.ErrorIs(t, err, context.Canceled)
	assert.Contains(t, err.Error(), "interrupted; the same line starts again")

	ctx, cancel = context.WithCancel(t.Context())
	err = command(ctx, append(args, out), watcher{func(line string) {
		if strings.HasPrefix(line, "epoch 1/2") {
			cancel()
		}
	}}, io.Discard)
	require.ErrorIs(t, err, context.Canceled)
	stdout := must(t, append(args, out, "-resume")...)
	assert.Contains(t, stdout, "(54 from cache)")
	assert.Contains(t, stdout, "resuming after epoch 1 of 2")
	sameResults(t, want, out)
	_, err = os.Stat(filepath.Join(out, "features.safetensors"))
	assert.NoError(t, err)
}
