package run

import (
	"cmp"
	"fmt"
	"iter"
	"path/filepath"
	"strings"

	"github.com/promptcam/promptcam/promptcam"
	"github.com/promptcam/promptcam/promptcam/figure"
)

// report is the page about the run.
func (r *results) report(curves []byte) *figure.Report {
	p := &figure.Report{
		Title: "Prompt-CAM: " + cmp.Or(r.Title, filepath.Base(r.Set.Root)), Curves: curves, Style: r.style(),
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

func (r *results) facts() (facts []figure.Fact) {
	add := func(name, format string, a ...any) {
		facts = append(facts, figure.Fact{Name: name, Value: fmt.Sprintf(format, a...)})
	}
	b := r.Model.Backbone
	add("data", "%s, %d classes", r.Set.Root, len(r.Set.Classes))
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
		chosen := r.choose()
		show := r.Observer.count("report", len(chosen))
		for i, p := range chosen {
			s, err := r.sample(p)
			show(i + 1)
			if !yield(s, err) || err != nil {
				return
			}
		}
	}
}

// choose picks up to Samples predictions of each class.
func (r *results) choose() (chosen []promptcam.Prediction) {
	for class := range r.Set.Classes {
		var right, wrong []promptcam.Prediction
		for _, p := range r.Test.Predictions {
			switch {
			case p.Class != class:
			case p.Predicted == class:
				right = append(right, p)
			default:
				wrong = append(wrong, p)
			}
		}
		right = right[:min(len(right), max((r.Samples+1)/2, r.Samples-len(wrong)))]
		chosen = append(chosen, right...)
		chosen = append(chosen, wrong[:min(len(wrong), r.Samples-len(right))]...)
	}
	return chosen
}

func (r *results) sample(p promptcam.Prediction) (figure.Sample, error) {
	path := r.Set.Test[p.Index].Path
	_, e, err := explain(r.Model, r.Set.FS, path)
	if err != nil {
		return figure.Sample{}, err
	}
	return figure.Sample{
		Name: path, Photo: e.Seen, True: p.Class, Predicted: p.Predicted,
		Rows: r.rows(e, r.Set.Classes, "true", p.Class),
	}, nil
}
