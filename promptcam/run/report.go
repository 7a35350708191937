package run

import (
	"fmt"
	"iter"
	"path/filepath"
	"slices"
	"strings"

	"github.com/promptcam/promptcam/data"
	"github.com/promptcam/promptcam/promptcam"
	"github.com/promptcam/promptcam/promptcam/figure"
)

// report is the page about the run.
func (r *results) report(curves []byte) *figure.Report {
	p := &figure.Report{
		Title: r.title(), Curves: curves, Style: r.style(),
		Confusions: r.Test.Confusions(30), Facts: r.facts(),
	}
	for class, name := range r.Set.Classes {
		p.Classes = append(p.Classes, figure.ClassResult{Name: name, Images: r.Test.Images[class], Correct: r.Test.Confusion[class][class]})
	}
	split := func(name string, images int, a Accuracy) {
		p.Splits = append(p.Splits, figure.SplitResult{Name: name, Images: images, Top1: a.Top1 / 100, Top5: a.Top5 / 100})
	}
	if val := r.Metrics.Val; val != nil {
		split("validation", r.validated, *val)
	}
	split("test", len(r.Set.Test), r.Metrics.Test)
	for _, b := range r.Baselines {
		split("test, "+b.Title, len(r.Set.Test), b.Accuracy)
	}
	if r.Traits != nil {
		p.Traits = r.traitPage()
	}
	if r.Samples > 0 {
		p.Samples = r.explained()
	}
	return p
}

func (r *results) title() string {
	name := r.Title
	if name == "" && r.Set.Root != "" {
		name = filepath.Base(r.Set.Root)
	}
	return strings.TrimSuffix("Prompt-CAM: "+name, ": ")
}

func (r *results) facts() (facts []figure.Fact) {
	add := func(name, format string, a ...any) {
		facts = append(facts, figure.Fact{Name: name, Value: fmt.Sprintf(format, a...)})
	}
	b := r.Model.Backbone
	add("data", "%s", strings.TrimPrefix(fmt.Sprintf("%s, %d classes", r.Set.Root, len(r.Set.Classes)), ", "))
	add("backbone", "%s at %dx%d pixels, SHA-256 %.12s…", b.Config.Name, b.Config.ImageSize[0], b.Config.ImageSize[1], b.SHA256)
	if r.best == 0 {
		add("mode", "%s", r.Model.Config.Mode)
	} else {
		add("images", "%d to train on, %d to choose the epoch, %d to test", r.trained, r.validated, len(r.Set.Test))
		if r.validated > 0 {
			add("epoch used", "%d of %d, by accuracy on the validation images", r.best, len(r.History))
		} else {
			add("epoch used", "%d, the last", r.best)
		}
		for _, group := range []string{"Photographs", "Model", "Training"} {
			add(strings.ToLower(group), "%s", r.words(group))
		}
		add("time", "%.0f s for all epochs", r.Metrics.Seconds)
	}
	if r.images.unreadable > 0 {
		add("left out", "%d images that cannot be read", r.images.unreadable)
	}
	return facts
}

// explained yields some test images of each class with their maps: as many that were recognised as not, where
// there are both.
func (r *results) explained() iter.Seq2[figure.Sample, error] {
	return func(yield func(figure.Sample, error) bool) {
		var chosen []figure.Sample
		for class := range r.Set.Classes {
			right, wrong := r.samples[true][class], r.samples[false][class]
			right = right[:min(len(right), max((r.Samples+1)/2, r.Samples-len(wrong)))]
			chosen = slices.Concat(chosen, right, wrong[:min(len(wrong), r.Samples-len(right))])
		}
		show, t := r.Observer.count("report", len(chosen)), r.Model.Transform
		for i, s := range chosen {
			photo, err := data.ReadImageFS(r.Set.FS, s.Name)
			if s.Photo = photo; err == nil && (t.ShortSide != 0 || t.ResizeWidth != 0) {
				s.Photo = t.Apply(photo, nil) // what the model saw
			}
			show(i + 1)
			if !yield(s, err) || err != nil {
				return
			}
		}
	}
}

// sample keeps an explained image's maps for the report, unless there are enough of its class.
func (r *results) sample(e *promptcam.Explanation) {
	right := e.Predicted() == e.Label
	if r.samples == nil {
		r.samples = map[bool]map[int][]figure.Sample{true: {}, false: {}}
	}
	if kept := r.samples[right][e.Label]; len(kept) < r.Samples {
		s := figure.Sample{Name: r.Set.Test[e.Index].Path, True: e.Label, Predicted: e.Predicted(), Rows: r.rows(e, r.Set.Classes, "true", e.Label)}
		r.samples[right][e.Label] = append(kept, s)
	}
}
