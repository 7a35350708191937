package run

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/promptcam/promptcam/data"
	"github.com/promptcam/promptcam/nn/fit"
	"github.com/promptcam/promptcam/promptcam"
	"github.com/promptcam/promptcam/promptcam/figure"
	"github.com/promptcam/promptcam/promptcam/figure/curves"
	"github.com/promptcam/promptcam/promptcam/measure"
	"github.com/promptcam/promptcam/tensor/checkpoint"
	"github.com/promptcam/promptcam/vit/heat"
)

// Evaluate tests a trained model on the set's test images and leaves the results in Out, which must hold no
// training's, and no model unless it is ModelDir. It uses cached features of Cache or, where that is empty and
// they fit, of ModelDir, where it changes nothing.
func (j *Job) Evaluate(ctx context.Context, m *promptcam.Model) (*Result, error) {
	free, err := j.begin()
	if err != nil {
		return nil, err
	}
	defer free()
	set, err := renumber(j.Set, m.Classes)
	if err != nil {
		return nil, err
	}
	if exists(j.path(HistoryFile)) {
		return nil, fmt.Errorf("--out %s holds the results of a training, whose history would stay beside those of the test: want another folder", j.Out)
	}
	if exists(j.path(ModelFile)) && (j.ModelDir == "" || !sameFile(j.ModelDir, j.Out)) {
		return nil, fmt.Errorf("--out %s holds a model, beside which the results of another one's test would stand: want another folder", j.Out)
	}
	if err := j.fresh(); err != nil {
		return nil, err
	}
	im := &images{Job: j, fsys: set.FS, plain: m.Transform, augmented: m.Transform}
	defer im.close()
	err = im.open(ctx, m, j.store(j.ModelDir, ""), nil, []*[]data.Item{&set.Test})
	if err == nil {
		err = testable(set)
	}
	if err != nil {
		return nil, err
	}
	r := &results{images: im, Result: Result{Model: m, Set: set}}
	if r.test, err = im.asTheyAre(set.Test); err != nil {
		return nil, err
	}
	return r.publish(ctx)
}

// Result is the result of a training or a test. All of it is in Out as well.
type Result struct {
	Model     *promptcam.Model
	Set       *data.Set             // the job's without the images left out, its classes numbered as the model's
	Test      *promptcam.Evaluation // Predictions[i].Index counts in Set.Test
	Baselines []Baseline
	History   fit.History          // nil after a test
	Survival  heat.Interval        // share of correct predictions that no map explains: promptcam.Explanation.Survives
	Traits    *measure.TraitScores // where the maps of the test images are; nil without Notes
	Swaps     []measure.Outcome    // counterfactuals; nil unless these are drawn birds
	Metrics   *Metrics
	Report    string // the path of the page
}

// results is what is written about a model.
type results struct {
	*images
	Result
	test               promptcam.Batches
	trained, validated int              // images
	calibrated         int              // those held out for prediction sets alone
	correct, blind     int              // test images, and those of them that are so with all maps blurred
	doubts             map[int]string   // by test image, of those with one; nil if the model has none of any: promptcam.Explanation.Doubt
	best               int              // the best epoch, from 1; 0 if the model was not trained now
	regions            *measure.Regions // nil without Notes
	examples           map[int]string   // paths of recognised images in the report, by class
	rival              struct {         // the last exemplar
		class int
		panel *figure.Panel
	}
}

// publish evaluates the test images and writes all files. Those of an earlier run that this one does not write
// are gone then.
func (r *results) publish(ctx context.Context) (*Result, error) {
	began := time.Now()
	if err := r.evaluate(ctx); err != nil {
		return nil, err
	}
	if r.best > 0 {
		if err := r.Model.SaveFile(r.path(ModelFile)); err != nil {
			return nil, err
		}
	}
	if err := r.writeCSV(PredictionsFile, r.predictions()); err != nil {
		return nil, err
	}
	seconds := time.Since(began).Seconds()
	if r.best > 0 {
		seconds = r.History.Seconds()
		if err := r.writeCSV(HistoryFile, slices.Values(r.history())); err != nil {
			return nil, err
		}
		draw := func(w io.Writer) error { return drawCurves(curves.PNG, w, r.History) }
		if err := r.write(CurvesFile, draw); err != nil {
			return nil, err
		}
	}
	r.Metrics, r.Report = r.metrics(seconds), r.path(ReportFile)
	page, err := r.report(ctx)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Dir(r.Report), 0o755); err != nil {
		return nil, err
	}
	if err := page.WriteFile(ctx, r.Report); err != nil {
		return nil, err
	}
	if err := r.writeJSON(r.Metrics); err != nil {
		return nil, err
	}
	r.Observer.say(Outcome, "test top-1 %s, top-5 %.1f %% of %d images", r.Metrics.Test, r.Metrics.Test.Top5, len(r.Set.Test))
	if chance := 100 / float64(len(r.Set.Classes)); len(r.Set.Test) >= fewTest && r.Metrics.Test.Low <= chance {
		r.Observer.say(Warning, "guessing would give %.1f %%: the model has learned nothing that these images show", chance)
	}
	for _, b := range r.Baselines {
		r.Observer.say(Note, "%s: top-1 %s", b.Title, b.Accuracy)
	}
	if r.Survival.N > 0 {
		r.Observer.say(Note, "%s", r.survival())
	}
	if c := r.Metrics.Test.Conformal; c != nil {
		r.Observer.say(Note, "%v", c)
	}
	if d := r.Metrics.Test.Doubt; d != nil {
		r.Observer.say(Note, "%v", d)
	}
	for _, line := range r.sentences() {
		r.Observer.say(Note, "%s", line)
	}
	if m := r.Metrics; math.Abs(m.ClassMean-m.Test.Top1) >= 1 { // points
		r.Observer.say(Note, "mean of the classes: top-1 %.1f %%, since they have test images in different numbers", m.ClassMean)
	}
	r.Observer.say(Outcome, "report: %s", r.Report)
	return &r.Result, nil
}

