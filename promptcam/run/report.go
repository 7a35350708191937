package run

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"iter"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/promptcam/promptcam/data"
	"github.com/promptcam/promptcam/promptcam"
	"github.com/promptcam/promptcam/promptcam/figure"
	"github.com/promptcam/promptcam/promptcam/figure/curves"
	"github.com/promptcam/promptcam/promptcam/measure"
	"github.com/promptcam/promptcam/vit/heat"
)

// report is the page about the run.
func (r *results) report(ctx context.Context) (*figure.Report, error) {
	p := &figure.Report{
		Title: r.title(), Style: r.style(), Survival: r.Survival, Confusions: r.confusions(), Facts: r.facts(), Mistakes: r.mistakes(),
	}
	if r.best > 0 {
		var picture bytes.Buffer
		if err := drawCurves(curves.SVG, &picture, r.History); err != nil {
			return nil, err
		}
		p.Curves, p.Course = picture.Bytes(), r.course()
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
	if ref := r.Model.Reference; ref != nil {
		p.LookAlikes = ref.LookAlikes
	}
	if r.Traits != nil {
		p.Traits = r.traitPage()
	}
	if r.Samples > 0 {
		p.Samples = r.explained(ctx)
	}
	return p, nil
}

// confusions are the most frequent ones, and their reverses.
func (r *results) confusions() []promptcam.Confusion {
	most := r.Test.Confusions(30)
	for _, c := range most {
		back := promptcam.Confusion{True: c.Predicted, Predicted: c.True, Count: r.Test.Confusion[c.Predicted][c.True]}
		if back.Count > 0 && !slices.Contains(most, back) {
			most = append(most, back)
		}
	}
	return most
}

// mistakes are the test images that are classified wrongly, by class.
func (r *results) mistakes() (all []figure.Mistake) {
	for _, p := range r.Test.Predictions {
		if p.Predicted != p.Class {
			all = append(all, figure.Mistake{Name: r.Set.Test[p.Index].Path, True: p.Class, Predicted: p.Predicted, Probability: p.Probability()})
		}
	}
	slices.SortStableFunc(all, func(a, b figure.Mistake) int { return cmp.Compare(a.True, b.True) })
	return all
}

// course says in words what the curves show.
func (r *results) course() string {
	first, last := r.History[0], r.History[len(r.History)-1]
	text := fmt.Sprintf("in %d epochs the training loss goes from %.3g to %.3g and the training accuracy from %.1f to %.1f %%",
		len(r.History), first.Loss, last.Loss, 100*first.Accuracy, 100*last.Accuracy)
	if r.validated > 0 {
		text += fmt.Sprintf("; the validation accuracy from %.1f to %.1f %%", 100*first.Values[valTop1], 100*last.Values[valTop1])
	}
	return text
}

func (r *results) title() string {
	name := r.Title
	return strings.TrimSuffix("Prompt-CAM: "+cmp.Or(name, folderName(r.Set.Root)), ": ")
}

// folderName names a folder without the path to it, which is nobody's business on a page to show; "" is none.
func folderName(path string) string {
	if path == "" {
		return ""
	}
	if whole, err := filepath.Abs(path); err == nil {
		path = whole
	}
	return strings.Trim(filepath.Base(path), string(filepath.Separator))
}

func (r *results) facts() (facts []figure.Fact) {
	add := func(name, format string, a ...any) {
		facts = append(facts, figure.Fact{Name: name, Value: fmt.Sprintf(format, a...)})
	}
	b := r.Model.Backbone
	add("date", "%s", time.Now().Format("2006-01-02 15:04 MST"))
	if r.Program != "" {
		add("program", "%s", r.Program)
	}
	if r.Command != "" {
		add("command", "%s", r.Command)
	}
	add("data", "%s", strings.TrimPrefix(fmt.Sprintf("%s, %d classes", folderName(r.Set.Root), len(r.Set.Classes)), ", "))
	add("backbone", "%s at %dx%d pixels, SHA-256 %.12s…", b.Config.Name, b.Config.ImageSize[0], b.Config.ImageSize[1], b.SHA256)
	if r.best == 0 {
		add("mode", "%s", r.Model.Config.Mode)
	} else {
		if r.validated > 0 {
			add("images", "%d training, %d validation, %d test", r.trained, r.validated, len(r.Set.Test))
			add("epoch used", "%d of %d, the best by validation accuracy", r.best, len(r.History))
		} else {
			add("images", "%d training, %d test; no validation images", r.trained, len(r.Set.Test))
			add("epoch used", "%d, the last", r.best)
		}
		for _, group := range []string{"Photographs", "Model", "Training"} {
			add(strings.ToLower(group), "%s", r.words(group))
		}
		add("time", "%.0f s for all epochs", r.Metrics.Seconds)
	}
	if c := r.Metrics.Test.Conformal; c != nil {
		add("prediction sets", "%s", strings.TrimPrefix(c.String(), "prediction sets "))
	}
	if d := r.Metrics.Test.Doubt; d != nil {
		add("doubt", "%v", d)
	}
	if r.images.unreadable > 0 {
		add("left out", "%d images that cannot be read", r.images.unreadable)
	}
	return facts
}

// chosen returns which test images to show, by class: as many that are classified correctly as not, where there
// are both, and the first of each confusion.
func (r *results) chosen(confusions []promptcam.Confusion) (indices []int) {
	right, wrong := map[int][]int{}, map[int][]int{} // by true class
	first := map[[2]int]int{}
	for _, p := range r.Test.Predictions {
		of := map[bool]map[int][]int{true: right, false: wrong}[p.Predicted == p.Class]
		of[p.Class] = append(of[p.Class], p.Index)
		if pair := [2]int{p.Class, p.Predicted}; first[pair] == 0 {
			first[pair] = p.Index + 1
		}
	}
	for class := range r.Set.Classes {
		n := min(len(right[class]), max((r.Samples+1)/2, r.Samples-len(wrong[class])))
		show := slices.Concat(right[class][:n], wrong[class][:min(len(wrong[class]), r.Samples-n)])
		for _, c := range confusions {
			if i := first[[2]int{class, c.Predicted}] - 1; c.True == class && i >= 0 && !slices.Contains(show, i) {
				show = append(show, i)
			}
		}
		indices = append(indices, show...)
	}
	return indices
}

// explained yields the chosen test images with their maps.
func (r *results) explained(ctx context.Context) iter.Seq2[figure.Sample, error] {
	return func(yield func(figure.Sample, error) bool) {
		chosen := r.chosen(r.confusions())
		if len(chosen) == 0 {
			return
		}
		items := make([]data.Item, len(chosen))
		r.examples = map[int]string{}
		for i, test := range chosen {
			items[i] = r.Set.Test[test]
			if p := r.Test.Predictions[test]; p.Predicted == p.Class && r.examples[p.Class] == "" {
				r.examples[p.Class] = items[i].Path
			}
		}
		l, err := r.asTheyAre(items)
		if err != nil {
			yield(figure.Sample{}, err)
			return
		}
		show, t, done := r.Observer.count("report", len(chosen)), r.Model.Transform, 0
		for e, err := range r.Model.Explanations(ctx, l) {
			if err != nil {
				yield(figure.Sample{}, err)
				return
			}
			s := figure.Sample{Name: items[e.Index].Path, True: e.Label, Predicted: e.Predicted()}
			answers, err := r.told(e, chosen[e.Index])
			if err != nil {
				yield(figure.Sample{}, err)
				return
			}
			heads := r.Top // of the first answer alone
			for _, t := range answers {
				s.Rows = append(s.Rows, t.row(heads, r.exemplar(ctx, t.rival())))
				heads = 0
			}
			s.Rows = append(s.Rows, r.rows(e, r.Set.Classes, r.bestHead, "true", e.Label)...)
			photo, err := data.Limits{}.Read(ctx, r.Set.FS, s.Name)
			if s.Photo = photo; err == nil && (t.ShortSide != 0 || t.ResizeWidth != 0) {
				s.Photo = t.Apply(photo, nil) // what the model saw
			}
			done++
			show(done)
			if !yield(s, err) || err != nil {
				return
			}
		}
	}
}

// told says what tells the predicted class of a test image from its look-alike and, if it is a third, from the true
// class.
func (r *results) told(e *promptcam.Explanation, test int) ([]told, error) {
	answers := tell(e, r.Set.Classes)
	if e.Label != e.Predicted() && e.Label != answers[0].rival() {
		answers = append(answers, tell(e, r.Set.Classes, e.Label)...)
	}
	if r.regions == nil {
		return answers, nil
	}
	c := e.Predicted()
	at, _, err := r.regions.Of(test, c, answers[0].rival())
	if err != nil {
		return nil, err
	}
	for i := range answers {
		t := &answers[i]
		t.shares = shares(t.Map(), r.regions.Names[measure.Parts:], at[measure.Parts:])
		t.differ = r.regions.Between(c, t.rival())
	}
	return answers, nil
}

// exemplar is a photograph of a class: the first that the report shows recognised or, without one, any. It is nil
// if there is none.
func (r *results) exemplar(ctx context.Context, class int) *figure.Panel {
	if r.rival.panel == nil || r.rival.class != class { // images of one class follow each other
		r.rival.class = class
		if path := r.examples[class]; path != "" {
			r.rival.panel = exemplar(ctx, r.Model, r.Set.FS, class, path)
		} else {
			r.rival.panel = r.Job.exemplar(ctx, r.Model, class)
		}
	}
	return r.rival.panel
}

// bestHead returns a class's best head, if it is known.
func (r *results) bestHead(class int) []int {
	if r.Traits == nil || r.Traits.Classes[class].BestHead < 0 {
		return nil
	}
	return []int{r.Traits.Classes[class].BestHead}
}

// survived counts an explained image that is classified correctly, and whether it is so with all maps blurred.
func (r *results) survived(e *promptcam.Explanation) {
	if e.Predicted() != e.Label {
		return
	}
	r.correct++
	if e.Survives(e.Label, r.blur()) {
		r.blind++
	}
	r.Survival = heat.Wilson(float64(r.blind)/float64(r.correct), r.correct)
}

// survival says how many correct predictions no map explains.
func (r *results) survival() string {
	s, so := r.Survival, "no map explains those"
	if s.Mean == 0 {
		so = "each needs its maps"
	}
	return fmt.Sprintf("%v of the %d correct predictions stay the same with all maps of the class blurred: %s", s, s.N, so)
}
