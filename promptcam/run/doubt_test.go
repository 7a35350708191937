package run

import (
	"encoding/csv"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/promptcam/promptcam/data"
	"github.com/promptcam/promptcam/data/datatest"
)

// column returns a column of a table in a job's Out, without its head.
func column(t *testing.T, j *Job, name, of string) (cells []string) {
	t.Helper()
	rows, err := csv.NewReader(strings.NewReader(read(t, j.path(name)))).ReadAll()
	require.NoError(t, err)
	i := slices.Index(rows[0], of)
	require.GreaterOrEqual(t, i, 0, "%v", rows[0])
	for _, row := range rows[1:] {
		cells = append(cells, row[i])
	}
	return cells
}

func count(cells []string, cell string) (n int) {
	for _, c := range cells {
		if c == cell {
			n++
		}
	}
	return n
}

// Images that are held out to calibrate are not trained on, and the sets, their measures and the model's file agree.
func TestCalibrate(t *testing.T) {
	dir, b := photographs(t, 20), backbone(t)
	r := short()
	r.Val, r.Calibrate = 0.2, 0.5
	j := job(t, dir, r)
	j.Coverage, j.Samples = 0.8, 0
	said := new([]string)
	j.Observer, said = lines()
	result, err := j.Train(t.Context(), b)
	require.NoError(t, err)

	// Of 20 images of each of three classes 4 are tested, of the others 3 choose the epoch, of the others 7 calibrate.
	c := result.Model.Conformal
	require.NotNil(t, c)
	assert.Equal(t, 21, c.Images)
	assert.Equal(t, 0.8, c.Level)
	splits := column(t, j, ImagesFile, "split")
	for split, n := range map[string]int{"train": 18, "val": 9, "calibration": 21, "test": 12} {
		assert.Equal(t, n, count(splits, split), split)
	}
	p, err := r.holdOut(j.Set)
	require.NoError(t, err)
	all := slices.Concat(p.train, p.val, p.calibration)
	slices.SortFunc(all, func(a, b data.Item) int { return strings.Compare(a.Path, b.Path) })
	assert.Len(t, slices.Compact(all), 48, "each has one use")

	sets := column(t, j, PredictionsFile, "set")
	truth, predicted := column(t, j, PredictionsFile, "true"), column(t, j, PredictionsFile, "predicted")
	covered, size := 0, 0
	for i, s := range sets {
		classes := strings.Split(s, "; ")
		assert.Equal(t, predicted[i], classes[0])
		size += len(classes)
		covered += count(classes, truth[i])
	}
	m := metrics(t, j)
	assert.EqualValues(t, 21, m["calibration_images"])
	assert.EqualValues(t, 18, m["train_images"])
	sums := m["test"].(map[string]any)["conformal"].(map[string]any)
	assert.EqualValues(t, 80, sums["level"])
	assert.EqualValues(t, 21, sums["calibration"])
	assert.InDelta(t, float64(size)/12, sums["mean_size"], 1e-9)
	coverage := sums["coverage"].(map[string]any)
	assert.InDelta(t, 100*float64(covered)/12, coverage["mean"], 1e-9)
	assert.Less(t, coverage["low"], coverage["mean"])
	text := strings.Join(*said, "\n")
	assert.Contains(t, text, "18 images to train on, 9 to choose the best epoch, 21 to calibrate, 12 to test")
	assert.Contains(t, text, "prediction sets at 80 %: of ")
	assert.Contains(t, read(t, j.path(ReportFile)), "at 80 %: of ")
	assert.True(t, j.finished(j.identity(b)), "the run is known by its results")

	loaded := load(t, j, b)
	assert.Equal(t, c, loaded.Conformal)
	again := NewJob(r, j.Set, t.TempDir())
	_, err = again.Evaluate(t.Context(), loaded)
	require.NoError(t, err)
	assert.Equal(t, sums, metrics(t, again)["test"].(map[string]any)["conformal"])

	for _, photo := range []string{"red", "blue"} {
		path := dir + "/" + photo + "/0.jpg"
		var set []string
		for p, err := range j.Predict(t.Context(), loaded, []string{path}) {
			require.NoError(t, err)
			assert.Equal(t, p.Predicted, p.Set[0])
			set = p.Set
		}
		var table strings.Builder
		require.NoError(t, WritePredictions(&table, j.Predict(t.Context(), loaded, []string{path})))
		rows, err := csv.NewReader(strings.NewReader(table.String())).ReadAll()
		require.NoError(t, err)
		assert.Equal(t, []string{"error", "set", "doubt"}, rows[0][8:])
		assert.Equal(t, []string{"", strings.Join(set, "; "), ""}, rows[1][8:])
		for e, err := range j.Explain(t.Context(), loaded, []string{path}) {
			require.NoError(t, err)
			assert.Contains(t, e.Text, "  one of these with a confidence of 80 %: "+strings.Join(set, "; ")+"\n")
		}
	}
}

