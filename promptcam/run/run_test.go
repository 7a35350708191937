package run

import (
	"encoding/csv"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/promptcam/promptcam/autograd"
	"github.com/promptcam/promptcam/data"
	"github.com/promptcam/promptcam/promptcam"
	"github.com/promptcam/promptcam/tensor/machine"
	"github.com/promptcam/promptcam/vit/probe"
)

// What the teacher says of a batch is of its images, in the views that the batch has them.
func TestTheTeacherScoresWhatTheBatchShows(t *testing.T) {
	r := short()
	r.Views, r.Batch = 3, 5
	tr, err := job(t, photographs(t, 10), r).prepare(t.Context(), backbone(t), nil)
	require.NoError(t, err)
	defer tr.images.close()
	layer, _ := tr.Model.Layer()
	seen := map[[2]int]bool{}
	for epoch := range 3 {
		for batch, err := range tr.train.Epoch(t.Context(), data.Plan{Epoch: epoch}) {
			require.NoError(t, err)
			tape := &autograd.Tape{NoGrad: true}
			x := probe.Features(tr.Model.Backbone, layer, tape.Const(batch.Values)).Value() // [B, D]
			assert.Equal(t, tr.baselines.linear.Scores(x).Data(), tr.baselines.teach(batch).Data())
			for i, at := range batch.Index {
				seen[[2]int{at, batch.View[i]}] = true
			}
		}
	}
	assert.Greater(t, len(seen), tr.train.Len(), "several views of an image")
}

func TestEpochsForFewAndManyImages(t *testing.T) {
	for _, c := range []struct{ images, quick, long int }{{2903, 10, 80}, {100000, 10, 80}, {284, 100, 756}, {1, 900, 6800}} {
		assert.Equal(t, c.quick, Quick().EpochsFor(c.images))
		assert.Equal(t, c.long, Long().EpochsFor(c.images))
	}
	assert.Equal(t, 20, DrawnBirds().EpochsFor(2903))
}

func TestRecipes(t *testing.T) {
	for name, r := range map[string]Recipe{"quick": Quick(), "long": Long(), "deep": Deep(), "official": Official(), "birds": DrawnBirds()} {
		assert.NoError(t, r.Validate(), name)
		text, err := r.MarshalJSON()
		require.NoError(t, err)
		again := preset(r.Mode, r.Optimizer, r.Preset)
		require.NoError(t, again.UnmarshalJSON(text))
		assert.Equal(t, r, again, name)
	}
	o := promptcam.OfficialTrain()
	assert.Equal(t, o.Optimizer, Official().train().Optimizer)
	assert.Equal(t, o.Schedule, Official().Schedule)
	assert.Equal(t, "mode last, patches-only true, patch-dropout 0.75, rank 16", strings.ReplaceAll(Quick().words("Model"), "patches-only,", "patches-only true,"))
}

// What follows from the given settings is part of the recipe.
func TestResolve(t *testing.T) {
	resolve := func(d Defaults, given map[string]string) Recipe {
		r, err := d.Resolve(given)
		require.NoError(t, err)
		return r
	}
	assert.Equal(t, Quick(), resolve(Defaults{}, nil))
	assert.Equal(t, Long(), resolve(Defaults{}, map[string]string{"preset": "long"}))
	assert.Equal(t, Official(), resolve(Defaults{}, map[string]string{"mode": "deep", "optimizer": "sgd"}))
	assert.Equal(t, DrawnBirds(), resolve(Defaults{Drawn: true}, nil))
	assert.Equal(t, Deep(), resolve(Defaults{Drawn: true}, map[string]string{"mode": "deep"}))

	low := resolve(Defaults{}, map[string]string{"lr": "0.006"})
	assert.InEpsilon(t, 1e-7, low.Schedule.Min, 1e-9, "it falls as far")
	assert.Equal(t, 1e-6, resolve(Defaults{}, map[string]string{"lr": "0.6"}).Schedule.Min)
	assert.Equal(t, 2e-6, resolve(Defaults{}, map[string]string{"lr": "0.006", "min-lr": "2e-6"}).Schedule.Min)
	assert.Equal(t, 1, resolve(Defaults{}, map[string]string{"augment": "none"}).Views)
	assert.Equal(t, 3, resolve(Defaults{}, map[string]string{"augment": "none", "views": "3"}).Views, "Validate refuses it")
	assert.Zero(t, resolve(Defaults{Uncached: true}, map[string]string{"preset": "long"}).CutMix.Share)
	assert.Zero(t, resolve(Defaults{Uncached: true}, nil).Distill.Weight)
	assert.Equal(t, 1., resolve(Defaults{Uncached: true}, map[string]string{"distill": "1"}).Distill.Weight, "Train refuses it")

	_, err := Defaults{}.Resolve(map[string]string{"lr": "fast"})
	assert.EqualError(t, err, "--lr: want a number")
	_, err = Defaults{}.Resolve(map[string]string{"rate": "1"})
	assert.EqualError(t, err, "--rate is no setting of a recipe")
}

