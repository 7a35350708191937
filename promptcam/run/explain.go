package run

import (
	"cmp"
	"context"
	"fmt"
	"io/fs"
	"iter"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"

	"golang.org/x/text/unicode/norm"

	"github.com/promptcam/promptcam/data"
	"github.com/promptcam/promptcam/promptcam"
	"github.com/promptcam/promptcam/promptcam/figure"
)

// Explained is one photograph and what the model attends to in it.
type Explained struct {
	Explanation *promptcam.Explanation
	Path        string
	Picture     string // path of the sheet of its maps
	Text        string // the same in words
}

// Explain draws, for each photograph, what tells the predicted class from its look-alike (without m.Reference, from
// the runner-up) or, if there are any, from each of those to compare it with, by name or number, then the maps of all
// of these classes, into a picture in Out, and describes them. Beside the evidence stands a photograph of the other
// class, if Set has one. Of Job it uses Set, Photos, Out, Top, Blur, Scale and Colormap. The first error ends it.
func (j *Job) Explain(ctx context.Context, m *promptcam.Model, photos []string, compare ...string) iter.Seq2[*Explained, error] {
	return func(yield func(*Explained, error) bool) {
		j, err := j.forPhotos()
		others, unknown := (&data.Set{Classes: m.Classes}).FindAll(compare)
		if unknown != nil {
			unknown = fmt.Errorf("compare: %w", unknown)
		}
		if err = cmp.Or(err, unknown); err == nil {
			err = writable("out", j.Out)
		}
		if err != nil {
			yield(nil, err)
			return
		}
		taken := map[string]bool{}
		last, of := (*figure.Panel)(nil), -1 // photographs of one class often follow each other
		beside := func(class int) *figure.Panel {
			if class != of {
				last, of = j.exemplar(ctx, m, class), class
			}
			return last
		}
		for _, path := range photos {
			e, err := j.explain(ctx, m, path, pictureName(j.Out, path, photos, taken), others, beside)
			if !yield(e, err) || err != nil {
				return
			}
		}
	}
}

func (j *Job) explain(ctx context.Context, m *promptcam.Model, path, picture string, compare []int, beside func(class int) *figure.Panel) (*Explained, error) {
	photo, err := data.Limits{}.Read(ctx, j.Photos, path)
	if err != nil {
		return nil, err
	}
	e, err := m.ExplainContext(ctx, photo)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if p := e.Predicted(); slices.Contains(compare, p) {
		j.Observer.say(Warning, "%s is predicted as %s: with itself there is nothing to compare", data.Printable(path), data.Printable(m.Classes[p]))
	}
	title := filepath.Base(path)
	if model := folderName(j.ModelDir); model != "" {
		title += ", model " + model
	}
	var rows []figure.Row
	answers := tell(e, m.Classes, compare...)
	for _, t := range answers {
		heads := max(1, j.Top-1) // beside the map of all, as many panels as rows of attention have
		rows = append(rows, t.row(heads, beside(t.rival())))
	}
	rows = append(rows, j.rows(e, m.Classes, nil, "compared with", compare...)...)
	if err := figure.WritePNG(picture, figure.Sheet(e.Seen, title, rows, j.style())); err != nil {
		return nil, err
	}
	return &Explained{e, path, picture, j.description(path, photo, answers, compare)}, nil
}

// exemplar is a photograph of a class of m: the first of Set's that can be read. It is nil where there is none.
func (j *Job) exemplar(ctx context.Context, m *promptcam.Model, class int) *figure.Panel {
	if j.Set == nil {
		return nil
	}
	of := data.Same(j.Set.Classes, m.Classes[class])
	for _, it := range slices.Concat(j.Set.Train, j.Set.Val, j.Set.Test) {
		if it.Class == of {
			if p := exemplar(ctx, m, j.Set.FS, class, it.Path); p != nil {
				return p
			}
		}
	}
	return nil
}

// exemplar is the photograph at a path as one of a class, nil if it cannot be read.
func exemplar(ctx context.Context, m *promptcam.Model, fsys fs.FS, class int, path string) *figure.Panel {
	photo, err := data.Limits{}.Read(ctx, fsys, path)
	if err != nil {
		return nil
	}
	p := &figure.Panel{Rank: -1, Photo: photo, Name: figure.DisplayName(m.Classes[class]), Detail: path}
	if t := m.Transform; t.ShortSide != 0 || t.ResizeWidth != 0 {
		p.Photo = t.Apply(photo, nil) // what the model sees of it
	}
	return p
}

// shown returns the classes whose maps are shown: the predicted one and then others, each once.
func shown(e *promptcam.Explanation, others []int) []int {
	classes := []int{e.Predicted()}
	for _, c := range others {
		if !slices.Contains(classes, c) {
			classes = append(classes, c)
		}
	}
	return classes
}

