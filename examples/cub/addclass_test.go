package main

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/promptcam/promptcam/promptcam"
	"github.com/promptcam/promptcam/tensor/checkpoint"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// twoClasses draws photographs of blue and green, and those of red in a folder elsewhere.
func twoClasses(t *testing.T) (data, red string) {
	t.Helper()
	data, red = t.TempDir(), t.TempDir()
	photographs(t, data, 10)
	require.NoError(t, os.Rename(filepath.Join(data, "red"), filepath.Join(red, "red")))
	return data, filepath.Join(red, "red")
}

// adding are the settings for adding a class.
func adding(t *testing.T, load, weights, data, photos, out string) *settings {
	t.Helper()
	s, err := parse([]string{"-load", load, "-weights", weights, "-data", data, "-out", out}, io.Discard)
	require.NoError(t, err)
	s.addClass = photos
	return s
}

func TestAddClass(t *testing.T) {
	data, red := twoClasses(t)
	for name, mode := range map[string][]string{
		"last": {"-mode", "last"},
		"deep": {"-mode", "deep", "-agnostic", "2"},
	} {
		t.Run(name, func(t *testing.T) {
			run, weights := trainedModel(t, data, append(mode, "-patches-only", "-epochs", "6")...)
			load, out := filepath.Join(run, "model.safetensors"), t.TempDir()
			before := read(t, load)
			s := adding(t, load, weights, data, red, out)
			var stdout strings.Builder
			require.NoError(t, addClass(t.Context(), s, newConsole(&stdout, io.Discard, false)))
			assert.Equal(t, before, read(t, load))
			model := filepath.Join(out, "model.safetensors")
			assert.Contains(t, stdout.String(), "red, class 3: 8 photographs to train on, 2 to test; 16 images of the 2 classes before it")
			assert.Equal(t, name == "last", strings.Contains(stdout.String(), "features.safetensors: 0 reused, 56 made"), "26 photographs to train on in two views, 4 test images in one")
			assert.Contains(t, stdout.String(), "of 2 photographs that were held out are recognised")
			assert.Contains(t, stdout.String(), "model: "+model)
			want := []string{"features.safetensors", "metrics.json", "model.safetensors"}
			if name == "deep" {
				want = want[1:]
			}
			assert.Equal(t, want, files(t, out))

			old, err := checkpoint.Open(load)
			require.NoError(t, err)
			defer old.Close()
			extended, err := checkpoint.Open(model)
			require.NoError(t, err)
			defer extended.Close()
			info, err := promptcam.ReadInfo(extended)
			require.NoError(t, err)
			assert.Equal(t, []string{"blue", "green", "red"}, info.Classes)
			assert.Equal(t, 3, info.Config.Classes)
			assert.Equal(t, old.Names(), extended.Names())
			for _, tensor := range old.Names() {
				a, err := old.Tensor(tensor)
				require.NoError(t, err)
				b, err := extended.Tensor(tensor)
				require.NoError(t, err)
				assert.Equal(t, a.Data(), b.Data()[:a.Len()], tensor)
			}

			was, is := readMetrics(t, run), readMetrics(t, out)
			assert.Equal(t, was["test"], is["before"], "the same images, the same scores")
			assert.EqualValues(t, 4, is["test_images"])
			assert.EqualValues(t, 2, is["held_images"])
			assert.EqualValues(t, 100, is["recognised"])
			assert.LessOrEqual(t, is["after"].(map[string]any)["top1"], is["before"].(map[string]any)["top1"])

			// The new model is one like others.
			three := t.TempDir()
			photographs(t, three, 10)
			again := t.TempDir()
			must(t, "-load", model, "-weights", weights, "-data", three, "-out", again)
			assert.Contains(t, must(t, "-load", model, "-weights", weights, "-explain", filepath.Join(red, "0.jpg"), "-class", "red", "-out", again), "heads of the prompt of red")

			bits := read(t, model)
			require.NoError(t, addClass(t.Context(), s, newConsole(io.Discard, io.Discard, true)))
			assert.Equal(t, bits, read(t, model), "again")
		})
	}
}

func TestAddClassWithoutTheOldImages(t *testing.T) {
	data, red := twoClasses(t)
	run, weights := trainedModel(t, data, "-mode", "last", "-patches-only", "-epochs", "6")
	out := t.TempDir()
	s := adding(t, filepath.Join(run, "model.safetensors"), weights, data, red, out)
	s.data = ""
	var warnings strings.Builder
	require.NoError(t, addClass(t.Context(), s, newConsole(io.Discard, &warnings, false)))
	assert.Contains(t, warnings.String(), "without images of the other classes red will take some of theirs")
	m := readMetrics(t, out)
	assert.Nil(t, m["before"])
	assert.Nil(t, m["after"])
	assert.GreaterOrEqual(t, m["recognised"], 50.0)
}

