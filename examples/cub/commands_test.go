package main

import (
	"context"
	"encoding/csv"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/promptcam/promptcam/data/datatest"
	"github.com/promptcam/promptcam/examples/internal/console"
	"github.com/promptcam/promptcam/tensor"
	"github.com/promptcam/promptcam/tensor/checkpoint"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Long flags may stand after one dash, and train is the command where there is none.
func TestSpelling(t *testing.T) {
	for given, want := range map[string]string{
		"":                           "train",
		"-epochs 3 -lr=-1":           "train --epochs 3 --lr=-1",
		"--epochs 3":                 "train --epochs 3",
		"train -epochs 3":            "train --epochs 3",
		"-h":                         "-h",
		"--version":                  "--version",
		"train -mode deep -h all":    "train --mode deep -h --help-all --help",
		"train --help all":           "train --help --help-all --help",
		"explain -model m -- -a.jpg": "explain --model m -- -a.jpg",
	} {
		assert.Equal(t, want, strings.Join(spelling(strings.Fields(given)), " "), given)
	}
}

func TestPredict(t *testing.T) {
	data := datatest.Photographs(t, t.TempDir(), 6)
	model, weights := trainedModel(t, data)
	write(t, filepath.Join(data, "red", "torn.jpg"), "no photograph")
	write(t, filepath.Join(data, "red", "IMG.HEIC"), "no photograph either")
	args := []string{"predict", "--model", model, "--weights", weights, filepath.Join(data, "red"), filepath.Join(data, "blue", "0.jpg")}
	stdout, stderr, err := cub(t, t.Context(), args...)
	require.NoError(t, err)
	assert.Contains(t, stderr, "1 file left out: 1 .heic, IMG.HEIC (cannot be read: save as JPEG)")
	lines := strings.Split(strings.TrimSpace(stdout), "\n")
	require.Len(t, lines, 1+6+1+1)
	assert.Equal(t, "path,predicted,probability,second,second_probability,head,row,column,error,set,doubt", lines[0])
	assert.Contains(t, lines[7], "torn.jpg,,,,,,,,")
	// The same as in the table of test images.
	for _, row := range table(t, model, "predictions.csv")[1:] {
		if strings.HasPrefix(row[0], "red/") {
			assert.Contains(t, stdout, row[0]+","+row[2]+",")
		}
	}
	stdout, stderr, err = cub(t, t.Context(), append(args, "--skip-bad")...)
	require.NoError(t, err)
	assert.NotContains(t, stdout, "torn.jpg")
	assert.Contains(t, stderr, "1 of 8 photographs cannot be read")
	fails(t, []string{"predict", "--model", model, "--weights", weights, t.TempDir()}, "no photographs in this folder")
}

// What is told of a photograph begins with its class and the look-alike, of which --data has a photograph.
func TestExplainTellsFromTheLookAlike(t *testing.T) {
	data := datatest.Photographs(t, t.TempDir(), 6)
	model, weights := trainedModel(t, data)
	args := []string{"explain", "--model", model, "--weights", weights, filepath.Join(data, "red", "0.jpg"), "--out", t.TempDir()}
	text := must(t, args...)
	first, _, _ := strings.Cut(text, "heads of the prompt of ")
	assert.Regexp(t, `\n  (told from|nothing seen tells it from) (blue|green|red)`, first)
	assert.Regexp(t, `add to the log odds of (blue|green|red) against (blue|green|red)\n`, first)
	assert.Equal(t, text, must(t, append(args, "--data", data)...))
	few := t.TempDir() // one photograph of each class, and annotations that cannot be read
	for _, class := range []string{"blue", "green", "red"} {
		photo, err := os.ReadFile(filepath.Join(data, class, "0.jpg"))
		require.NoError(t, err)
		require.NoError(t, os.Mkdir(filepath.Join(few, class), 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(few, class, "0.jpg"), photo, 0o644))
	}
	write(t, filepath.Join(few, "bounding_boxes.txt"), "no boxes")
	assert.Equal(t, text, must(t, append(args, "--data", few)...))
	assert.Contains(t, must(t, append(args, "--compare", "red,green,blue")...), "against green")
	fails(t, append(args, "--data", filepath.Join(data, "none")), "--data", "none")
}

// Whatever is said on the way, the table is alone on stdout.
func TestPredictPrintsTheTableAlone(t *testing.T) {
	data := datatest.Photographs(t, t.TempDir(), 6)
	model, weights := trainedModel(t, data)
	var stdout, stderr strings.Builder
	c := console.New(&stdout, &stderr)
	c.Every = 0
	root := commands(c)
	root.SetArgs([]string{"predict", "--model", model, "--weights", weights, data})
	require.NoError(t, root.ExecuteContext(t.Context()))
	rows, err := csv.NewReader(strings.NewReader(stdout.String())).ReadAll()
	require.NoError(t, err, stdout.String())
	require.Len(t, rows, 1+18)
	for _, row := range rows[1:] {
		assert.FileExists(t, row[0])
	}
	assert.Equal(t, 18, strings.Count(stderr.String(), "photographs  "), stderr.String())
}

func TestTraitsCommand(t *testing.T) {
	weights, arch := tinyBackbone(t, nil)
	data, out := flock(t), t.TempDir()
	must(t, "-data", data, "-weights", weights, "-arch", arch, "-epochs", "1", "-out", out, "-quiet")
	stdout := must(t, "traits", "--model", out, "--weights", weights, "--data", data, "--out", t.TempDir(), "--quiet")
	assert.Contains(t, stdout, "top-ranked head")
	for _, row := range []string{"001.Plain_Leafling ", "002.Spectacled_Leafling ", "003.Capped_Leafling "} {
		assert.Contains(t, stdout, row)
	}
	plain := datatest.Photographs(t, t.TempDir(), 6)
	model, weights := trainedModel(t, plain)
	fails(t, []string{"traits", "--model", model, "--weights", weights, "--data", plain, "--out", t.TempDir()}, plain, "no annotations")
}

func TestDataAndInspect(t *testing.T) {
	data := datatest.Photographs(t, t.TempDir(), 6)
	write(t, filepath.Join(data, "red", "torn.jpg"), "no photograph")
	stdout := must(t, "data", data)
	for _, want := range []string{data + ": 3 classes", "  red: 6 training, 0 validation, 1 test", "red/torn.jpg", "19 images: 16 training, 0 validation, 3 test; 1 cannot be read"} {
		assert.Contains(t, stdout, want)
	}
	fails(t, []string{"data", filepath.Join(data, "none")}, "--data", "none")

	weights, arch := tinyBackbone(t, nil)
	out := t.TempDir()
	must(t, "-data", data, "-weights", weights, "-arch", arch, "-epochs", "1", "-skip-bad", "-out", out)
	assert.Contains(t, must(t, "inspect", filepath.Join(out, "model.safetensors")), "a Prompt-CAM of 3 classes, mode last")
	assert.Contains(t, must(t, "inspect", filepath.Join(out, "features.safetensors")), "cached features")
	assert.Contains(t, must(t, "inspect", weights), "blocks.0.attn.qkv.weight F32 [72 24]")
	fails(t, []string{"inspect", filepath.Join(data, "red", "torn.jpg")}, "torn.jpg", "neither safetensors nor a PyTorch file")
	assert.Contains(t, must(t, "version"), "go1.")
	assert.Contains(t, must(t, "-version"), "go1.")
	assert.Contains(t, must(t, "completion", "bash"), "__start_cub")
}

// Interrupted, add-class says where its features are.
func TestAddClassInterrupted(t *testing.T) {
	data, more, out := datatest.Photographs(t, t.TempDir(), 6), t.TempDir(), t.TempDir()
	require.NoError(t, os.Rename(filepath.Join(data, "red"), filepath.Join(more, "red")))
	model, weights := trainedModel(t, data, "-mode", "last")
	ctx, cancel := context.WithCancel(t.Context())
	args := []string{"add-class", filepath.Join(more, "red"), "--model", model, "--weights", weights, "--data", data, "--out", out}
	err := command(ctx, args, watcher{func(line string) {
		if strings.HasPrefix(line, "red, class 3") {
			cancel()
		}
	}}, io.Discard)
	require.ErrorIs(t, err, context.Canceled)
	assert.EqualError(t, err, "interrupted; the same line starts again, with the features cached so far in "+filepath.Join(out, "features.safetensors"))
}

// A model without look-alikes, as earlier versions left it, gets those of its training.
func TestRefer(t *testing.T) {
	photographs := datatest.Photographs(t, t.TempDir(), 6)
	model, weights := trainedModel(t, photographs, "-mode", "last", "-cache", "off")
	path := filepath.Join(model, "model.safetensors")
	trained, err := os.ReadFile(path)
	require.NoError(t, err)
	f, err := checkpoint.Open(path)
	require.NoError(t, err)
	old := map[string]*tensor.Tensor{}
	for _, name := range f.Names() {
		if !strings.HasPrefix(name, "reference.") {
			old[name], err = f.Tensor(name)
			require.NoError(t, err)
		}
	}
	metadata := f.Metadata()
	require.NoError(t, f.Close())
	require.NoError(t, checkpoint.Save(path, old, metadata))

	explain := []string{"explain", "--model", model, "--weights", weights, filepath.Join(photographs, "red", "0.jpg"), "--out", t.TempDir()}
	const note = "the model has no look-alikes"
	assert.Equal(t, 1, strings.Count(must(t, explain...), note))
	evaluate := []string{"evaluate", "--model", model, "--weights", weights, "--data", photographs, "--out", t.TempDir()}
	assert.Equal(t, 1, strings.Count(must(t, evaluate...), note))

	args := []string{"refer", "--model", model, "--weights", weights, "--data", photographs, "--cache", "off"}
	stdout := must(t, args...)
	assert.Contains(t, stdout, "red is most like ")
	assert.Contains(t, stdout, "model: "+path)
	again, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.Equal(t, trained, again)
	assert.NotContains(t, must(t, explain...), note)

	// A model of another name, with nothing known of its photographs, is changed where it is, and nothing beside it.
	apart := t.TempDir()
	other := filepath.Join(apart, "a.safetensors")
	require.NoError(t, checkpoint.Save(other, old, metadata))
	write(t, filepath.Join(apart, "model.safetensors"), "another one's")
	must(t, "refer", "--model", other, "--weights", weights, "--data", photographs, "--cache", "off")
	assert.Equal(t, "another one's", read(t, apart, "model.safetensors"))
	f, err = checkpoint.Open(other)
	require.NoError(t, err)
	assert.Contains(t, f.Names(), "reference.own")
	require.NoError(t, f.Close())

	require.NoError(t, os.RemoveAll(filepath.Join(photographs, "red")))
	fails(t, args, "no image of class red", "want some of every class of the model")
	after, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.Equal(t, again, after)
}