// rows returns the maps of the predicted class and those of others, each of which is the "true" one or is
// "compared with" it. best returns a class's best head, if it is known; nil knows none.
func (j *Job) rows(e *promptcam.Explanation, classes []string, best func(class int) []int, what string, others ...int) (all []figure.Row) {
	for i, class := range shown(e, others) {
		what := what
		if i == 0 {
			what = "predicted"
		}
		var heads []int
		if best != nil {
			heads = best(class)
		}
		name, share := figure.DisplayName(classes[class]), 100*e.Probabilities[class]
		row := figure.Explained(fmt.Sprintf("%s: %s, %.1f %%", what, name, share), e, class, j.Top, j.blur(), heads...)
		row.Plain = fmt.Sprintf("%s: class %d, %.1f %% (%s)", what, class+1, share, name)
		all = append(all, row)
	}
	return all
}

// longestPicture is how many bytes of a photograph's name go into its picture's: names of files have at most
// 255, with what is put before and behind them while they are written.
const longestPicture = 160

// pictureName returns a name in out of its own for a photograph's picture, which is none of the photographs'
// either: out may be their folder.
func pictureName(out, path string, photos []string, taken map[string]bool) string {
	stem := strings.ToValidUTF8(strings.TrimSuffix(filepath.Base(path), filepath.Ext(path)), "_")
	if len(stem) > longestPicture {
		stem = strings.ToValidUTF8(stem[:longestPicture], "") // a letter may be cut
	}
	base := filepath.Join(out, stem+"-maps")
	name := base + ".png"
	folded := func() string { return strings.ToLower(norm.NFC.String(name)) } // which some file systems take for one name
	for i := 2; taken[folded()] || slices.ContainsFunc(photos, func(p string) bool { return sameFile(p, name) }); i++ {
		name = fmt.Sprintf("%s-%d.png", base, i)
	}
	taken[folded()] = true
	return name
}

// description says in words what the picture shows.
func (j *Job) description(path string, photo *data.RGB, answers []told, compare []int) string {
	var b strings.Builder
	e, classes := answers[0].e, answers[0].classes
	fmt.Fprintf(&b, "%s, %dx%d pixels\n", data.Printable(path), photo.W, photo.H)
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	what := "predicted"
	for _, c := range e.Top(5) {
		fmt.Fprintf(w, "  %s\t%s\t%.1f %%\n", what, data.Printable(classes[c]), 100*e.Probabilities[c])
		what = "then"
	}
	w.Flush() // a strings.Builder takes everything
	describeDoubt(&b, e, classes)
	for _, t := range answers {
		t.describe(&b, j.Top)
	}
	for _, class := range shown(e, compare) {
		describeHeads(&b, e, shownName(classes[class]), e.Rank(class, j.blur()))
	}
	return b.String()
}

// describeDoubt says what else the photograph may show, as far as the model tells.
func describeDoubt(b *strings.Builder, e *promptcam.Explanation, classes []string) {
	if set, level := e.PredictionSet(); level > 0 {
		fmt.Fprintf(b, "  one of these with a confidence of %.4g %%: %s\n", 100*level, data.Printable(listed(namesOf(set, classes))))
	}
	if d := e.Doubt(); d != "" {
		fmt.Fprintf(b, "  doubtful: %s\n", data.Printable(d))
	}
}

// describeHeads lists the heads of a class's prompt.
func describeHeads(b *strings.Builder, e *promptcam.Explanation, class string, r promptcam.Ranking) {
	fmt.Fprintf(b, "\n  heads of the prompt of %s, top-ranked first; score when blurred: its probability,\n  %.1f %% now, with this head and all below blurred\n",
		class, 100*e.Probabilities[r.Class])
	w := tabwriter.NewWriter(b, 0, 0, 2, ' ', tabwriter.AlignRight)
	parts := sharedParts(e.Share(r.Class, 0))
	fmt.Fprintf(w, "\trank\thead\t%sscore when blurred\t\n", strings.Join(append(parts, ""), "\t"))
	var heads []string
	for i, h := range r.Heads {
		fmt.Fprintf(w, "\t%d\t%d\t", i+1, h.Head)
		share := e.Share(r.Class, h.Head)
		for k := range parts {
			fmt.Fprintf(w, "%.1f %%\t", 100*[]float64{share.Patches, share.Prompts, share.CLS, share.Registers}[k])
		}
		fmt.Fprintf(w, "%.1f %%\t\n", 100*h.Probability)
		if i < r.Sufficient {
			heads = append(heads, fmt.Sprint("head ", h.Head))
		}
	}
	w.Flush() // a strings.Builder takes everything
	switch r.Sufficient {
	case -1:
		fmt.Fprintln(b, "  sufficient traits: none, since the class is not the predicted one")
	case 0:
		fmt.Fprintln(b, "  sufficient traits: none needed: still predicted with every map blurred, so these maps do not explain it")
	default:
		fmt.Fprintf(b, "  sufficient traits: %s; with all others blurred the class is still predicted\n", strings.Join(heads, ", "))
	}
}

// sharedParts names what a head divides its attention over; none if it is patches alone.
func sharedParts(s promptcam.Share) []string {
	switch {
	case s.Registers > 0:
		return []string{"patches", "prompts", "CLS", "registers"}
	case s.Prompts+s.CLS > 0:
		return []string{"patches", "prompts", "CLS"}
	}
	return nil
}
