package main

import (
	"context"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/promptcam/promptcam/data/birds"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// fewBirds makes -data birds a few birds in a cache of their own, whose folder it returns.
func fewBirds(t *testing.T) string {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("the user cache is elsewhere")
	}
	cache, all := t.TempDir(), drawnBirds
	t.Setenv("XDG_CACHE_HOME", cache)
	drawnBirds = birds.Config{Species: birds.AllSpecies()[:3], Train: 4, Test: 2, Size: 96, Seed: 7}
	t.Cleanup(func() { drawnBirds = all })
	return filepath.Join(cache, "promptcam")
}

func TestDrawnBirds(t *testing.T) {
	folder := fewBirds(t)
	weights, arch := backbone(t, nil)
	t.Chdir(t.TempDir())
	args := []string{"-data", "birds", "-weights", weights}
	stdout := must(t, append(args, "-arch", arch, "-epochs", "2", "-batch", "4")...)
	assert.Contains(t, stdout, "drawing birds of 3 species, 6 images of each, in "+folder)
	assert.Contains(t, stdout, "12 images to train on")
	assert.Contains(t, stdout, "The best head of the true class points at a trait")
	assert.Contains(t, read(t, "out", "report", "index.html"), "Prompt-CAM: drawn birds")
	assert.EqualValues(t, 0, object(t, readMetrics(t, "out"), "recipe")["patch-dropout"])

	stdout = must(t, append(args, "-load", "out/model.safetensors", "-out", "again")...)
	assert.NotContains(t, stdout, "drawing")
	assert.Equal(t, readMetrics(t, "out")["test"], readMetrics(t, "again")["test"])
	fails(t, []string{"-weights", weights}, "-data is missing", "birds are drawn ones")

	drawn, err := filepath.Glob(filepath.Join(folder, "*", "images", "001.*", "*_0001.png"))
	require.NoError(t, err)
	require.Len(t, drawn, 1)
	require.NoError(t, os.Truncate(drawn[0], 100))
	fails(t, append(args, "-arch", arch, "-out", "torn"), drawn[0], "1 of 18 drawn birds cannot be read", "delete the folder "+folder)
}

func TestFolderNamedAsTheDrawnBirds(t *testing.T) {
	fewBirds(t)
	weights, arch := backbone(t, nil)
	t.Chdir(t.TempDir())
	photographs(t, "birds", 6)
	stdout := must(t, "-data", "birds", "-weights", weights, "-arch", arch, "-epochs", "1")
	assert.NotContains(t, stdout, "drawing")
	assert.Contains(t, stdout, "3 classes; 15 images to train on")
}

func TestInterruptedDrawingLeavesNothing(t *testing.T) {
	folder := fewBirds(t)
	weights, arch := backbone(t, nil)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, _, err := cub(t, ctx, "-data", "birds", "-weights", weights, "-arch", arch, "-out", t.TempDir())
	require.ErrorIs(t, err, context.Canceled)
	left, err := os.ReadDir(folder)
	require.NoError(t, err)
	require.Len(t, left, 1)
	assert.Contains(t, left[0].Name(), ".lock")
}
