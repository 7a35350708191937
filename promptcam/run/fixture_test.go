package run

import (
	"encoding/json"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/promptcam/promptcam/data/datatest"
	"github.com/promptcam/promptcam/promptcam"
	"github.com/promptcam/promptcam/tensor/checkpoint"
	"github.com/promptcam/promptcam/vit"
)

// backbone returns one that is small enough to train on in a moment.
func backbone(t testing.TB) *vit.Model {
	t.Helper()
	half := [3]float32{0.5, 0.5, 0.5}
	b, err := vit.New(vit.Config{
		Name: "tiny", ImageSize: [2]int{32, 32}, PatchSize: 8, Dim: 24, Depth: 3, Heads: 3, Hidden: 48, Eps: 1e-6, Mean: half, Std: half,
	}, rand.New(rand.NewPCG(1, 2)))
	require.NoError(t, err)
	return b
}

// photographs draws n pictures of each class in a new folder.
func photographs(t *testing.T, n int) string { return datatest.Photographs(t, t.TempDir(), n) }

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
