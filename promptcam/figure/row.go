package figure

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/promptcam/promptcam/promptcam"
	"github.com/promptcam/promptcam/vit/heat"
)

// Row holds the maps of one class for one photograph, the most important head first. A misclassified
// photograph has two rows: the true class's and the predicted one's.
type Row struct {
	Title  string // such as "true: Scott Oriole, 12.3 %"
	Panels []Panel

	Blurred   float64 // the class's probability with every head blurred; 0 means unknown
	StillWins bool    // the class is predicted even then, so no map explains the prediction
}

// Panel is one head's map with what its caption says.
type Panel struct {
	Heat       heat.Map
	Head       int // the head's number, from 0 as in the model
	Share      promptcam.Share
	Sufficient bool   // one of the sufficient traits: drawn in a frame
	Name       string // replaces "head N"
}

// Explained returns the row of a class with the maps of the n heads that Rank puts first, or all if there are
// fewer. Heads among the sufficient traits are marked.
func Explained(title string, e *promptcam.Explanation, class, n int, blur promptcam.Blur) Row {
	r := e.Rank(class, blur)
	row := Row{Title: title, Blurred: r.Heads[0].Probability, StillWins: r.Sufficient == 0}
	for i, h := range r.Heads[:min(n, len(r.Heads))] {
		row.Panels = append(row.Panels, Panel{
			Heat: e.Heat(class, h.Head), Head: h.Head, Share: e.Share(class, h.Head), Sufficient: i < r.Sufficient,
		})
	}
	return row
}

// DisplayName returns a class's name without CUB's number, and with spaces for underscores. CUB writes
// hyphens as underscores too, so "036.Ruby_throated_Hummingbird" becomes "Ruby throated Hummingbird".
func DisplayName(folder string) string {
	name := folder
	if number, rest, ok := strings.Cut(folder, "."); ok && len(number) == 3 && strings.Trim(number, "0123456789") == "" {
		name = rest
	}
	return cmp.Or(strings.TrimSpace(strings.ReplaceAll(name, "_", " ")), folder)
}

// note says what is left of the class without its maps; "" if unknown.
func (r Row) note() string {
	if r.Blurred == 0 {
		return ""
	}
	note := fmt.Sprintf("with every head blurred: %.1f %%", 100*r.Blurred)
	if r.StillWins {
		note += ", still predicted"
	}
	return note
}

// caption returns the panel's place in the ranking and its name.
func (p Panel) caption(i int) string {
	return fmt.Sprintf("%d. %s", i+1, cmp.Or(p.Name, fmt.Sprintf("head %d", p.Head)))
}

// shared reports whether the head attends to more than patches.
func (p Panel) shared() bool { return p.Share.Prompts+p.Share.CLS+p.Share.Registers > 0 }

// peak says where the hottest patch is, and its share of the attention.
func (p Panel) peak() string {
	h := p.Heat
	_, high := h.Range()
	if !(high > 0) {
		return "no attention on patches"
	}
	x, y := h.Peak()
	place := [3][3]string{
		{"upper left", "upper centre", "upper right"},
		{"centre left", "centre", "centre right"},
		{"lower left", "lower centre", "lower right"},
	}[(2*y+1)*3/(2*h.H)][(2*x+1)*3/(2*h.W)] // by the patch's centre
	return fmt.Sprintf("hottest patch: %s, %s of the attention", place, percent(float64(high)))
}