// Sets are made by what was held out from training, or not at all.
func TestWhatCalibrates(t *testing.T) {
	dir, b := photographs(t, 12), backbone(t)
	for _, c := range []struct {
		val, calibrate, coverage float64
		images                   int
		says                     string
	}{
		{0, 0, 0.95, 0, "no prediction sets, since no images were held out from training: --calibrate 0.1"},
		{0.2, 0, 0.95, 0, "no prediction sets: at 95 % they need at least 19 images that were held out from training, and there are 6"},
		{0.2, 0, 0.8, 6, "prediction sets at 80 %"},
		{0.2, 0, 0.55, 6, "prediction sets at 55 %: "},
	} {
		r := short()
		r.Val, r.Calibrate, r.Epochs = c.val, c.calibrate, 1
		j := job(t, dir, r)
		j.Coverage, j.Samples = c.coverage, 0
		said := new([]string)
		j.Observer, said = lines()
		result, err := j.Train(t.Context(), b)
		require.NoError(t, err)
		assert.Contains(t, strings.Join(*said, "\n"), c.says)
		if c.images == 0 {
			assert.Nil(t, result.Model.Conformal)
			assert.NotContains(t, read(t, j.path(MetricsFile)), "conformal")
			assert.Equal(t, datatest.Classes, strings.Split(strings.Split(read(t, j.path(PredictionsFile)), "\n")[0], ",")[4:])
			continue
		}
		assert.Equal(t, c.images, result.Model.Conformal.Images)
		assert.Equal(t, math.Round(100*c.coverage), result.Metrics.Test.Conformal.Level)
		assert.NotContains(t, read(t, j.path(MetricsFile)), "calibration_images")
		assert.Zero(t, count(column(t, j, ImagesFile, "split"), "calibration"))
	}

	r := short()
	r.Calibrate = 0.2
	_, err := job(t, dir, r).Train(t.Context(), b)
	assert.EqualError(t, err, "--calibrate 0.2 holds out 6 images, and prediction sets of --coverage 0.95 need at least 19: want a larger share")
	one := &data.Set{Train: []data.Item{{Path: "a", Class: 0}, {Path: "b", Class: 1}}}
	_, err = r.holdOut(one)
	assert.ErrorContains(t, err, "want --calibrate 0")
}