func TestAddClassRefuses(t *testing.T) {
	data, red := twoClasses(t)
	run, weights := trainedModel(t, data, "-mode", "last", "-patches-only")
	load := filepath.Join(run, "model.safetensors")
	seeing, seeingWeights := trainedModel(t, data, "-mode", "shallow")
	folder := func(name string, photos int, more ...string) string {
		dir := filepath.Join(t.TempDir(), name)
		require.NoError(t, os.MkdirAll(dir, 0o755))
		for i := range photos {
			photograph(t, filepath.Join(dir, string(rune('a'+i))+".png"), 2, i)
		}
		for _, path := range more {
			write(t, filepath.Join(dir, path), "no photograph")
		}
		return dir
	}
	half := t.TempDir()
	write(t, filepath.Join(half, "state.safetensors"), "")
	numbered := t.TempDir()
	require.NoError(t, os.CopyFS(numbered, os.DirFS(data)))
	require.NoError(t, os.Rename(filepath.Join(numbered, "green"), filepath.Join(numbered, "002.green")))
	birds, birdsWeights := trainedModel(t, numbered, "-mode", "last", "-patches-only")
	finished := t.TempDir()
	write(t, filepath.Join(finished, "metrics.json"), "{}")

	for name, c := range map[string]struct {
		change func(s *settings)
		want   string
	}{
		"known class": {func(s *settings) { s.addClass = folder("green", 3) }, "the model has a class green already"},
		"known name": {func(s *settings) {
			s.load, s.weights, s.data, s.addClass = filepath.Join(birds, "model.safetensors"), birdsWeights, numbered, folder("green", 3)
		}, "the model has a class 002.green already"},
		"trained in out":  {func(s *settings) { s.out = birds }, "whose report would stay beside the new model"},
		"no folder":       {func(s *settings) { s.addClass = filepath.Join(t.TempDir(), "none") }, "no such file or directory"},
		"a file":          {func(s *settings) { s.addClass = filepath.Join(red, "0.jpg") }, "-add-class"},
		"empty":           {func(s *settings) { s.addClass = folder("empty", 0, ".hidden") }, "photographs that can be read: 0, need at least 2"},
		"one":             {func(s *settings) { s.addClass = folder("one", 1) }, "read: 1, need at least 2, one to train on and one to test"},
		"folders":         {func(s *settings) { s.addClass = filepath.Dir(red) }, "holds the folder red, want the photographs of one class"},
		"unreadable":      {func(s *settings) { s.addClass = folder("bad", 3, "notes.txt") }, "1 of 24 images cannot be read, listed above: -skip-bad goes on without them"},
		"too few left":    {func(s *settings) { s.addClass, s.skipBad = folder("bad", 1, "b.png"), true }, "read: 1, need at least 2"},
		"out is in it":    {func(s *settings) { s.addClass = folder("in", 3); s.out = filepath.Join(s.addClass, "out") }, "want a folder outside"},
		"the model's out": {func(s *settings) { s.out = run }, "is the folder of -load"},
		"unfinished run":  {func(s *settings) { s.out = half }, "holds an unfinished run"},
		"finished run":    {func(s *settings) { s.out = finished; s.given["out"] = false }, "-out is missing"},
		"other classes":   {func(s *settings) { s.data = photographs(t, t.TempDir(), 3) }, "are not among them"},
		"shallow": {func(s *settings) {
			s.load, s.weights = filepath.Join(seeing, "model.safetensors"), seeingWeights
		}, "in mode shallow class prompts see each other"},
	} {
		t.Run(name, func(t *testing.T) {
			out := filepath.Join(t.TempDir(), "out")
			s := adding(t, load, weights, data, red, out)
			c.change(s)
			err := addClass(t.Context(), s, newConsole(io.Discard, io.Discard, true))
			assert.ErrorContains(t, err, c.want)
			assert.NoFileExists(t, filepath.Join(out, "model.safetensors"))
			assert.NoFileExists(t, filepath.Join(out, "metrics.json"))
		})
	}

	out := t.TempDir()
	s := adding(t, load, weights, data, folder("bad", 3, "notes.txt"), out)
	s.skipBad = true
	require.NoError(t, addClass(t.Context(), s, newConsole(io.Discard, io.Discard, true)))
	assert.EqualValues(t, 1, readMetrics(t, out)["skipped_images"])
}

// Whenever it is interrupted, no half result is left, and the same again ends as if nothing had happened.
func TestAddClassInterrupted(t *testing.T) {
	data, red := twoClasses(t)
	run, weights := trainedModel(t, data, "-mode", "last", "-patches-only")
	load := filepath.Join(run, "model.safetensors")
	want, out := t.TempDir(), t.TempDir()
	require.NoError(t, addClass(t.Context(), adding(t, load, weights, data, red, want), newConsole(io.Discard, io.Discard, true)))

	s := adding(t, load, weights, data, red, out)
	ctx, cancel := context.WithCancel(t.Context())
	err := addClass(ctx, s, newConsole(watcher{func(line string) {
		if strings.HasPrefix(line, "red, class 3") {
			cancel()
		}
	}}, io.Discard, false))
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorIs(t, addClass(ctx, s, newConsole(io.Discard, io.Discard, true)), context.Canceled)
	assert.Equal(t, []string{"features.safetensors"}, files(t, out), "which are reused")
	require.NoError(t, addClass(t.Context(), s, newConsole(io.Discard, io.Discard, true)))
	assert.Equal(t, files(t, want), files(t, out))
	assert.Equal(t, read(t, want, "model.safetensors"), read(t, out, "model.safetensors"))
}
