package figure

import (
	"bytes"
	"cmp"
	"context"
	_ "embed"
	"encoding/base64"
	"errors"
	"fmt"
	"html/template"
	"image"
	"io"
	"slices"

	"github.com/promptcam/promptcam/promptcam"
	"github.com/promptcam/promptcam/vit/heat"
)

//go:embed report.html
var reportHTML string

var page = template.Must(template.New("report").Funcs(template.FuncMap{
	"count": thousands, "note": Row.note,
	"percent": func(share float64) string { return fmt.Sprintf("%.1f %%", 100*share) },
	"mean": func(i heat.Interval) string {
		if i.N == 0 {
			return "–"
		}
		return fmt.Sprintf("%.1f %%", 100*i.Mean)
	},
	"bounds":  func(i heat.Interval) string { return fmt.Sprintf("%.0f to %.0f %%", 100*i.Low, 100*i.High) },
	"between": func(i heat.Interval) string { return fmt.Sprintf("%.1f to %.1f %%", 100*i.Low, 100*i.High) },
	"wilson":  func(share float64, images int) heat.Interval { return heat.Wilson(share, images) },
	"brief":   func(name string) string { return brief(name, 2*longest) },
	"pale":    func() float64 { return pale },
	"width":   func(share float64) string { return fmt.Sprintf("%.1f%%", 100*unit(share)) }, // CSS allows no space
}).Parse(reportHTML))