// A doubt is in every table, and in words.
func TestDoubtIsShown(t *testing.T) {
	dir, b := photographs(t, 50), backbone(t)
	r := short()
	r.Test, r.Epochs = 0.8, 2 // of 40 images of a class, from which the reference is made, one has less evidence than usual
	j := job(t, dir, r)
	j.Samples = 0
	_, err := j.Train(t.Context(), b)
	require.NoError(t, err)
	m := load(t, j, b)
	l, err := (&images{Job: j, fsys: j.Set.FS, plain: m.Transform}).asTheyAre(j.Set.Test)
	require.NoError(t, err)
	m.Reference, err = m.Refer(t.Context(), l)
	require.NoError(t, err)
	require.True(t, m.Reference.Doubts())

	test := NewJob(r, j.Set, t.TempDir())
	test.Samples = 0
	_, err = test.Evaluate(t.Context(), m)
	require.NoError(t, err)
	doubts, paths := column(t, test, PredictionsFile, "doubt"), column(t, test, PredictionsFile, "path")
	i := slices.IndexFunc(doubts, func(d string) bool { return d != "" })
	require.GreaterOrEqual(t, i, 0)
	assert.Less(t, len(doubts)-count(doubts, ""), len(doubts)/4)
	assert.Regexp(t, "^no trait that tells it from (blue|green|red) is visible$", doubts[i])
	truth, predicted := column(t, test, PredictionsFile, "true"), column(t, test, PredictionsFile, "predicted")
	var n, right [2]float64
	for k, d := range doubts {
		which := min(len(d), 1)
		if n[which]++; truth[k] == predicted[k] {
			right[which]++
		}
	}
	sums := metrics(t, test)["test"].(map[string]any)["doubt"].(map[string]any)
	assert.InDelta(t, 100*n[1]/(n[0]+n[1]), sums["images"].(map[string]any)["mean"], 1e-9)
	assert.InDelta(t, 100*right[1]/n[1], sums["top1"], 1e-9)
	assert.InDelta(t, 100*right[0]/n[0], sums["others_top1"], 1e-9)
	assert.EqualValues(t, n[0]+n[1], sums["images"].(map[string]any)["images"])
	assert.NotContains(t, read(t, j.path(MetricsFile)), "doubt", "ten images of a class are too few")
	photo := []string{dir + "/" + paths[i]}
	for p, err := range j.Predict(t.Context(), m, photo) {
		require.NoError(t, err)
		assert.Equal(t, doubts[i], p.Doubt)
	}
	for e, err := range j.Explain(t.Context(), m, photo) {
		require.NoError(t, err)
		assert.Contains(t, e.Text, "  doubtful: "+doubts[i]+"\n")
	}
}

// Only what can be doubted counts: predictions of classes of which the reference saw enough images.
func TestDoubtsAreOfClassesWithEnoughImages(t *testing.T) {
	dir, b := photographs(t, 24), backbone(t)
	r := short()
	r.Test, r.Epochs = 0.2, 4
	j := job(t, dir, r)
	j.Samples = 0
	result, err := j.Train(t.Context(), b)
	require.NoError(t, err)
	m, set := result.Model, *result.Set
	all := slices.Concat(set.Train, set.Val, set.Test)
	var some []data.Item // 12 of the class that is predicted most often, and all others
	most := 0
	predicted := map[int]int{}
	for _, p := range result.Test.Predictions {
		if predicted[p.Predicted]++; predicted[p.Predicted] > predicted[most] {
			most = p.Predicted
		}
	}
	of := 0
	for _, it := range all {
		if it.Class == most {
			if of++; of > 12 {
				continue
			}
		}
		some = append(some, it)
	}
	l, err := (&images{Job: j, fsys: set.FS, plain: m.Transform}).asTheyAre(some)
	require.NoError(t, err)
	m.Reference, err = m.Refer(t.Context(), l)
	require.NoError(t, err)
	set.Train, set.Val, set.Test = nil, nil, all
	test := NewJob(r, &set, t.TempDir())
	test.Samples = 0
	got, err := test.Evaluate(t.Context(), m)
	require.NoError(t, err)
	n := 0
	for _, p := range got.Test.Predictions {
		if p.Predicted != most {
			n++
		}
	}
	require.Positive(t, n)
	require.Less(t, n, len(all))
	assert.Equal(t, n, got.Metrics.Test.Doubt.Images.Images)
	assert.Contains(t, got.Metrics.Test.Doubt.String(), "test images that are predicted as a class with 19 or more images to learn from")
}

func TestDoubtsInWords(t *testing.T) {
	d := doubtMetrics{Images: interval{Images: 40}, all: true}
	assert.Equal(t, "each of the test images shows a trait that tells the predicted class from its look-alike", d.String())
	d = doubtMetrics{Images: interval{5, 1, 12, 40}, Top1: 50, Others: 90}
	assert.Equal(t, "5.0 % (1.0 to 12.0 %) of the 40 test images that are predicted as a class with 19 or more images to learn from show no trait that tells the predicted class from its look-alike: 50.0 % of these are right, of the others 90.0 %", d.String())
}
