package main

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/promptcam/promptcam/data/birds"
	"github.com/promptcam/promptcam/data/datatest"
	"github.com/promptcam/promptcam/examples/internal/console"
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

func TestWithoutDataAndWeights(t *testing.T) {
	folder := fewBirds(t)
	t.Chdir(t.TempDir())
	stdout := must(t, "-epochs", "2", "-batch", "4")
	assert.Contains(t, stdout, "rendering birds of 3 species, 6 images of each, in "+folder)
	assert.Contains(t, stdout, "12 images to train on")
	assert.Contains(t, stdout, "The best head of the true class points at a trait")
	assert.Contains(t, read(t, "out", "report", "index.html"), "Prompt-CAM: synthetic birds")
	assert.EqualValues(t, 0, object(t, readMetrics(t, "out"), "recipe")["distill"])

	// The model says itself that it needs no file.
	stdout = must(t, "evaluate", "--model", "out", "-data", "birds", "-out", "again")
	assert.NotContains(t, stdout, "drawing")
	assert.Equal(t, readMetrics(t, "out")["test"], readMetrics(t, "again")["test"])

	// So it does where it explains.
	explained := must(t, "explain", "--model", "out", drawnFile(t, folder), "-out", "maps")
	assert.Contains(t, explained, "Leafling")

	// The drawn birds go with other weights, and these with other images.
	weights, arch := tinyBackbone(t, nil)
	must(t, "-data", "birds", "-weights", weights, "-arch", arch, "-rank", "8", "-epochs", "1", "-out", "other")
	must(t, "-data", datatest.Photographs(t, t.TempDir(), 6), "-weights", "birds", "-epochs", "1", "-out", "others")
	fails(t, []string{"-weights", weights}, "--data is missing", "birds are synthetic ones")
	fails(t, []string{"-data", "somewhere"}, "--weights is missing", "birds is a small one")

	drawn := drawnFile(t, folder)
	require.NoError(t, os.Truncate(drawn, 100))
	fails(t, []string{"-out", "torn"}, drawn, "1 of 18 synthetic birds cannot be read", "delete the folder "+folder)
}

// drawnFile returns the path of the first drawn bird.
func drawnFile(t *testing.T, folder string) string {
	t.Helper()
	drawn, err := filepath.Glob(filepath.Join(folder, "*", "images", "001.*", "*_0001.png"))
	require.NoError(t, err)
	require.Len(t, drawn, 1)
	return drawn[0]
}

// An interrupted run without data and weights goes on with -resume alone.
func TestResumeWithoutDataAndWeights(t *testing.T) {
	fewBirds(t)
	t.Chdir(t.TempDir())
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	args := []string{"-epochs", "3", "-batch", "4", "-mix-until", "0.3"} // steps enough for losses that are not a guess's
	err := command(ctx, args, watcher{func(lines string) {
		if strings.Contains(lines, "epoch 2/3  loss") {
			cancel()
		}
	}}, io.Discard)
	require.ErrorIs(t, err, context.Canceled)
	stdout := must(t, append(args, "-resume")...)
	assert.Contains(t, stdout, "resuming after epoch 2 of 3")
	must(t, append(args, "-out", "whole")...)
	sameResults(t, "whole", "out")
}

func TestRecipeOfTheDrawnBirds(t *testing.T) {
	t.Chdir(t.TempDir())
	parsed := func(args ...string) *training {
		tr := &training{source: newSource(console.New(io.Discard, io.Discard))}
		cmd := tr.command()
		require.NoError(t, cmd.ParseFlags(spelling(args)[1:]))
		require.NoError(t, tr.settle(cmd.Flags()))
		return tr
	}
	bare := parsed()
	assert.Equal(t, bare.Recipe, parsed("-data", "birds", "-weights", "birds").Recipe)
	assert.Zero(t, bare.Distill.Weight)
	assert.Positive(t, bare.Binary.Weight)
	assert.Positive(t, bare.Hard.Share)
	low := parsed("-lr", "0.003")
	assert.InEpsilon(t, bare.Schedule.Min/bare.Schedule.Base, low.Schedule.Min/low.Schedule.Base, 1e-9, "the rate falls as far")
	assert.True(t, bare.bundled())
	assert.Greater(t, parsed("-preset", "long").Epochs, bare.Epochs)
	assert.Equal(t, 3, parsed("-epochs", "3").Epochs)
	assert.Equal(t, parsed("-data", "x", "-weights", "x", "-optimizer", "sgd").Recipe, parsed("-optimizer", "sgd").Recipe)
	photographs := parsed("-data", "x", "-weights", "birds")
	assert.Equal(t, parsed("-data", "x", "-weights", "x").Recipe, photographs.Recipe)
	assert.True(t, photographs.bundled())
	assert.True(t, parsed("-download", "-weights", "birds").bundled())

	require.NoError(t, os.Mkdir("birds", 0o755))
	assert.False(t, parsed("-data", "birds", "-weights", "birds").drawn(), "the folder")
	assert.True(t, parsed("-data", "birds", "-weights", "birds").bundled(), "a folder is no file of weights")
	assert.True(t, parsed().drawn(), "the folder was not asked for")

	require.NoError(t, os.Remove("birds"))
	require.NoError(t, os.WriteFile("birds", nil, 0o644))
	assert.False(t, parsed("-data", "x", "-weights", "birds").bundled(), "the file")
}

func TestFolderNamedAsTheDrawnBirds(t *testing.T) {
	fewBirds(t)
	weights, arch := tinyBackbone(t, nil)
	t.Chdir(t.TempDir())
	datatest.Photographs(t, "birds", 6)
	stdout := must(t, "-data", "birds", "-weights", weights, "-arch", arch, "-epochs", "1")
	assert.NotContains(t, stdout, "drawing")
	assert.Contains(t, stdout, "3 classes; 15 images to train on")
}

func TestInterruptedDrawingLeavesNothing(t *testing.T) {
	folder := fewBirds(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, _, err := cub(t, ctx, "-out", t.TempDir())
	require.ErrorIs(t, err, context.Canceled)
	left, err := os.ReadDir(folder)
	require.NoError(t, err)
	assert.Empty(t, left)
}
