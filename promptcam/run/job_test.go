package run

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/promptcam/promptcam/data"
	"github.com/promptcam/promptcam/data/datatest"
	"github.com/promptcam/promptcam/promptcam"
	"github.com/promptcam/promptcam/tensor"
)

// Predictions count in the result's set, which unreadable images have left.
func TestPredictionsCountInTheResultsSet(t *testing.T) {
	dir := photographs(t, 10)
	j := job(t, dir, short())
	j.SkipBad = true
	bad := j.Set.Test[0].Path
	write(t, filepath.Join(dir, bad), "no photograph")
	r, err := j.Train(t.Context(), backbone(t))
	require.NoError(t, err)
	require.Len(t, r.Set.Test, len(j.Set.Test)-1)
	table := read(t, j.path(PredictionsFile))
	for i, line := range strings.Split(strings.TrimSpace(table), "\n")[1:] {
		path, _, _ := strings.Cut(line, ",")
		assert.Equal(t, path, r.Set.Test[r.Test.Predictions[i].Index].Path)
		assert.NotEqual(t, bad, path)
	}
	again, err := job(t, dir, Quick()).Evaluate(t.Context(), r.Model)
	assert.ErrorContains(t, err, "1 of 6 images cannot be read, the first: ")
	assert.ErrorContains(t, err, bad)
	assert.Nil(t, again)
}

// A set of a file system that is no folder of the disk has no path to compare folders with.
func TestTrainFromAFileSystem(t *testing.T) {
	r := short()
	set, err := data.OpenFS(os.DirFS(photographs(t, 10)), data.Options{TestShare: r.Test, Seed: r.Seed})
	require.NoError(t, err)
	require.Empty(t, set.Root)
	t.Chdir(t.TempDir())
	j := NewJob(r, set, "out")
	_, err = j.Train(t.Context(), backbone(t))
	require.NoError(t, err)
	page := read(t, j.path(ReportFile))
	assert.Contains(t, page, "<title>Prompt-CAM</title>")
	assert.Contains(t, page, ">3 classes<")
}

// A fault of the model is no photograph that cannot be read.
func TestPredictSaysThatTheModelIsWrong(t *testing.T) {
	m, err := promptcam.New(backbone(t), short().model(3), rand.New(rand.NewPCG(1, 1)))
	require.NoError(t, err)
	m.Classes, m.Transform.Height = []string{"blue", "green", "red"}, 7
	photo := filepath.Join(t.TempDir(), "0.png")
	datatest.Photograph(t, photo, 0, 0)
	for _, skip := range []bool{false, true} {
		var text strings.Builder
		assert.Error(t, WritePredictions(&text, (&Job{SkipBad: skip}).Predict(t.Context(), m, []string{photo})))
		assert.Equal(t, 1, strings.Count(text.String(), "\n"))
	}
}

// A photograph that was replaced between an interruption and the resumption ends it, as often as it is tried;
// put back, the run goes on.
func TestResumeRefusesReplacedPhotographs(t *testing.T) {
	dir := photographs(t, 10)
	j := job(t, dir, short())
	j.Samples = 0
	stop := os.ErrDeadlineExceeded
	stopped := *j
	stopped.Observer.Line = func(_ LineKind, text string) {
		if strings.HasPrefix(text, "epoch 2/") {
			panic(stop)
		}
	}
	b := backbone(t)
	assert.PanicsWithValue(t, stop, func() { stopped.Train(t.Context(), b) })
	path := filepath.Join(dir, j.Set.Train[0].Path)
	was := read(t, path)
	datatest.Photograph(t, path, 2, 99)
	for _, want := range []string{"the images or classes are not the same: 2 features were of photographs that have changed", "the images or classes are not the same"} {
		_, err := j.Resume(t.Context(), b)
		assert.ErrorContains(t, err, want)
	}
	write(t, path, was)
	_, err := j.Resume(t.Context(), b)
	assert.NoError(t, err)
}

func TestARecipeHasNoSettingsBesideItsKnobs(t *testing.T) {
	r := Quick()
	r.Schedule.Epochs = 3
	assert.ErrorContains(t, r.Validate(), "Schedule.Epochs")
	r = Quick()
	r.Distill.Teacher = func(*data.Batch) *tensor.Tensor { return nil }
	assert.ErrorContains(t, r.Validate(), "Distill.Teacher")
}

// Another run's features stay as they are, even where photographs have changed.
func TestEvaluateChangesNoFeaturesOfAnotherRun(t *testing.T) {
	dir, b := photographs(t, 10), backbone(t)
	j := job(t, dir, short())
	trained, err := j.Train(t.Context(), b)
	require.NoError(t, err)
	before := read(t, j.path(FeaturesFile))
	datatest.Photograph(t, filepath.Join(dir, j.Set.Test[0].Path), 1, 99)
	evaluate := func(modelDir string) string {
		test := job(t, dir, Quick())
		test.ModelDir = modelDir
		said := new([]string)
		test.Observer, said = lines()
		_, err = test.Evaluate(t.Context(), trained.Model)
		require.NoError(t, err)
		return strings.Join(*said, "\n")
	}
	assert.Contains(t, evaluate(j.Out), "photographs are read in place of another run's features")
	assert.Equal(t, before, read(t, j.path(FeaturesFile)))

	t.Chdir(j.Out)
	assert.NotContains(t, evaluate(""), "features", "the working directory is not the model's")
	broken := t.TempDir()
	write(t, filepath.Join(broken, FeaturesFile), "nonsense")
	assert.Contains(t, evaluate(broken), "photographs are read instead")
}

// A job without settings explains and predicts with the defaults.
func TestExplainWithAZeroJob(t *testing.T) {
	m, err := promptcam.New(backbone(t), short().model(3), rand.New(rand.NewPCG(1, 1)))
	require.NoError(t, err)
	m.Classes = []string{"blue", "green", "red"}
	photo := filepath.Join(t.TempDir(), "0.png")
	datatest.Photograph(t, photo, 0, 0)
	out := t.TempDir()
	var pictures []string
	for e, err := range (&Job{Out: out}).Explain(t.Context(), m, []string{photo}, "red") {
		require.NoError(t, err)
		pictures = append(pictures, read(t, e.Picture))
	}
	for e, err := range NewJob(Quick(), nil, out).Explain(t.Context(), m, []string{photo}, "red") {
		require.NoError(t, err)
		pictures = append(pictures, read(t, e.Picture))
	}
	require.Len(t, pictures, 2)
	assert.Equal(t, pictures[1], pictures[0])
	for _, err := range (&Job{}).Explain(t.Context(), m, []string{photo}) {
		assert.Error(t, err)
	}
	for _, err := range (&Job{Out: out, Blur: "none"}).Explain(t.Context(), m, []string{photo}) {
		assert.ErrorContains(t, err, "--blur")
	}
	for p, err := range (&Job{}).Predict(t.Context(), m, []string{photo, "none.png"}) {
		require.NoError(t, err)
		assert.Equal(t, p.Path == "none.png", p.Err != nil)
	}
}
