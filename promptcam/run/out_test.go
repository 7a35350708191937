package run

import (
	"context"
	"encoding/csv"
	"fmt"
	"iter"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/promptcam/promptcam/data"
	"github.com/promptcam/promptcam/data/datatest"
	"github.com/promptcam/promptcam/promptcam"
	"github.com/promptcam/promptcam/tensor/machine"
)

// One folder has one writer: a second job says whose it is, and touches nothing.
func TestOneJobWritesToAFolder(t *testing.T) {
	b, dir := backbone(t), photographs(t, 10)
	j := job(t, dir, short())
	trained, err := j.Train(t.Context(), b)
	require.NoError(t, err)

	out := filepath.Join(t.TempDir(), "out")
	require.NoError(t, os.Mkdir(out, 0o755))
	unlock, err := machine.TryLock(filepath.Join(out, machine.LockFile))
	require.NoError(t, err)
	for name, work := range map[string]func(*Job) error{
		"train":    func(j *Job) error { _, err := j.Train(t.Context(), b); return err },
		"resume":   func(j *Job) error { _, err := j.Resume(t.Context(), b); return err },
		"evaluate": func(j *Job) error { _, err := j.Evaluate(t.Context(), trained.Model); return err },
		"add": func(j *Job) error {
			folder := filepath.Join(t.TempDir(), "mauve")
			for i := range 4 {
				datatest.Photograph(t, filepath.Join(folder, fmt.Sprint(i)+".png"), 1, i)
			}
			_, err := j.AddClass(t.Context(), trained.Model, folder)
			return err
		},
	} {
		j := job(t, dir, short())
		j.Out, j.Cache = out, noCache
		j.Distill.Weight = 0
		err := work(j)
		require.EqualError(t, err, fmt.Sprintf("--out %s is in use by another run (process %d): wait until it ends, or choose another folder", out, os.Getpid()), name)
		assert.Equal(t, []string{machine.LockFile}, files(t, j), name)
	}
	require.NoError(t, unlock())

	again := job(t, dir, short())
	again.Out = filepath.Join(out, "new")
	again.Mode = "from:7"
	_, err = again.Train(t.Context(), b)
	require.ErrorContains(t, err, "from:7")
	assert.NoDirExists(t, again.Out, "made for nothing")
}

// What processes that were killed have left in Out goes with the next run, and so does the report's folder of one
// that ends before there is a report.
func TestNothingTemporaryIsLeft(t *testing.T) {
	b, dir := backbone(t), photographs(t, 6)
	j := job(t, dir, short())
	write(t, j.path(machine.LockFile), "123")
	write(t, j.path("report/.report-samples-123"), "samples")
	write(t, j.path("report/.try"), "")
	write(t, j.path("report/mine.html"), "kept")
	_, err := j.Train(t.Context(), b)
	require.NoError(t, err)
	assert.Equal(t, []string{CurvesFile, FeaturesFile, HistoryFile, ImagesFile, MetricsFile, ModelFile, PredictionsFile, ReportFile, "report/mine.html"}, files(t, j))

	j = job(t, dir, short())
	ctx, cancel := context.WithCancel(t.Context())
	j.Observer.Line = func(_ LineKind, text string) {
		if strings.HasPrefix(text, "epoch 2/") {
			cancel()
		}
	}
	_, err = j.Train(ctx, b)
	require.ErrorIs(t, err, context.Canceled)
	assert.NoDirExists(t, j.path("report"))
	assert.NoFileExists(t, j.path(machine.LockFile))
}