// thousands writes n with commas.
func thousands(n int) string {
	if n < 1000 {
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("%s,%03d", thousands(n/1000), n%1000)
}

// The views are what report.html shows beside the Report. The template escapes their text. Attributes and
// styles are made here from numbers and base64 alone, and Examples by the same template.
type (
	pageView struct {
		*Report
		Total     ClassResult   // of all classes
		Interval  heat.Interval // of its accuracy
		Curves    template.HTMLAttr
		Legend    template.CSS
		Low, High string       // ends of the colour scale
		Sides     template.CSS // the scale of evidence
		Relative  bool
		Pairs     []*pairView // the confusions
		Alike     []alikeView // the classes that are most alike, each pair once

		Examples                  template.HTML // a few samples that are classified correctly
		Shown, Rest, Wrong, Blind int           // samples; those below the tables; wrong ones; correct ones that no map explains
		Shared, Marked            bool          // a head attends to more than patches; one is the best of its class
		Told                      bool          // a sample has a map of evidence

		class  map[int]string    // by true class, the anchor of its first sample
		sample map[string]string // by name, the anchor of the sample
		first  map[[2]int]photo  // by true and predicted class, the first sample
		pair   map[[2]int]*pairView
		trait  map[int]*TraitRow // by class
		other  map[string]string // by name, the anchor of a photograph beside the samples' own
		others int               // panels of those
	}
	// alikeView is two classes, the first of which has the second as its nearest look-alike.
	alikeView struct {
		A, B     nameView
		Distance float64
	}
	nameView struct{ Text, Folder, Link string } // Link is an anchor, "" for none

	// pairView is two classes that are taken for each other. ID is its anchor.
	pairView struct {
		ID   string
		Ways []wayView
	}
	wayView struct {
		promptcam.Confusion
		page *pageView
	}
	// photo is a sample's, to draw again at another place.
	photo struct {
		Anchor string
		Size   image.Point
	}
)

// Right is how many samples are classified correctly.
func (v *pageView) Right() int { return v.Shown - v.Wrong }

// view returns the page's view without samples.
func (r *Report) view() (*pageView, error) {
	v := &pageView{
		Report: r, Legend: r.Style.signed(false).gradient(), Sides: r.Style.signed(true).gradient(), Relative: r.Style.Scale == Relative,
		class: map[int]string{}, sample: map[string]string{}, first: map[[2]int]photo{}, pair: map[[2]int]*pairView{}, trait: map[int]*TraitRow{},
		other: map[string]string{},
	}
	if len(r.Curves) > 0 {
		kind, err := pictureType(r.Curves)
		if err != nil {
			return nil, err
		}
		v.Curves = dataURI("src", kind, r.Curves)
	}
	for _, c := range r.Classes {
		v.Total.Images += c.Images
		v.Total.Correct += c.Correct
	}
	v.Interval = heat.Wilson(v.Total.Accuracy(), v.Total.Images)
	for i, c := range r.Confusions {
		if err := r.known(c.True, c.Predicted); err != nil {
			return nil, fmt.Errorf("confusion %d: %w", i, err)
		}
		key := [2]int{min(c.True, c.Predicted), max(c.True, c.Predicted)}
		if v.pair[key] == nil {
			v.pair[key] = &pairView{ID: fmt.Sprintf("pair-%d-%d", key[0], key[1])}
			v.Pairs = append(v.Pairs, v.pair[key])
		}
		v.pair[key].Ways = append(v.pair[key].Ways, wayView{c, v})
	}
	for i, m := range r.Mistakes {
		if err := r.known(m.True, m.Predicted); err != nil {
			return nil, fmt.Errorf("mistake %d: %w", i, err)
		}
	}
	if r.Traits != nil {
		for i := range r.Traits.Rows {
			row := &r.Traits.Rows[i]
			if err := r.known(row.Class); err != nil {
				return nil, fmt.Errorf("row %d of traits: %w", i, err)
			}
			v.trait[row.Class] = row
		}
	}
	if err := v.alike(); err != nil {
		return nil, err
	}
	switch {
	case v.Relative:
		v.Low, v.High = "least of the map", "most of the map"
	case r.Style.Limit > 0:
		v.Low, v.High = "0 %", percent(float64(r.Style.Limit))+" or more, per patch"
	default:
		v.Low, v.High = "0 %", "highest share in this photograph"
	}
	return v, nil
}

// alike finds the most alike classes.
func (v *pageView) alike() error {
	if n := len(v.LookAlikes); n > 0 && n != len(v.Classes) {
		return fmt.Errorf("look-alikes of %d classes, want %d", n, len(v.Classes))
	}
	seen := map[[2]int]bool{}
	for c, of := range v.LookAlikes {
		for i, a := range of {
			if err := v.known(a.Class); err != nil {
				return fmt.Errorf("look-alikes of class %d: %w", c, err)
			}
			pair := [2]int{min(c, a.Class), max(c, a.Class)}
			if i == 0 && !seen[pair] {
				seen[pair] = true
				v.Alike = append(v.Alike, alikeView{v.Name(c), v.Name(a.Class), a.Distance})
			}
		}
	}
	slices.SortStableFunc(v.Alike, func(a, b alikeView) int { return cmp.Compare(a.Distance, b.Distance) })
	v.Alike = v.Alike[:min(named, len(v.Alike))]
	return nil
}

// named is how many pairs of look-alikes the page names at its top.
const named = 5

// known returns an error if one of these is no class.
func (r *Report) known(classes ...int) error {
	for _, c := range classes {
		if c < 0 || c >= len(r.Classes) {
			return fmt.Errorf("class %d, want 0 to %d", c, len(r.Classes)-1)
		}
	}
	return nil
}

// Name names a class, with a link to its row of the table of classes.
func (v *pageView) Name(class int) nameView {
	folder := v.Classes[class].Name
	return nameView{DisplayName(folder), brief(folder, 2*longest), fmt.Sprintf("class-%d", class)}
}

// Class names a class, with a link to its first sample, if there is one.
func (v *pageView) Class(class int) nameView {
	name := v.Name(class)
	name.Link = v.class[class]
	return name
}

// Mistake is the anchor of a mistake's sample, if it is one.
func (v *pageView) Mistake(m Mistake) string { return v.sample[m.Name] }

// Incorrect counts the test images that are classified wrongly.
func (v *pageView) Incorrect() int { return v.Total.Images - v.Total.Correct }

// TrueName and PredictedName name the classes.
func (w wayView) TrueName() nameView      { return w.page.Name(w.True) }
func (w wayView) PredictedName() nameView { return w.page.Name(w.Predicted) }

// Photo is the first sample of the confusion; its Anchor is empty if there is none.
func (w wayView) Photo() photo { return w.page.first[[2]int{w.True, w.Predicted}] }

// examples is how many samples stand above the tables: the first correct ones that need their maps, of as many
// classes.
const examples = 3

// writeSamples writes each sample to spool as soon as it comes, and the examples to Examples.
func (v *pageView) writeSamples(ctx context.Context, spool io.Writer) error {
	if v.Samples == nil {
		return ctx.Err()
	}
	var above bytes.Buffer
	ofClass := map[int]int{} // examples
	class := -1              // of the last sample in the spool
	for s, err := range v.Samples {
		if err := errors.Join(ctx.Err(), err); err != nil {
			return err
		}
		sample, err := v.sampleOf(s)
		if err != nil {
			return fmt.Errorf("sample %q: %w", s.Name, err)
		}
		w := spool
		if sample.Correct && !sample.Blind() && v.Shown-v.Rest < examples && ofClass[s.True]*len(v.Classes) < examples {
			w, sample.First = &above, true
			ofClass[s.True]++
		} else {
			sample.First = s.True != class
			class = s.True
			v.Rest++
		}
		if err := page.ExecuteTemplate(w, "sample", sample); err != nil {
			return err
		}
		v.Shown++
		v.class[s.True] = cmp.Or(v.class[s.True], sample.Anchor)
		v.sample[s.Name] = cmp.Or(v.sample[s.Name], sample.Anchor)
		if pair := [2]int{s.True, s.Predicted}; v.first[pair].Anchor == "" {
			v.first[pair] = photo{sample.Anchor, sample.Size}
		}
		for _, row := range s.Rows {
			v.Told = v.Told || row.signed()
			v.Shared = v.Shared || slices.ContainsFunc(row.Panels, Panel.shared)
			v.Marked = v.Marked || slices.ContainsFunc(row.Panels, func(p Panel) bool { return p.Best })
		}
		switch {
		case !sample.Correct:
			v.Wrong++
		case sample.Blind():
			v.Blind++
		}
	}
	v.Examples = template.HTML(above.String())
	return ctx.Err()
}

// dataURI returns the attribute name="data:...". The template would write each plus of base64 as five
// characters.
func dataURI(name, kind string, file []byte) template.HTMLAttr {
	return template.HTMLAttr(name + `="data:` + kind + ";base64," + base64.StdEncoding.EncodeToString(file) + `"`)
}

func pictureType(file []byte) (string, error) {
	switch start := file[:min(len(file), 1024)]; {
	case bytes.HasPrefix(start, []byte("\x89PNG")):
		return "image/png", nil
	case bytes.HasPrefix(start, []byte("\xff\xd8")):
		return "image/jpeg", nil
	case bytes.Contains(start, []byte("<svg")):
		return "image/svg+xml", nil
	default:
		return "", fmt.Errorf("curves: a file that starts with %q, want PNG, JPEG or SVG", file[:min(len(file), 8)])
	}
}