// Metrics is metrics.json. Accuracies are in percent. After a test without a training, what belongs to the
// training is null.
type Metrics struct {
	Test        Accuracy            `json:"test"`
	Val         *Accuracy           `json:"val"`
	TrainImages *int                `json:"train_images"`
	TestImages  int                 `json:"test_images"`
	Epochs      *int                `json:"epochs"`
	Seconds     float64             `json:"seconds"` // of all epochs; of the test if there was no training
	Mode        promptcam.Mode      `json:"mode"`
	Arch        string              `json:"arch"`
	Seed        int64               `json:"seed"`
	ValImages   int                 `json:"val_images"`
	Calibrated  int                 `json:"calibration_images,omitempty"` // held out for prediction sets alone
	BestEpoch   *int                `json:"best_epoch"`
	Skipped     int                 `json:"skipped_images"`
	Backbone    string              `json:"backbone_sha256"`
	Recipe      *Recipe             `json:"recipe"`
	Baselines   map[string]Accuracy `json:"baselines,omitempty"` // on the test images
	PerClass    []ClassAccuracy     `json:"per_class"`
	ClassMean   float64             `json:"class_mean"` // of the classes' top-1, so that a class of few images counts like others
	Traits      *traitMetrics       `json:"traits,omitempty"`
}

// Accuracy is the share of images whose class is predicted, or among the five highest scores, in percent, and
// the 95 % interval of the first.
type Accuracy struct {
	Top1 float64 `json:"top1"`
	Top5 float64 `json:"top5"`
	Low  float64 `json:"top1_low"`
	High float64 `json:"top1_high"`

	// Survive is the share of the correct predictions that stay with all maps of the class blurred, in
	// percent, and SurviveLow to SurviveHigh its 95 % interval: no map explains those. It is nil where it is
	// not measured, which it is for the test images of a Prompt-CAM.
	Survive     *float64 `json:"survive_blur,omitempty"`
	SurviveLow  *float64 `json:"survive_blur_low,omitempty"`
	SurviveHigh *float64 `json:"survive_blur_high,omitempty"`

	// Conformal is how prediction sets do; nil where the model makes none, and on other images than those of
	// the test.
	Conformal *conformalMetrics `json:"conformal,omitempty"`
	// Doubt is in how many images no trait is visible that tells the predicted class from its look-alike, likewise: of
	// those whose predicted class can be doubted.
	Doubt *doubtMetrics `json:"doubt,omitempty"`
}

// String returns the first, with its interval.
func (a Accuracy) String() string {
	return fmt.Sprintf("%.1f %% (%.1f to %.1f %%)", a.Top1, a.Low, a.High)
}

// accuracy returns shares from 0 to 1 of n images in percent, with the interval of Wilson.
func accuracy(top1, top5 float64, n int) Accuracy {
	i := heat.Wilson(top1, n)
	return Accuracy{Top1: 100 * top1, Top5: 100 * top5, Low: 100 * i.Low, High: 100 * i.High}
}

// ClassAccuracy is how many of a class's test images are recognised.
type ClassAccuracy struct {
	Class  string   `json:"class"`
	Images int      `json:"images"`
	Top1   *float64 `json:"top1"` // null without images
}