// A folder with the results of another run, in which a new one was interrupted before its first epoch, is
// resumed with the settings of the new one. Those of the finished one have nothing to resume.
func TestResumeInTheFolderOfAnotherRun(t *testing.T) {
	b, dir := backbone(t), photographs(t, 10)
	j := job(t, dir, short())
	j.Samples = 0
	_, err := j.Train(t.Context(), b)
	require.NoError(t, err)
	_, err = j.Resume(t.Context(), b)
	require.EqualError(t, err, "resume: the run in "+j.Out+" has finished")

	for name, change := range map[string]func(*Job){
		"settings": func(j *Job) { j.Seed++ },
		"classes": func(j *Job) {
			set, err := OpenSet(dir, j.Recipe, "red", "green")
			require.NoError(t, err)
			j.Set = set
		},
	} {
		other := *j
		change(&other)
		said := new([]string)
		other.Observer, said = lines()
		_, err = other.Resume(t.Context(), b)
		require.NoError(t, err, name)
		assert.Contains(t, strings.Join(*said, "\n"), "no epoch had finished in "+j.Out)
		assert.Contains(t, strings.Join(*said, "\n"), "holds the results of an earlier run")
		_, err = other.Resume(t.Context(), b)
		require.ErrorContains(t, err, "has finished", name)
	}
}

// Without cached features too a photograph that was replaced is noticed, and a newer date is not.
func TestResumeNoticesReplacedPhotographs(t *testing.T) {
	b, dir := backbone(t), photographs(t, 6)
	r := Deep()
	r.Epochs, r.Batch, r.Agnostic = 3, 4, 2
	j := job(t, dir, r)
	j.Samples = 0
	ctx, cancel := context.WithCancel(t.Context())
	j.Observer.Line = func(_ LineKind, text string) {
		if strings.HasPrefix(text, "epoch 1/") {
			cancel()
		}
	}
	_, err := j.Train(ctx, b)
	require.ErrorIs(t, err, context.Canceled)

	photo := filepath.Join(dir, "red", "1.png")
	kept := read(t, photo)
	datatest.Photograph(t, photo, 2, 77)
	_, err = j.Resume(t.Context(), b)
	require.ErrorContains(t, err, "photographs were replaced by others of the same names")
	write(t, photo, kept)
	_, err = j.Resume(t.Context(), b)
	require.NoError(t, err)
}

func TestAJobWithoutASet(t *testing.T) {
	b := backbone(t)
	j := NewJob(short(), nil, t.TempDir())
	_, err := j.Train(t.Context(), b)
	require.ErrorContains(t, err, "without a Set")
	_, err = j.Resume(t.Context(), b)
	require.ErrorContains(t, err, "without a Set")
	_, err = j.Evaluate(t.Context(), nil)
	require.ErrorContains(t, err, "without a Set")
}

// Steps that are too long end with an error: no model stays, and nothing to resume.
func TestTrainingThatDiverges(t *testing.T) {
	b, dir := backbone(t), photographs(t, 10)
	for _, c := range []struct {
		optimizer string
		lr        float64
		batch     int
		epochs    int
	}{{"adamw", 1000, 64, 1}, {"adamw", 100, 64, 2}, {"sgd", 100, 4, 2}, {"sgd", 100, 64, 1}} { // after one step the epoch's own loss tells nothing
		r := short()
		r.Optimizer, r.Batch, r.Epochs, r.Distill.Weight = c.optimizer, c.batch, c.epochs, 0
		r.Schedule.Base, r.Schedule.Min, r.Schedule.Warmup = c.lr, c.lr, 0
		j := job(t, dir, r)
		j.Samples = 0
		_, err := j.Train(t.Context(), b)
		require.Error(t, err, c)
		assert.Contains(t, err.Error(), "training diverged: the loss ended at ", c)
		assert.Contains(t, err.Error(), fmt.Sprint(": try an --lr below ", c.lr))
		assert.Equal(t, []string{FeaturesFile}, files(t, j))
	}
}

// A model of numbers so large that its scores are none is neither tested nor explained.
func TestScoresThatAreNoNumbers(t *testing.T) {
	dir := photographs(t, 6)
	m, _, _ := trained(t, backbone(t), dir, nil)
	m.Head.Weight.Value.Fill(math.MaxFloat32)
	test := job(t, dir, Quick())
	_, err := test.Evaluate(t.Context(), m)
	var wrong *promptcam.ScoreError
	require.ErrorAs(t, err, &wrong)
	assert.Contains(t, err.Error(), test.Set.Test[0].Path)
	assert.NotContains(t, files(t, test), PredictionsFile)

	photo := filepath.Join(dir, "red", "1.png")
	for _, err := range test.Explain(t.Context(), m, []string{photo}) {
		require.ErrorAs(t, err, &wrong)
		assert.Contains(t, err.Error(), photo)
	}
	for _, err := range test.Predict(t.Context(), m, []string{photo}) {
		require.ErrorAs(t, err, &wrong)
	}
}

