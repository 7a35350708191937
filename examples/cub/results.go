package main

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/promptcam/promptcam/data"
	"github.com/promptcam/promptcam/promptcam"
	"github.com/promptcam/promptcam/promptcam/figure"
	"github.com/promptcam/promptcam/tensor/checkpoint"
)

// results is what is written about a model in -out.
type results struct {
	*settings
	c                  *console
	set                *data.Set // its classes numbered as the model's
	model              *promptcam.Model
	state              *state // nil if the model was not trained now
	arch               string
	trained, validated int // images
	skipped            int
	cached             bool
	images             promptcam.Batches // of the test
	baselines          []baselineScore
	notes              *data.Annotations // nil: the folder does not tell where things are, or nobody asks

	test   *promptcam.Evaluation
	traits *traits // nil without notes
}

func reportDir(out string) string { return filepath.Join(out, "report") }

// publish evaluates the test images and writes all files.
func (r *results) publish(ctx context.Context) error {
	began := time.Now()
	if err := r.evaluate(ctx); err != nil {
		return err
	}
	if err := r.writeCSV("predictions.csv", r.predictions()); err != nil {
		return err
	}
	seconds := time.Since(began).Seconds()
	var curves []byte
	var err error
	if r.state != nil {
		seconds = r.state.History.Seconds()
		if err := r.writeCSV("history.csv", r.history()); err != nil {
			return err
		}
		if curves, err = drawCurves(r.state.History); err != nil {
			return err
		}
		if err := checkpoint.WriteFile(filepath.Join(r.out, "curves.png"), func(w io.Writer) error {
			_, err := w.Write(curves)
			return err
		}); err != nil {
			return err
		}
	}
	page := filepath.Join(reportDir(r.out), "index.html")
	if err := r.report(curves, seconds).WriteFile(ctx, page); err != nil {
		return err
	}
	if err := r.writeMetrics(seconds); err != nil {
		return err
	}
	r.c.result("test top-1 %.1f %%, top-5 %.1f %% of %d images", 100*r.test.Top1, 100*r.test.Top5, len(r.set.Test))
	for _, b := range r.baselines {
		r.c.say("%s: top-1 %.1f %%", b.title(), b.Top1)
	}
	if r.traits != nil {
		for _, line := range r.traits.sentences() {
			r.c.say("%s", line)
		}
	}
	r.c.result("report: %s", page)
	return nil
}

// metrics is metrics.json. Accuracies are in percent. What a model that was
// only loaded does not tell is null.
type metrics struct {
	Test        accuracy            `json:"test"`
	Val         *accuracy           `json:"val"`
	TrainImages *int                `json:"train_images"`
	TestImages  int                 `json:"test_images"`
	Epochs      *int                `json:"epochs"`
	Seconds     float64             `json:"seconds"` // of all epochs; of the test if there was no training
	Mode        promptcam.Mode      `json:"mode"`
	Arch        string              `json:"arch"`
	Seed        int64               `json:"seed"`
	ValImages   int                 `json:"val_images"`
	BestEpoch   *int                `json:"best_epoch"`
	Skipped     int                 `json:"skipped_images"`
	Backbone    string              `json:"backbone_sha256"`
	Recipe      *recipe             `json:"recipe"`
	Baselines   map[string]accuracy `json:"baselines,omitempty"` // on the test images
	PerClass    []classAccuracy     `json:"per_class"`
	Traits      *traitMetrics       `json:"traits,omitempty"`
}

type accuracy struct {
	Top1 float64 `json:"top1"`
	Top5 float64 `json:"top5"`
}

type classAccuracy struct {
	Class  string   `json:"class"`
	Images int      `json:"images"`
	Top1   *float64 `json:"top1"` // null without images
}

