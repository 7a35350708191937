package figure

import (
	"cmp"
	"fmt"
	"image"
	"math"
	"path"
	"slices"
	"strings"

	"github.com/promptcam/promptcam/promptcam"
	"github.com/promptcam/promptcam/vit/heat"
)

// Row holds maps of one photograph: the evidence for a class and against another, or the attention of a class's
// heads, top-ranked head first. The evidence comes first. A misclassified photograph has two rows of attention: the
// predicted class's and the true one's.
type Row struct {
	Title  string // such as "predicted: Scott Oriole, 12.3 %"
	Plain  string // stands in pictures for a Title with letters that their fonts lack: "predicted: class 7, 12.3 %"; may be empty
	Note   string // a further line
	Panels []Panel

	// For and Against name the classes of evidence, which is signed: orange is for, blue against. Where For is
	// empty, the maps are of attention.
	For, Against string

	Blurred   float64 // the class's probability with every map blurred; 0 means unknown
	StillWins bool    // the class is predicted, and is so even then: no map explains the prediction
}

// Panel is one head's map with what its caption says.
type Panel struct {
	Heat       heat.Map
	Head       int // the head's number, from 0 as in the model
	Rank       int // its place in the ranking, from 1; 0 means the panel's place in the row, and -1 that it is of no one head
	Share      promptcam.Share
	Sufficient bool   // one of the sufficient traits, which the prediction needs: drawn in a frame
	Best       bool   // the class's best head, which points at its trait in most photographs
	Name       string // replaces "head N"
	Detail     string // a line below that

	// Photo is shown without a map, such as a photograph of the class that evidence is against, and Detail is its
	// name: a page holds a photograph of one name once, that of a Sample included. nil: the Row's photograph is
	// shown.
	Photo image.Image
}

// Explained returns the row of a class with the maps of the n heads that Rank puts first, or all if there are
// fewer. Heads among the sufficient traits are marked. The class's best heads, such as
// measure.ClassTraits.BestHead, are marked too, and shown wherever they rank.
func Explained(title string, e *promptcam.Explanation, class, n int, blur promptcam.Blur, best ...int) Row {
	r := e.Rank(class, blur)
	row := Row{
		Title: title, Blurred: max(r.Heads[0].Probability, math.SmallestNonzeroFloat64), StillWins: e.Survives(class, blur),
	}
	for i, h := range r.Heads {
		if marked := slices.Contains(best, h.Head); i < n || marked {
			row.Panels = append(row.Panels, Panel{
				Heat: e.Heat(class, h.Head), Head: h.Head, Rank: i + 1, Share: e.Share(class, h.Head), Sufficient: i < r.Sufficient, Best: marked,
			})
		}
	}
	return row
}

// heading is the title in pictures.
func (r Row) heading() string {
	if _, escaped := spelled(r.Title, covers); escaped && r.Plain != "" {
		return r.Plain
	}
	return r.Title
}

// note says what is left of the class without its maps, if that is known, or Note.
func (r Row) note() string {
	if r.Blurred == 0 {
		return r.Note
	}
	note := fmt.Sprintf("with all maps blurred: %.1f %%", 100*r.Blurred)
	if r.StillWins {
		note += ", still predicted: these maps do not explain it"
	}
	if r.Note != "" {
		note = r.Note + "; " + note
	}
	return note
}

// signed reports whether the maps are of evidence.
func (r Row) signed() bool { return r.For != "" }

// subject says what the maps are about.
func (r Row) subject() string {
	switch {
	case !r.signed():
		return r.Title
	case r.Against == "":
		return "for " + r.For
	}
	return "for " + r.For + ", against " + r.Against
}

// sides says what the two colours of evidence stand for.
func (r Row) sides() string {
	if r.Against == "" {
		return fmt.Sprintf("log odds by one patch: orange is for %s, blue against", r.For)
	}
	return fmt.Sprintf("log odds by one patch: orange is for %s, blue for %s", r.For, r.Against)
}

// lead returns the panels of no one head, and heads the others.
func (r Row) lead() []Panel { return r.panels(func(p Panel) bool { return p.Rank < 0 }) }

func (r Row) heads() []Panel { return r.panels(func(p Panel) bool { return p.Rank >= 0 }) }

func (r Row) panels(which func(Panel) bool) (some []Panel) {
	for _, p := range r.Panels {
		if which(p) {
			some = append(some, p)
		}
	}
	return some
}

// caption returns the head's place in the ranking, its name and what it is; i is the panel's place in its row.
func (p Panel) caption(i int) string {
	if p.Rank < 0 {
		return p.Name
	}
	caption := fmt.Sprintf("%d. %s", cmp.Or(p.Rank, i+1), cmp.Or(p.Name, fmt.Sprintf("head %d", p.Head)))
	if p.Sufficient {
		caption += " · needed"
	}
	if p.Best {
		caption += " · best head"
	}
	return caption
}

// detail is the line below the caption in pictures.
func (p Panel) detail() string {
	if p.Photo != nil {
		return path.Base(p.Detail)
	}
	return p.Detail
}

// class is the panel's in the page's CSS.
func (p Panel) class() string {
	var all []string
	if p.Sufficient {
		all = append(all, "trait")
	}
	if p.Best {
		all = append(all, "best")
	}
	return strings.Join(all, " ")
}

// shared reports whether the head attends to more than patches.
func (p Panel) shared() bool { return p.Share.Prompts+p.Share.CLS+p.Share.Registers > 0 }

// peak says where the hottest patch of a map is, and its share of the attention or its evidence.
func (r Row) peak(p Panel) string {
	h := p.Heat
	_, high := h.Range()
	if !(high > 0) {
		if r.signed() {
			return "no evidence for " + r.For
		}
		return "no attention on patches"
	}
	x, y := h.Peak()
	place := [3][3]string{
		{"upper left", "upper centre", "upper right"},
		{"centre left", "centre", "centre right"},
		{"lower left", "lower centre", "lower right"},
	}[(2*y+1)*3/(2*h.H)][(2*x+1)*3/(2*h.W)] // by the patch's centre
	at := fmt.Sprintf("row %d of %d, column %d of %d: %s, ", y+1, h.H, x+1, h.W, place)
	if r.signed() {
		return "most for " + r.For + " at " + at + plus(float64(high))
	}
	return "hottest at " + at + percent(float64(high)) + " of the attention"
}