func TestMilestones(t *testing.T) {
	for of, most := range map[int]int{1: 1, 10: 10, 50: 50, 51: 25, 60: 25, 450: 60, 501: 60, 900: 60, 10000: 60, 1 << 20: 60} {
		n := 0
		for i := 1; i <= of; i++ {
			if milestone(i, of) {
				n++
			}
		}
		assert.LessOrEqual(t, n, most, of)
		assert.GreaterOrEqual(t, n, min(of, 10), of)
		assert.True(t, milestone(1, of) && milestone(of, of), of)
	}
}

func TestNamesAreNoFormulas(t *testing.T) {
	for cell, want := range map[string]string{
		`=HYPERLINK("http://x")`: `'=HYPERLINK("http://x")`,
		"+cmd|' /C calc'!A0":     "'+cmd|' /C calc'!A0",
		"-2+3":                   "'-2+3",
		"@SUM(A1)":               "'@SUM(A1)",
		"\t=1":                   `'\t=1`,
		"\r=1":                   `'\r=1`,
		"＝1+1":                   "'＝1+1",
		"-0.25":                  "-0.25",
		"+3":                     "+3",
		"-1e-07":                 "-1e-07",
		"Black-capped, =":        "Black-capped, =",
		"a\x1b[31m\nb":           `a\x1b[31m\nb`,
		"":                       "",
		"Käfer 甲虫":               "Käfer 甲虫",
	} {
		assert.Equal(t, want, harmless(cell))
	}

	// Classes and files of any name, through every table.
	dir := t.TempDir()
	for class, name := range []string{"=1+1", "+A1", "@red"} {
		for i := range 6 {
			datatest.Photograph(t, filepath.Join(dir, name, fmt.Sprintf("-%d.png", i)), class, i)
		}
	}
	j := job(t, dir, short())
	trained, err := j.Train(t.Context(), backbone(t))
	require.NoError(t, err)
	var table strings.Builder
	photos := []string{filepath.Join(dir, "=1+1", "-1.png")}
	require.NoError(t, WritePredictions(&table, j.Predict(t.Context(), trained.Model, photos)))
	for _, text := range []string{read(t, j.path(PredictionsFile)), read(t, j.path(HistoryFile)), table.String()} {
		rows, err := csv.NewReader(strings.NewReader(text)).ReadAll()
		require.NoError(t, err)
		for _, cell := range slices.Concat(rows...) {
			assert.Equal(t, cell, harmless(cell), "as it is in the file")
		}
	}
	assert.Contains(t, read(t, j.path(PredictionsFile)), "path,true,predicted,probability,'+A1,'=1+1,'@red")
}

// A table of many classes is written row by row.
func TestPredictionsTakeLittleMemory(t *testing.T) {
	const classes, photos = 1000, 400
	r := &results{images: &images{Job: NewJob(Quick(), nil, t.TempDir())}}
	r.Set, r.Model = &data.Set{}, &promptcam.Model{}
	for i := range classes {
		r.Set.Classes = append(r.Set.Classes, fmt.Sprint("class ", i))
	}
	r.Test = promptcam.NewEvaluation(classes)
	for i := range photos {
		r.Set.Test = append(r.Set.Test, data.Item{Path: fmt.Sprint(i), Class: i})
		scores := make([]float32, classes)
		for c := range scores {
			scores[c] = float32(c) / 7
		}
		r.Test.Predictions = append(r.Test.Predictions, promptcam.Prediction{Index: i, Class: i, Scores: scores})
	}
	var most uint64
	watched := func(rows iter.Seq[[]string]) iter.Seq[[]string] {
		return func(yield func([]string) bool) {
			for row := range rows {
				var m runtime.MemStats
				runtime.GC()
				runtime.ReadMemStats(&m)
				if most = max(most, m.HeapAlloc); !yield(row) {
					return
				}
			}
		}
	}
	var before runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	require.NoError(t, r.writeCSV(PredictionsFile, watched(r.predictions())))
	assert.Less(t, most-min(most, before.HeapAlloc), uint64(2<<20), "the table has %d cells", classes*photos)
}