func (r *results) writeMetrics(seconds float64) error {
	m := metrics{
		Test: accuracy{100 * r.test.Top1, 100 * r.test.Top5}, TestImages: len(r.set.Test), Seconds: seconds,
		Mode: r.model.Config.Mode, Arch: r.arch, Seed: r.Seed, Skipped: r.skipped, Backbone: r.model.Backbone.SHA256,
	}
	if st := r.state; st != nil {
		epochs := len(st.History)
		m.TrainImages, m.Epochs, m.BestEpoch, m.ValImages, m.Recipe = &r.trained, &epochs, &st.Best, r.validated, &r.recipe
		if v := st.History[st.Best-1].Values; len(v) > 0 {
			m.Val = &accuracy{100 * v[valTop1], 100 * v[valTop5]}
		}
	}
	for _, b := range r.baselines {
		if m.Baselines == nil {
			m.Baselines = map[string]accuracy{}
		}
		m.Baselines[b.name] = b.accuracy
	}
	if r.traits != nil {
		m.Traits = r.traits.metrics()
	}
	for class, name := range r.set.Classes {
		a := classAccuracy{Class: name, Images: r.test.Images[class]}
		if a.Images > 0 {
			share := 100 * r.test.PerClass[class]
			a.Top1 = &share
		}
		m.PerClass = append(m.PerClass, a)
	}
	return writeJSON(r.out, m)
}

// writeJSON writes metrics.json in out.
func writeJSON(out string, metrics any) error {
	return checkpoint.WriteFile(filepath.Join(out, "metrics.json"), func(w io.Writer) error {
		e := json.NewEncoder(w)
		e.SetEscapeHTML(false)
		e.SetIndent("", "  ")
		return e.Encode(metrics)
	})
}

// predictions is the table of the test images: what they are, what they were taken for, and every class's score.
func (r *results) predictions() [][]string {
	table := [][]string{append([]string{"path", "true", "predicted", "probability"}, r.set.Classes...)}
	for _, p := range r.test.Predictions {
		row := []string{r.set.Test[p.Index].Path, r.set.Classes[p.Class], r.set.Classes[p.Predicted], number(p.Probability())}
		for _, s := range p.Scores {
			row = append(row, strconv.FormatFloat(float64(s), 'g', -1, 32))
		}
		table = append(table, row)
	}
	return table
}

// history is the table of the epochs. Accuracies are in percent.
func (r *results) history() [][]string {
	table := [][]string{{"epoch", "loss", "accuracy", "val_loss", "val_top1", "val_top5", "lr", "seconds"}}
	for i, e := range r.state.History {
		row := []string{strconv.Itoa(i + 1), number(e.Loss), number(100 * e.Accuracy), "", "", "", strconv.FormatFloat(e.LR, 'g', -1, 32), number(e.Seconds)}
		if v := e.Values; len(v) > 0 {
			row[3], row[4], row[5] = number(v[valLoss]), number(100*v[valTop1]), number(100*v[valTop5])
		}
		table = append(table, row)
	}
	return table
}

func number(x float64) string { return strconv.FormatFloat(x, 'g', 8, 64) }

func (r *results) writeCSV(name string, table [][]string) error {
	return checkpoint.WriteFile(filepath.Join(r.out, name), func(w io.Writer) error { return csv.NewWriter(w).WriteAll(table) })
}

// report is the page about the run.
func (r *results) report(curves []byte, seconds float64) *figure.Report {
	p := &figure.Report{
		Title: "Prompt-CAM: " + r.title(), Curves: curves, Style: r.style,
		Confusions: r.test.Confusions(30), Facts: r.facts(seconds),
	}
	for class, name := range r.set.Classes {
		p.Classes = append(p.Classes, figure.ClassResult{Name: name, Images: r.test.Images[class], Correct: r.test.Confusion[class][class]})
	}
	if st := r.state; st != nil {
		if v := st.History[st.Best-1].Values; len(v) > 0 {
			p.Splits = append(p.Splits, figure.SplitResult{Name: "validation", Images: r.validated, Top1: v[valTop1], Top5: v[valTop5]})
		}
	}
	p.Splits = append(p.Splits, figure.SplitResult{Name: "test", Images: len(r.set.Test), Top1: r.test.Top1, Top5: r.test.Top5})
	for _, b := range r.baselines {
		p.Splits = append(p.Splits, figure.SplitResult{Name: "test, " + b.title(), Images: len(r.set.Test), Top1: b.Top1 / 100, Top5: b.Top5 / 100})
	}
	if r.traits != nil {
		p.Traits = r.traits.page()
	}
	if r.samples > 0 {
		p.Samples = r.explained()
	}
	return p
}

