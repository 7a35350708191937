package figure

import (
	"bytes"
	"cmp"
	"fmt"
	"html/template"
	"image"
	"image/jpeg"
	"image/png"

	"github.com/promptcam/promptcam/vit/heat"
)

// The views are what report.html shows. It escapes their text; the attributes and styles are
// made here of numbers and base64 alone, and Examples by the same template.
type (
	topView struct {
		*Report
		Total                         ClassResult // of all classes
		From, To                      float64     // the interval of its accuracy
		Examples                      template.HTML
		Samples, Rest, Correct, Blind int // samples; beside the examples; classified correctly; even with every head blurred
		Curves                        template.HTMLAttr
		Classes                       []classView
		Confusions                    []confusionView
		Rows                          []traitView
		Legend                        template.CSS
		Low, High                     string
		Relative                      bool
	}
	nameView  struct{ Text, Folder, Link string }
	classView struct {
		ClassResult
		Number int
		Name   nameView
	}
	confusionView struct {
		True, Predicted nameView
		Count           int
	}
	traitView struct {
		TraitRow
		Name nameView
	}
	sampleView struct {
		Name, Anchor     string
		Class, Predicted nameView
		First, Correct   bool
		Photo            template.HTMLAttr
		Size             image.Point
		Rows             []rowView
		Limit            string // "" under the Relative scale
	}
	rowView struct {
		Title, Note string
		Panels      []panelView
	}
	panelView struct {
		Panel
		Caption, Peak string
		Map           template.HTMLAttr
		Shares        []string // nil where the head attends to patches alone
	}
)

func (r *Report) top(g *gallery) (topView, error) {
	v := topView{
		Report: r, Examples: template.HTML(g.examples.String()),
		Samples: g.samples, Rest: g.samples - g.first, Correct: g.correct, Blind: g.blind,
		Legend: r.Style.gradient(), Relative: r.Style.Scale == Relative,
	}
	if len(r.Curves) > 0 {
		kind, err := pictureType(r.Curves)
		if err != nil {
			return v, err
		}
		v.Curves = dataURI("src", kind, r.Curves)
	}
	for i, c := range r.Classes {
		v.Total.Images += c.Images
		v.Total.Correct += c.Correct
		v.Classes = append(v.Classes, classView{c, i, r.name(i, g.class[i])})
	}
	interval := heat.Wilson(v.Total.Accuracy(), v.Total.Images)
	v.From, v.To = interval.Low, interval.High
	for i, c := range r.Confusions {
		if err := r.known(c.True, c.Predicted); err != nil {
			return v, fmt.Errorf("confusion %d: %w", i, err)
		}
		seen := cmp.Or(g.mistake[[2]int{c.True, c.Predicted}], g.class[c.True])
		v.Confusions = append(v.Confusions, confusionView{r.name(c.True, seen), r.name(c.Predicted, g.class[c.Predicted]), c.Count})
	}
	if r.Traits != nil {
		for i, row := range r.Traits.Rows {
			if err := r.known(row.Class); err != nil {
				return v, fmt.Errorf("row %d of traits: %w", i, err)
			}
			v.Rows = append(v.Rows, traitView{row, r.name(row.Class, g.class[row.Class])})
		}
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

func (r *Report) view(s Sample, number int) (sampleView, error) {
	if err := r.known(s.True, s.Predicted); err != nil {
		return sampleView{}, err
	}
	photo := fit(s.Photo, r.Style.panel())
	var file bytes.Buffer
	if err := jpeg.Encode(&file, photo, &jpeg.Options{Quality: 85}); err != nil {
		return sampleView{}, err
	}
	v := sampleView{
		Name: s.Name, Anchor: fmt.Sprintf("sample-%d", number),
		Class: r.name(s.True, ""), Predicted: r.name(s.Predicted, ""), Correct: s.True == s.Predicted,
		Photo: dataURI("href", "image/jpeg", file.Bytes()), Size: photo.Rect.Size(),
	}
	var maps []heat.Map
	for _, row := range s.Rows {
		for _, p := range row.Panels {
			maps = append(maps, p.Heat)
		}
	}
	limit := r.Style.limit(maps...)
	if r.Style.Scale == Absolute {
		v.Limit = percent(float64(limit))
	}
	for _, row := range s.Rows {
		shown := rowView{Title: row.Title, Note: row.note()}
		for i, p := range row.Panels {
			file.Reset()
			if err := png.Encode(&file, r.Style.veil(p.Heat, limit)); err != nil {
				return v, err
			}
			panel := panelView{Panel: p, Caption: p.caption(i), Peak: p.peak(), Map: dataURI("href", "image/png", file.Bytes())}
			if p.shared() {
				panel.Shares = p.Share.Parts()
			}
			shown.Panels = append(shown.Panels, panel)
		}
		v.Rows = append(v.Rows, shown)
	}
	return v, nil
}

// name returns how a class is called, with a link to a sample, "" for none.
func (r *Report) name(class int, link string) nameView {
	folder := r.Classes[class].Name
	return nameView{DisplayName(folder), folder, link}
}

func (r *Report) known(classes ...int) error {
	for _, c := range classes {
		if c < 0 || c >= len(r.Classes) {
			return fmt.Errorf("class %d, want 0 to %d", c, len(r.Classes)-1)
		}
	}
	return nil
}