// The results of a test do not stand beside another model.
func TestEvaluateBesideAnotherModel(t *testing.T) {
	dir := photographs(t, 6)
	m, j, _ := trained(t, backbone(t), dir, nil)
	test := job(t, dir, Quick())
	write(t, test.path(ModelFile), read(t, j.path(ModelFile)))
	test.ModelDir = j.Out
	_, err := test.Evaluate(t.Context(), m)
	require.ErrorContains(t, err, "holds a model, beside which")
	test.ModelDir = test.Out
	write(t, test.path(TraitsFile), "of another test")
	_, err = test.Evaluate(t.Context(), m)
	require.NoError(t, err)
	assert.Equal(t, []string{MetricsFile, ModelFile, PredictionsFile, ReportFile}, files(t, test))
}

// Photographs none of which can be read are no success, however they are reported.
func TestPredictNothing(t *testing.T) {
	dir := photographs(t, 6)
	m, j, _ := trained(t, backbone(t), dir, nil)
	bad, good := filepath.Join(dir, "bad.jpg"), filepath.Join(dir, "red", "1.png")
	write(t, bad, "no photograph")
	for _, skip := range []bool{false, true} {
		j.SkipBad = skip
		var table strings.Builder
		err := WritePredictions(&table, j.Predict(t.Context(), m, []string{bad, bad}))
		require.ErrorContains(t, err, "none of 2 photographs can be read, the first: data: "+bad)
		assert.Equal(t, map[bool]int{false: 3, true: 1}[skip], strings.Count(table.String(), "\n"))
		require.NoError(t, WritePredictions(&table, j.Predict(t.Context(), m, []string{bad, good})))
	}
}

// A complete cache that cannot be written is used, and one that is not complete says so.
func TestReadOnlyCache(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("root writes everywhere")
	}
	b, dir, cache := backbone(t), photographs(t, 6), t.TempDir()
	j := job(t, dir, short())
	j.Cache = cache
	_, err := j.Train(t.Context(), b)
	require.NoError(t, err)
	require.NoError(t, os.Chmod(filepath.Join(cache, FeaturesFile), 0o444))
	require.NoError(t, os.Chmod(cache, 0o555))
	defer os.Chmod(cache, 0o755)
	again := job(t, dir, short())
	again.Cache = cache
	_, err = again.Train(t.Context(), b)
	require.NoError(t, err)
	assert.Equal(t, read(t, j.path(PredictionsFile)), read(t, again.path(PredictionsFile)))

	datatest.Photograph(t, filepath.Join(dir, "red", "1.png"), 1, 99)
	more := job(t, dir, short())
	more.Cache = cache
	_, err = more.Train(t.Context(), b)
	require.ErrorContains(t, err, "is not complete, and cannot be written")
}

// A description is lines of its own, whatever a class or a photograph is called.
func TestDescriptionsOfAnyNames(t *testing.T) {
	dir := photographs(t, 6)
	m, j, _ := trained(t, backbone(t), dir, nil)
	m.Classes = []string{"a\x1b[2J\nb", "c\u202e", "d\r\xff"}
	photo := filepath.Join(dir, "x\ny\x1b.png")
	datatest.Photograph(t, photo, 1, 1)
	for e, err := range j.Explain(t.Context(), m, []string{photo}, m.Classes...) {
		require.NoError(t, err)
		assert.Contains(t, e.Text, `x\ny\x1b.png, `)
		for line := range strings.Lines(e.Text) {
			assert.Equal(t, strings.TrimSuffix(line, "\n"), data.Printable(strings.TrimSuffix(line, "\n")))
		}
		for _, name := range []string{`a\x1b[2J\nb`, `c\u202e`, `d\r\xff`} {
			assert.Contains(t, e.Text, name)
		}
	}
}
