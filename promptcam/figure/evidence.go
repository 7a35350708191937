package figure

import (
	"fmt"
	"strings"

	"github.com/promptcam/promptcam/promptcam"
)

// Evidence returns the row of an Evidence: its map, then those of the n heads of either side that are strongest
// for For. It names classes by their DisplayName, and its Note says in numbers what the margin is made of.
func Evidence(title string, v *promptcam.Evidence, classes []string, n int) Row {
	names := func(of []int) string {
		var all []string
		for _, c := range of {
			all = append(all, DisplayName(classes[c]))
		}
		return strings.Join(all, " or ")
	}
	row := Row{Title: title, For: names(v.For), Against: names(v.Against)}
	patches, _ := v.Sum()
	row.Note = sums(v, row.Against)
	row.Panels = []Panel{{Heat: v.Map(), Rank: -1, Name: "evidence of all heads", Detail: plus(patches) + " log odds"}}
	for i, h := range v.Heads[:min(n, len(v.Heads))] {
		p := Panel{Heat: h.Map, Head: h.Head, Rank: i + 1, Name: fmt.Sprintf("head %d of %s", h.Head, DisplayName(classes[h.Class])), Detail: plus(h.Sum)}
		if patches > 0 {
			p.Detail += fmt.Sprintf(", %.0f %% of all", 100*h.Sum/patches)
		}
		row.Panels = append(row.Panels, p)
	}
	return row
}

// worthSaying is the completeness error of evidence that is said.
const worthSaying = 1e-4

// sums says what the margin is made of.
func sums(v *promptcam.Evidence, against string) string {
	patches, rest := v.Sum()
	text, base := "", ""
	switch {
	case v.Versus == promptcam.Even:
		text, base = "evidence against the image's mean; ", "that"
	case v.Versus == promptcam.Overall:
		base = "what images of any class usually show"
	case len(v.Against) > 1:
		base = "what images of the look-alikes among these usually show"
	default:
		base = "what images of " + against + " usually show"
	}
	text += fmt.Sprintf("margin %s log odds: %s for %s, %s by the patches here", plus(v.Margin), plus(v.Baseline), base, plus(patches))
	if rest != 0 {
		text += fmt.Sprintf(", %s by other tokens", plus(rest))
	}
	if e := v.Error(); e > worthSaying {
		text += fmt.Sprintf("; these numbers miss the margin by %s", percent(e))
	}
	return text
}