func TestAccuracyHasWilsonsInterval(t *testing.T) {
	a := accuracy(0.896, 0.98, 2999)
	assert.InDelta(t, 88.46, a.Low, 0.01)
	assert.InDelta(t, 90.64, a.High, 0.01)
	assert.Equal(t, "89.6 % (88.5 to 90.6 %)", a.String())
	assert.Equal(t, 100., accuracy(1, 1, 3).High)
	assert.InDelta(t, 43.85, accuracy(1, 1, 3).Low, 0.01)
}

// A run that replaces another's results leaves nothing of it.
func TestNothingOfAnEarlierRunIsLeft(t *testing.T) {
	j := job(t, photographs(t, 6), short())
	j.Samples = 0
	write(t, j.path(TraitsFile), "of other images")
	said := new([]string)
	j.Observer, said = lines()
	_, err := j.Train(t.Context(), backbone(t))
	require.NoError(t, err)
	assert.NotContains(t, files(t, j), TraitsFile)
	assert.Contains(t, *said, "! 3 test images are few: each is 33 points of accuracy")
	_, err = j.Train(t.Context(), backbone(t))
	require.NoError(t, err)
	assert.Contains(t, strings.Join(*said, "\n"), "! --out "+j.Out+" holds the results of an earlier run; they will be overwritten")
}

func TestALossAboveThatOfGuessingIsWarnedOf(t *testing.T) {
	r := short()
	r.Schedule.Base, r.Epochs = 2, 4
	j := job(t, photographs(t, 6), r)
	j.Samples = 0
	said := new([]string)
	j.Observer, said = lines()
	_, err := j.Train(t.Context(), backbone(t))
	require.NoError(t, err)
	all := strings.Join(*said, "\n")
	assert.Regexp(t, `! the loss, [\d.e+]+, is above that of guessing, 1.10: try an --lr below 2`, all)
	assert.Equal(t, 1, strings.Count(all, "try an --lr"), "once is enough")
}

func TestFeaturesThatDoNotFitOnTheDisk(t *testing.T) {
	s := store{path: filepath.Join(t.TempDir(), "new", FeaturesFile), flag: "cache"}
	if _, known := machine.FreeSpace("."); !known {
		t.Skip("not known here")
	}
	assert.ErrorContains(t, s.room(math.MaxInt64), "--cache: features need 9223372036855 MB in ")
	assert.NoError(t, s.room(1))
}

// A test reads the features beside the model, if they fit, and else photographs.
func TestEvaluateUsesTheModelsFeatures(t *testing.T) {
	dir, b := photographs(t, 10), backbone(t)
	j := job(t, dir, short())
	trained, err := j.Train(t.Context(), b)
	require.NoError(t, err)
	test := job(t, dir, Quick())
	test.ModelDir = j.Out
	said := new([]string)
	test.Observer, said = lines()
	again, err := test.Evaluate(t.Context(), trained.Model)
	require.NoError(t, err)
	assert.Regexp(t, `(?m)^0 features computed in \d+ s \(6 from cache\)`, strings.Join(*said, "\n"))
	assert.Equal(t, read(t, j.path(PredictionsFile)), read(t, test.path(PredictionsFile)))
	assert.Equal(t, trained.Metrics.Test, again.Metrics.Test)

	other := job(t, photographs(t, 30), Quick())
	other.ModelDir = j.Out
	other.Observer, said = lines()
	_, err = other.Evaluate(t.Context(), trained.Model)
	require.NoError(t, err)
	assert.NotContains(t, strings.Join(*said, "\n"), "from cache")

	test.Cache = t.TempDir()
	_, err = test.Evaluate(t.Context(), trained.Model)
	require.NoError(t, err)
	assert.FileExists(t, filepath.Join(test.Cache, FeaturesFile))
	assert.Equal(t, read(t, j.path(PredictionsFile)), read(t, test.path(PredictionsFile)))
}

