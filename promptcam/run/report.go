package run

import (
	"fmt"
	"iter"
	"path/filepath"

	"github.com/promptcam/promptcam/data"
	"github.com/promptcam/promptcam/promptcam"
	"github.com/promptcam/promptcam/promptcam/figure"
)

// report is the page about the run.
func (r *results) report(curves []byte, seconds float64) *figure.Report {
	title := r.Title
	if title == "" {
		title = filepath.Base(r.Set.Root)
	}
	p := &figure.Report{
		Title: "Prompt-CAM: " + title, Curves: curves, Style: r.style(),
		Confusions: r.test.Confusions(30), Facts: r.facts(seconds),
	}
	for class, name := range r.Set.Classes {
		p.Classes = append(p.Classes, figure.ClassResult{Name: name, Images: r.test.Images[class], Correct: r.test.Confusion[class][class]})
	}
	if st := r.state; st != nil {
		if v := st.History[st.Best-1].Values; r.validated > 0 {
			p.Splits = append(p.Splits, figure.SplitResult{Name: "validation", Images: r.validated, Top1: v[valTop1], Top5: v[valTop5]})
		}
	}
	p.Splits = append(p.Splits, figure.SplitResult{Name: "test", Images: len(r.Set.Test), Top1: r.test.Top1, Top5: r.test.Top5})
	for _, b := range r.baselines {
		p.Splits = append(p.Splits, figure.SplitResult{Name: "test, " + b.Title, Images: len(r.Set.Test), Top1: b.Top1 / 100, Top5: b.Top5 / 100})
	}
	if r.traits != nil {
		p.Traits = r.traits.page()
	}
	if r.Samples > 0 {
		p.Samples = r.explained()
	}
	return p
}

func (r *results) facts(seconds float64) []figure.Fact {
	var facts []figure.Fact
	add := func(name, format string, a ...any) {
		facts = append(facts, figure.Fact{Name: name, Value: fmt.Sprintf(format, a...)})
	}
	b := r.model.Backbone
	add("data", "%s, %d classes", r.Set.Root, len(r.Set.Classes))
	add("backbone", "%s at %dx%d pixels, SHA-256 %.12s…", b.Config.Name, b.Config.ImageSize[0], b.Config.ImageSize[1], b.SHA256)
	if st := r.state; st != nil {
		best := fmt.Sprintf("%d, the last", st.Best)
		if r.validated > 0 {
			best = fmt.Sprintf("%d of %d, by accuracy on the validation images", st.Best, len(st.History))
		}
		add("images", "%d to train on, %d to choose the epoch, %d to test", r.trained, r.validated, len(r.Set.Test))
		add("epoch used", "%s", best)
		add("photographs", "%s", r.words("Photographs"))
		add("model", "%s", r.words("Model"))
		add("training", "%s", r.words("Training"))
		add("time", "%.0f s for all epochs", seconds)
	} else {
		add("mode", "%s", r.model.Config.Mode)
	}
	if r.unreadable > 0 {
		add("left out", "%d images that cannot be read", r.unreadable)
	}
	return facts
}

// explained yields some test images of each class with their maps: as many that
// were recognised as not, where there are both.
func (r *results) explained() iter.Seq2[figure.Sample, error] {
	return func(yield func(figure.Sample, error) bool) {
		chosen := r.choose()
		show := r.Observer.meter(len(chosen)).part("report", len(chosen))
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
func (r *results) choose() []promptcam.Prediction {
	classes := len(r.Set.Classes)
	right, wrong := make([][]promptcam.Prediction, classes), make([][]promptcam.Prediction, classes)
	for _, p := range r.test.Predictions {
		if p.Predicted == p.Class {
			right[p.Class] = append(right[p.Class], p)
		} else {
			wrong[p.Class] = append(wrong[p.Class], p)
		}
	}
	var chosen []promptcam.Prediction
	for class := range classes {
		good, bad := right[class], wrong[class]
		n := max((r.Samples+1)/2, r.Samples-len(bad))
		good = good[:min(n, len(good))]
		chosen = append(chosen, good...)
		chosen = append(chosen, bad[:min(r.Samples-len(good), len(bad))]...)
	}
	return chosen
}

func (r *results) sample(p promptcam.Prediction) (figure.Sample, error) {
	path := r.Set.Test[p.Index].Path
	photo, err := data.ReadImageFS(r.Set.FS, path)
	if err != nil {
		return figure.Sample{}, err
	}
	e, err := r.model.Explain(photo)
	if err != nil {
		return figure.Sample{}, err
	}
	return figure.Sample{
		Name: path, Photo: e.Seen, True: p.Class, Predicted: p.Predicted,
		Rows: r.rows(e, r.Set.Classes, "true", p.Class),
	}, nil
}
