package run

import (
	"encoding/json"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/promptcam/promptcam/promptcam"
	"github.com/promptcam/promptcam/tensor/checkpoint"
	"github.com/promptcam/promptcam/vit"
)

// backbone returns one that is small enough to train on in a moment.
func backbone(t *testing.T) *vit.Model {
	t.Helper()
	half := [3]float32{0.5, 0.5, 0.5}
	b, err := vit.New(vit.Config{
		Name: "tiny", ImageSize: [2]int{32, 32}, PatchSize: 8, Dim: 24, Depth: 3, Heads: 3, Hidden: 48, Eps: 1e-6, Mean: half, Std: half,
	}, rand.New(rand.NewPCG(1, 2)))
	require.NoError(t, err)
	return b
}

// photograph draws a noisy picture of a class's colour, as JPEG or PNG by path.
func photograph(t *testing.T, path string, class, number int) {
	t.Helper()
	rng := rand.New(rand.NewPCG(uint64(class), uint64(number)))
	m := image.NewRGBA(image.Rect(0, 0, 40, 36))
	for y := range 36 {
		for x := range 40 {
			v := [3]uint8{uint8(rng.IntN(90)), uint8(rng.IntN(90)), uint8(rng.IntN(90))}
			v[2-class] += 150
			m.SetRGBA(x, y, color.RGBA{v[0], v[1], v[2], 255})
		}
	}
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
	f, err := os.Create(path)
	require.NoError(t, err)
	if strings.HasSuffix(path, ".png") {
		require.NoError(t, png.Encode(f, m))
	} else {
		require.NoError(t, jpeg.Encode(f, m, nil))
	}
	require.NoError(t, f.Close())
}

// photographs draws n pictures of each class in a new folder.
func photographs(t *testing.T, n int) string {
	t.Helper()
	dir := t.TempDir()
	for class, name := range []string{"blue", "green", "red"} {
		for i := range n {
			photograph(t, filepath.Join(dir, name, fmt.Sprintf("%d%s", i, []string{".jpg", ".png"}[i%2])), class, i)
		}
	}
	return dir
}

// job returns a job on a folder of photographs, in a new folder.
func job(t *testing.T, dir string, r Recipe) *Job {
	t.Helper()
	set, err := OpenSet(dir, r)
	require.NoError(t, err)
	return NewJob(r, set, t.TempDir())
}

// short is a recipe of few epochs.
func short() Recipe {
	r := Quick()
	r.Epochs, r.Batch = 6, 4
	return r
}

// lines returns an observer and what it hears: warnings begin with an exclamation mark.
func lines() (Observer, *[]string) {
	var all []string
	return Observer{Line: func(kind LineKind, text string) {
		if kind == Warning {
			text = "! " + text
		}
		all = append(all, text)
	}}, &all
}

// load reads a model that a job has left.
func load(t *testing.T, j *Job, b *vit.Model) *promptcam.Model {
	t.Helper()
	f, err := checkpoint.Open(j.path(ModelFile))
	require.NoError(t, err)
	defer f.Close()
	m, err := promptcam.Load(f, b)
	require.NoError(t, err)
	return m
}

func write(t *testing.T, path, text string) {
	t.Helper()
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
	require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
}

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	return string(b)
}

// metrics reads metrics.json as whoever uses it would.
func metrics(t *testing.T, j *Job) map[string]any {
	t.Helper()
	var m map[string]any
	require.NoError(t, json.Unmarshal([]byte(read(t, j.path(MetricsFile))), &m))
	return m
}

// files lists the files below a job's folder.
func files(t *testing.T, j *Job) []string {
	t.Helper()
	var all []string
	require.NoError(t, filepath.WalkDir(j.Out, func(path string, e os.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			rel, _ := filepath.Rel(j.Out, path)
			all = append(all, filepath.ToSlash(rel))
		}
		return err
	}))
	slices.Sort(all)
	return all
}