func (r *results) facts(seconds float64) []figure.Fact {
	var facts []figure.Fact
	add := func(name, format string, a ...any) {
		facts = append(facts, figure.Fact{Name: name, Value: fmt.Sprintf(format, a...)})
	}
	c, b := r.model.Config, r.model.Backbone
	add("data", "%s, %d classes", r.set.Root, len(r.set.Classes))
	add("backbone", "%s at %dx%d pixels, SHA-256 %.12s…", r.arch, b.Config.ImageSize[0], b.Config.ImageSize[1], b.SHA256)
	prompts := string(c.Mode)
	if c.Agnostic > 0 {
		prompts += fmt.Sprintf(", %d class-agnostic prompts in each layer before the class prompts", c.Agnostic)
	}
	if c.PatchesOnly {
		prompts += ", class prompts look at patches alone"
	}
	add("mode", "%s", prompts)
	if st := r.state; st != nil {
		best := fmt.Sprintf("%d, the last", st.Best)
		if r.validated > 0 {
			best = fmt.Sprintf("%d of %d, by accuracy on the validation images", st.Best, len(st.History))
		}
		add("images", "%d to train on, %d to choose the epoch, %d to test", r.trained, r.validated, len(r.set.Test))
		add("epoch used", "%s", best)
		add("training", "%s, learning rate %g to %g, weight decay %g, batch %d, warm-up %g, augmentation %s", r.Optimizer, r.LR, r.MinLR, r.Decay, r.Batch, r.Warmup, r.Augment)
		if measures := r.measures(); measures != "" {
			add("measures", "%s", measures)
		}
		add("time", "%.0f s for all epochs", seconds)
		add("seed", "%d", r.Seed)
	}
	if r.skipped > 0 {
		add("left out", "%d images that cannot be read", r.skipped)
	}
	return facts
}

// measures lists what keeps the prompts from learning their few images by heart.
func (r *results) measures() string {
	var list []string
	add := func(on bool, format string, a ...any) {
		if on {
			list = append(list, fmt.Sprintf(format, a...))
		}
	}
	add(r.Rank > 0, "a change of rank %d of the last layer, the same for all classes", r.Rank)
	add(r.PatchDropout > 0, "%.0f %% of the patches hidden in each step", 100*r.PatchDropout)
	add(r.Distill > 0, "a linear probe as teacher, weight %g, temperature %g", r.Distill, r.Temperature)
	add(r.Binary > 0, "binary cross-entropy, weight %g", r.Binary)
	add(r.Mix > 0 && r.MixUntil == 0, "images mixed in %.0f %% of the steps", 100*r.Mix)
	add(r.Mix > 0 && r.MixUntil > 0, "images mixed in %.0f %% of the steps of the first %.0f %% of the epochs", 100*r.Mix, 100*r.MixUntil)
	add(r.Hard > 0, "%.0f %% of each epoch seen in proportion to the losses of the classes, after the first %.0f %% of the epochs", 100*r.Hard, 100*r.HardFrom)
	add(r.Average > 0, "the mean of the parameters over the steps, decay %g", r.Average)
	add(r.Views > 1 && r.cached, "%d views of each image", r.Views)
	return strings.Join(list, "; ")
}