func (r *results) metrics(seconds float64) *Metrics {
	test := len(r.Set.Test)
	m := &Metrics{
		Test: accuracy(r.Test.Top1, r.Test.Top5, test), TestImages: test, Seconds: seconds, Mode: r.Model.Config.Mode, ValImages: r.validated,
		Arch: r.Model.Backbone.Config.Name, Seed: r.Seed, Skipped: r.images.unreadable, Backbone: r.Model.Backbone.SHA256,
	}
	if s := percents(r.Survival); s.Images > 0 {
		m.Test.Survive, m.Test.SurviveLow, m.Test.SurviveHigh = &s.Mean, &s.Low, &s.High
	}
	m.Test.Conformal, m.Test.Doubt = r.conformal(), r.doubtful()
	if r.best > 0 {
		m.Calibrated = r.calibrated
		epochs := len(r.History)
		m.TrainImages, m.Epochs, m.BestEpoch, m.Recipe = &r.trained, &epochs, &r.best, &r.Recipe
	}
	if r.validated > 0 {
		v := r.History[r.best-1].Values
		val := accuracy(v[valTop1], v[valTop5], r.validated)
		m.Val = &val
	}
	for _, b := range r.Baselines {
		if m.Baselines == nil {
			m.Baselines = map[string]Accuracy{}
		}
		m.Baselines[b.Name] = b.Accuracy
	}
	if r.Traits != nil {
		m.Traits = r.traitMetrics()
	}
	for class, name := range r.Set.Classes {
		a := ClassAccuracy{Class: name, Images: r.Test.Images[class]}
		if a.Images > 0 {
			share := 100 * r.Test.PerClass[class]
			a.Top1 = &share
		}
		m.PerClass = append(m.PerClass, a)
	}
	m.ClassMean = classMean(m.PerClass)
	return m
}

// classMean returns the mean top-1 of the classes with images.
func classMean(classes []ClassAccuracy) float64 {
	sum, n := 0.0, 0
	for _, c := range classes {
		if c.Top1 != nil {
			sum, n = sum+*c.Top1, n+1
		}
	}
	return sum / float64(max(n, 1))
}

// predictions yields the table of the test images: true and predicted class, every class's score and, where the
// model tells, prediction set and doubt. A row is valid until the next.
func (r *results) predictions() iter.Seq[[]string] {
	conformal := r.Model.Conformal
	return func(yield func([]string) bool) {
		head := append([]string{"path", "true", "predicted", "probability"}, r.Set.Classes...)
		if conformal != nil {
			head = append(head, "set")
		}
		if r.doubts != nil {
			head = append(head, "doubt")
		}
		if !yield(head) {
			return
		}
		var row []string
		for _, p := range r.Test.Predictions {
			row = append(row[:0], r.Set.Test[p.Index].Path, r.Set.Classes[p.Class], r.Set.Classes[p.Predicted], number(p.Probability()))
			for _, s := range p.Scores {
				row = append(row, strconv.FormatFloat(float64(s), 'g', -1, 32))
			}
			if conformal != nil {
				row = append(row, listed(namesOf(conformal.Set(p.Scores), r.Set.Classes)))
			}
			if r.doubts != nil {
				row = append(row, r.doubts[p.Index])
			}
			if !yield(row) {
				return
			}
		}
	}
}

// history is the table of the epochs. Accuracies are in percent.
func (r *results) history() [][]string {
	table := [][]string{{"epoch", "loss", "accuracy", "val_loss", "val_top1", "val_top5", "lr", "seconds"}}
	for i, e := range r.History {
		row := []string{strconv.Itoa(i + 1), number(e.Loss), number(100 * e.Accuracy), "", "", "", strconv.FormatFloat(e.LR, 'g', -1, 32), number(e.Seconds)}
		if v := e.Values; r.validated > 0 {
			row[3], row[4], row[5] = number(v[valLoss]), number(100*v[valTop1]), number(100*v[valTop5])
		}
		table = append(table, row)
	}
	return table
}

func number(x float64) string { return strconv.FormatFloat(x, 'g', 8, 64) }

// drawCurves draws loss, accuracy and learning rate over the epochs, as curves.PNG or curves.SVG.
func drawCurves(draw func(io.Writer, ...curves.Panel) error, w io.Writer, h fit.History) error {
	percent := func(shares []float64) []float64 {
		for i := range shares {
			shares[i] *= 100
		}
		return shares
	}
	lines := func(training, validation []float64) []curves.Series {
		both := []curves.Series{{Name: "training", Points: training}, {Name: "validation", Points: validation}}
		if _, ok := h[0].Values[valLoss]; !ok {
			return both[:1]
		}
		return both
	}
	return draw(w,
		curves.Panel{Title: "loss", Series: lines(h.Series("loss"), h.Series(valLoss))},
		curves.Panel{Title: "accuracy, %", Max: 100, LegendAtBottom: true, Series: lines(percent(h.Series("accuracy")), percent(h.Series(valTop1)))},
		curves.Panel{Title: "learning rate", Series: []curves.Series{{Points: h.Series("lr")}}},
	)
}

// write writes a file in Out, whole or not at all.
func (j *Job) write(name string, write func(io.Writer) error) error {
	return checkpoint.WriteFile(j.path(name), write)
}

func (j *Job) writeCSV(name string, rows iter.Seq[[]string]) error {
	return j.write(name, func(w io.Writer) error {
		t := newTable(w)
		for row := range rows {
			if err := t.write(row...); err != nil {
				return err
			}
		}
		return t.flush()
	})
}

func (j *Job) writeJSON(metrics any) error {
	return j.write(MetricsFile, func(w io.Writer) error {
		e := json.NewEncoder(w)
		e.SetEscapeHTML(false)
		e.SetIndent("", "  ")
		return e.Encode(metrics)
	})
}
