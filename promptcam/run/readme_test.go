package run_test

import (
	"bytes"
	"context"
	"fmt"
	"image/png"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/promptcam/promptcam/data"
	"github.com/promptcam/promptcam/data/birds"
	"github.com/promptcam/promptcam/promptcam"
	"github.com/promptcam/promptcam/promptcam/figure"
	"github.com/promptcam/promptcam/promptcam/run"
	"github.com/promptcam/promptcam/tensor/checkpoint"
	"github.com/promptcam/promptcam/vit"
	"github.com/promptcam/promptcam/vit/pretrained"
)

// README begins

// train fits a prompt per class to photographs in one sub-folder per class, and leaves a report in out.
func train(recipe run.Recipe, photographs, weights, out string) *promptcam.Model {
	set, err := run.OpenSet(photographs, recipe)
	check(err)
	file, err := checkpoint.Open(weights)
	check(err)
	defer file.Close()
	architecture, err := vit.Detect(file)
	check(err)
	backbone, err := vit.LoadFrom(file, architecture)
	check(err)
	result, err := run.NewJob(recipe, set, out).Train(context.Background(), backbone)
	check(err)
	fmt.Println("test top-1", result.Metrics.Test) // with its 95 % confidence interval
	return result.Model                            // as promptcam.Open(out+"/model.safetensors", weights) reads it later
}

// explain draws what tells the predicted class from its look-alike: orange is for it, blue against it.
func explain(model *promptcam.Model, photo, picture string) {
	img, err := data.ReadImage(photo)
	check(err)
	e, err := model.Explain(img)
	check(err)
	q := e.Question()
	c, o := q.For[0], q.Against[0]
	fmt.Printf("%s, %.1f %%, told from %s\n", model.Classes[c], 100*e.Probabilities[c], model.Classes[o])
	tells := e.Evidence(q).Map()
	check(figure.WritePNG(picture, figure.Overlay(e.Seen, tells, figure.Style{Signed: true})))
}

// README ends

// The README's example is the code above, and works.
func TestReadme(t *testing.T) {
	source, err := os.ReadFile("readme_test.go")
	require.NoError(t, err)
	_, example, _ := strings.Cut(string(source), "// README begins\n\n")
	example, _, _ = strings.Cut(example, "\n// README ends")
	readme, err := os.ReadFile(filepath.Join("..", "..", "README.md"))
	require.NoError(t, err)
	assert.Contains(t, string(readme), "```go\n"+example+"```")
	assert.LessOrEqual(t, strings.Count(example, "\n"), 40)

	dir := t.TempDir()
	photographs, weights := filepath.Join(dir, "birds"), filepath.Join("..", "..", "vit", "pretrained", "birds.safetensors")
	config := birds.Config{Species: birds.AllSpecies()[:3], Train: 4, Test: 2, Size: 96, Seed: 1}
	require.NoError(t, birds.Write(t.Context(), photographs, config))
	recipe := run.DrawnBirds()
	recipe.Epochs = 1
	model := train(recipe, photographs, weights, filepath.Join(dir, "out"))
	explain(model, filepath.Join(photographs, "images", "001.Plain_Leafling", "Plain_Leafling_0001.png"), filepath.Join(dir, "trait.png"))
	assert.FileExists(t, filepath.Join(dir, "trait.png"))
	_, err = promptcam.Open(filepath.Join(dir, "out", "model.safetensors"), weights)
	assert.NoError(t, err)
}

// Photographs need not be files of the system's.
func TestPhotosOfAFileSystem(t *testing.T) {
	var file bytes.Buffer
	require.NoError(t, png.Encode(&file, birds.Draw(birds.AllSpecies()[0].Traits, birds.NewScene(1), 96).RGB))
	model, err := promptcam.New(pretrained.Birds(), promptcam.Config{Mode: promptcam.Last, Classes: 2}, rand.New(rand.NewPCG(1, 2)))
	require.NoError(t, err)
	job := &run.Job{Photos: fstest.MapFS{"a/bird.png": {Data: file.Bytes()}}, Out: t.TempDir()}
	for p, err := range job.Predict(t.Context(), model, []string{"a/bird.png"}) {
		require.NoError(t, err)
		assert.NoError(t, p.Err)
		assert.Contains(t, model.Classes, p.Predicted)
	}
	for e, err := range job.Explain(t.Context(), model, []string{"a/bird.png"}) {
		require.NoError(t, err)
		assert.FileExists(t, e.Picture)
	}
}
