package promptcam_test

import (
	"fmt"
	"image/png"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/promptcam/promptcam/data"
	"github.com/promptcam/promptcam/nn"
	"github.com/promptcam/promptcam/promptcam"
	"github.com/promptcam/promptcam/promptcam/figure"
	"github.com/promptcam/promptcam/tensor/checkpoint"
)

func check(err error) {
	if err != nil {
		panic(err)
	}
}

func explain(trained, weights, photo, out string) {
	model, err := promptcam.Open(trained, weights) // examples/cub leaves model.safetensors in -out
	check(err)
	img, err := data.ReadImage(photo)
	check(err)
	e, err := model.Explain(img)
	check(err)
	r := e.Rank(e.Predicted(), promptcam.BlurPatches) // its heads, the most important first
	fmt.Printf("%s, %.1f %%\n", model.Classes[r.Class], 100*e.Probabilities[r.Class])
	trait := e.Heat(r.Class, r.Heads[0].Head)
	check(figure.WritePNG(out, figure.Overlay(e.Seen, trait, figure.Style{})))
}

// The README's example stands in this file, and works.
func TestReadme(t *testing.T) {
	source, err := os.ReadFile("readme_test.go")
	require.NoError(t, err)
	_, example, found := strings.Cut(string(source), "\nfunc explain(")
	require.True(t, found)
	example, _, found = strings.Cut(example, "\n}\n")
	require.True(t, found)
	readme, err := os.ReadFile(filepath.Join("..", "README.md"))
	require.NoError(t, err)
	assert.Contains(t, string(readme), "func explain("+example+"\n}\n")

	official := open()
	model, err := promptcam.New(official.Backbone, promptcam.Config{Mode: promptcam.Last, Classes: 2}, rand.New(rand.NewPCG(1, 1)))
	require.NoError(t, err)
	dir := t.TempDir()
	trained, photo, out := filepath.Join(dir, "model.safetensors"), filepath.Join(dir, "bird.png"), filepath.Join(dir, "trait.png")
	require.NoError(t, model.SaveFile(trained))
	require.NoError(t, figure.WritePNG(photo, bird()))
	backbone := filepath.Join(dir, "backbone.safetensors")
	require.NoError(t, checkpoint.Save(backbone, nn.State(official.Backbone), nil))

	explain(trained, backbone, photo, out)
	f, err := os.Open(out)
	require.NoError(t, err)
	defer f.Close()
	m, err := png.Decode(f)
	require.NoError(t, err)
	assert.Equal(t, bird().Bounds().Size(), m.Bounds().Size())
}
