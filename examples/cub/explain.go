package main

import (
	"context"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/promptcam/promptcam/data"
	"github.com/promptcam/promptcam/promptcam"
	"github.com/promptcam/promptcam/promptcam/figure"
)

// explained yields some test images of each class with their maps: as many that
// were recognised as not, where there are both.
func (r *results) explained() iter.Seq2[figure.Sample, error] {
	return func(yield func(figure.Sample, error) bool) {
		chosen := r.choose()
		m := r.c.meter(len(chosen))
		for i, p := range chosen {
			s, err := r.sample(p)
			m.show("report", i+1, len(chosen), "")
			if !yield(s, err) || err != nil {
				return
			}
		}
	}
}

// choose picks up to -samples predictions of each class.
func (r *results) choose() []promptcam.Prediction {
	classes := len(r.set.Classes)
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
		n := max((r.samples+1)/2, r.samples-len(bad))
		good = good[:min(n, len(good))]
		chosen = append(chosen, good...)
		chosen = append(chosen, bad[:min(r.samples-len(good), len(bad))]...)
	}
	return chosen
}

func (r *results) sample(p promptcam.Prediction) (figure.Sample, error) {
	path := r.set.Test[p.Index].Path
	photo, err := data.ReadImage(filepath.Join(r.set.Root, path))
	if err != nil {
		return figure.Sample{}, err
	}
	e, err := r.model.Explain(photo)
	if err != nil {
		return figure.Sample{}, err
	}
	return figure.Sample{
		Name: path, Photo: e.Seen, True: p.Class, Predicted: p.Predicted,
		Rows: rows(r.settings, e, r.set.Classes, "true", p.Class, p.Predicted),
	}, nil
}

// rows returns the maps of the predicted class and before them those of another one, which is
// the "true" one or is to be "compared with" it; unknown leaves it out.
func rows(s *settings, e *promptcam.Explanation, classes []string, what string, class, predicted int) []figure.Row {
	row := func(what string, class int) figure.Row {
		title := fmt.Sprintf("%s: %s, %.1f %%", what, figure.DisplayName(classes[class]), 100*e.Probabilities[class])
		return figure.Explained(title, e, class, s.top, s.blur)
	}
	if class == predicted || class == unknown {
		return []figure.Row{row("predicted", predicted)}
	}
	return []figure.Row{row(what, class), row("predicted", predicted)}
}

const unknown = -1 // in place of a class

// explain draws and prints what -load's model sees in photographs.
func explain(ctx context.Context, s *settings, c *console) error {
	m, _, err := openBoth(s, c)
	if err != nil {
		return err
	}
	class := unknown
	if s.class != "" {
		if class, err = (&data.Set{Root: s.load, Classes: m.classes}).Find(s.class); err != nil {
			return fmt.Errorf("-class: %w", err)
		}
	}
	if err := writable("out", s.out); err != nil {
		return err
	}
	taken := map[string]bool{}
	for _, path := range s.explain {
		if err := ctx.Err(); err != nil {
			return err
		}
		photo, err := data.ReadImage(path)
		if err != nil {
			return fmt.Errorf("-explain: %w", err)
		}
		e, err := m.Explain(photo)
		if err != nil {
			return fmt.Errorf("-explain %s: %w", path, err)
		}
		picture := pictureName(s.out, path, s.explain, taken)
		sheet := figure.Sheet(e.Seen, filepath.Base(path), rows(s, e, m.classes, "compared with", class, e.Predicted()), s.style)
		if err := figure.WritePNG(picture, sheet); err != nil {
			return err
		}
		c.result("%s", description(s, path, photo, e, m.classes, class)+picture)
	}
	return nil
}

// pictureName returns a name in out of its own for a photograph's picture, which
// is none of the photographs' either: out may be their folder.
func pictureName(out, path string, photos []string, taken map[string]bool) string {
	base := filepath.Join(out, strings.TrimSuffix(filepath.Base(path), filepath.Ext(path))+"-maps")
	name := base + ".png"
	for i := 2; taken[name] || slices.ContainsFunc(photos, func(p string) bool { return sameFile(p, name) }); i++ {
		name = fmt.Sprintf("%s-%d.png", base, i)
	}
	taken[name] = true
	return name
}

// sameFile says whether both paths lead to one file.
func sameFile(a, b string) bool {
	x, err := os.Stat(a)
	if err != nil {
		return false
	}
	y, err := os.Stat(b)
	return err == nil && os.SameFile(x, y)
}

// description says in words what the picture shows.
func description(s *settings, path string, photo *data.RGB, e *promptcam.Explanation, classes []string, class int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s, %dx%d pixels\n", path, photo.W, photo.H)
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for i, c := range e.Top(5) {
		what := "then"
		if i == 0 {
			what = "predicted"
		}
		fmt.Fprintf(w, "  %s\t%s\t%.1f %%\n", what, classes[c], 100*e.Probabilities[c])
	}
	w.Flush() // a strings.Builder takes everything
	predicted := e.Predicted()
	if class != unknown && class != predicted {
		describeHeads(&b, s, e, classes, class)
	}
	describeHeads(&b, s, e, classes, predicted)
	return b.String()
}

// describeHeads lists the heads of a class's prompt.
func describeHeads(b *strings.Builder, s *settings, e *promptcam.Explanation, classes []string, class int) {
	r := e.Rank(class, s.blur)
	fmt.Fprintf(b, "\n  heads of the prompt of %s, the most important first; left: what remains\n  of its %.1f %% with this head and all below blurred\n",
		classes[class], 100*e.Probabilities[class])
	registers := e.Share(class, 0).Registers > 0
	w := tabwriter.NewWriter(b, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprint(w, "\trank\thead\tpatches\tprompts\tCLS\t")
	if registers {
		fmt.Fprint(w, "registers\t")
	}
	fmt.Fprintln(w, "left\t")
	for i, h := range r.Heads {
		share := e.Share(class, h.Head)
		fmt.Fprintf(w, "\t%d\t%d\t%.1f %%\t%.1f %%\t%.1f %%\t", i+1, h.Head, 100*share.Patches, 100*share.Prompts, 100*share.CLS)
		if registers {
			fmt.Fprintf(w, "%.1f %%\t", 100*share.Registers)
		}
		fmt.Fprintf(w, "%.1f %%\t\n", 100*h.Probability)
	}
	w.Flush() // a strings.Builder takes everything
	var heads []string
	for _, h := range r.Heads[:max(0, r.Sufficient)] {
		heads = append(heads, fmt.Sprint(h.Head))
	}
	switch r.Sufficient {
	case -1:
		fmt.Fprintln(b, "  sufficient traits: none, since the class is not the predicted one")
	case 0:
		fmt.Fprintln(b, "  sufficient traits: none, since the class wins with every head blurred")
	default:
		fmt.Fprintf(b, "  sufficient traits: head %s; with all others blurred the class still wins\n", strings.Join(heads, ", head "))
	}
}