func TestPredict(t *testing.T) {
	dir := photographs(t, 10)
	j := job(t, dir, short())
	trained, err := j.Train(t.Context(), backbone(t))
	require.NoError(t, err)
	folder := filepath.Join(dir, "red")
	write(t, filepath.Join(folder, "bad.png"), "no photograph")
	write(t, filepath.Join(folder, "raw.HEIC"), "")
	write(t, filepath.Join(folder, ".hidden", "0.png"), "")
	said := new([]string)
	j.Observer, said = lines()
	photos, err := Photographs(j.Observer, folder, filepath.Join(dir, "blue", "0.jpg"))
	require.NoError(t, err)
	require.Len(t, photos, 12)
	assert.Equal(t, []string{"! " + folder + ": 1 file left out: 1 .heic, raw.HEIC (cannot be read: save as JPEG)"}, *said)

	var text strings.Builder
	require.NoError(t, WritePredictions(&text, j.Predict(t.Context(), trained.Model, photos)))
	rows, err := csv.NewReader(strings.NewReader(text.String())).ReadAll()
	require.NoError(t, err)
	require.Len(t, rows, 13)
	right := 0
	for i, row := range rows[1:] {
		assert.Equal(t, photos[i], row[0])
		if filepath.Base(row[0]) == "bad.png" {
			assert.Contains(t, row[8], "not an image")
			assert.Empty(t, row[1])
			continue
		}
		assert.Empty(t, row[8])
		assert.NotEqual(t, row[1], row[3])
		assert.Contains(t, "0123", row[6], "of 4 rows")
		if row[1] == filepath.Base(filepath.Dir(row[0])) {
			right++
		}
	}
	assert.Greater(t, right, 8)

	j.SkipBad = true
	text.Reset()
	require.NoError(t, WritePredictions(&text, j.Predict(t.Context(), trained.Model, photos)))
	assert.Equal(t, 12, strings.Count(text.String(), "\n"))
	assert.Regexp(t, `^! 1 of 12 photographs cannot be read, the first: .*: not an image`, (*said)[len(*said)-1])

	_, err = Photographs(j.Observer, filepath.Join(dir, "none"))
	assert.ErrorIs(t, err, os.ErrNotExist)
	_, err = Photographs(j.Observer, t.TempDir())
	assert.ErrorContains(t, err, "no photographs in this folder")
}

// Other programs read metrics.json: its entries and their order stay.
func TestMetricsHaveTheirEntries(t *testing.T) {
	r := short()
	r.Val = 0.2
	j := job(t, photographs(t, 10), r)
	_, err := j.Train(t.Context(), backbone(t))
	require.NoError(t, err)
	var names []string
	for _, m := range regexp.MustCompile(`(?m)^ {2,4}"(\w+)":`).FindAllStringSubmatch(read(t, j.path(MetricsFile)), -1) {
		names = append(names, m[1])
	}
	before, rest, _ := strings.Cut(strings.Join(names, " "), " recipe ")
	_, after, _ := strings.Cut(rest, " seed ")
	assert.Equal(t, "test top1 top5 top1_low top1_high survive_blur survive_blur_low survive_blur_high val top1 top5 top1_low top1_high train_images test_images epochs seconds mode arch seed val_images best_epoch skipped_images backbone_sha256", before)
	assert.Equal(t, "baselines linear_probe nearest_mean per_class class_mean", after)
}

func TestAnAccuracyOfGuessingIsSaid(t *testing.T) {
	r := short()
	r.Test, r.Schedule.Base, r.Schedule.Min = 0.5, 1e-12, 1e-12
	j := job(t, photographs(t, 8), r)
	j.Samples = 0
	said := new([]string)
	j.Observer, said = lines()
	_, err := j.Train(t.Context(), backbone(t))
	require.NoError(t, err)
	assert.Contains(t, strings.Join(*said, "\n"), "! guessing would give 33.3 %")
}
