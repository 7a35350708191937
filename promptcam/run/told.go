package run

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/promptcam/promptcam/data"
	"github.com/promptcam/promptcam/promptcam"
	"github.com/promptcam/promptcam/promptcam/figure"
	"github.com/promptcam/promptcam/vit/heat"
)

// told says what tells the predicted class of an image from another one.
type told struct {
	*promptcam.Evidence
	e       *promptcam.Explanation
	classes []string
	shares  []share  // of the positive evidence, by part; nil where no parts are known
	differ  []string // in what the annotations say that the two classes differ; nil where they do not say
}

// share is the share of the evidence that lies on a part.
type share struct {
	Part  string
	Share float64
}

// tell asks what tells the predicted class from each of others or, without any, from its look-alike or, where none is known, the runner-up.
func tell(e *promptcam.Explanation, classes []string, others ...int) (all []told) {
	for _, o := range shown(e, others)[1:] {
		all = append(all, told{Evidence: e.Evidence(promptcam.Between(e.Predicted(), o)), e: e, classes: classes})
	}
	if len(all) == 0 {
		all = []told{{Evidence: e.Evidence(e.Question()), e: e, classes: classes}}
	}
	return all
}

// rival is the class that the predicted one is told from.
func (t told) rival() int { return t.Against[0] }

// row is the evidence to draw: its map, a photograph of the rival if there is one, and n heads.
func (t told) row(n int, exemplar *figure.Panel) figure.Row {
	c, o := t.e.Predicted(), t.rival()
	name, against, share := figure.DisplayName(t.classes[c]), figure.DisplayName(t.classes[o]), 100*t.e.Probabilities[c]
	row := figure.Evidence(fmt.Sprintf("predicted: %s, %.1f %%; %s", name, share, t.sentence(against)), t.Evidence, t.classes, n)
	row.Plain = fmt.Sprintf("predicted: class %d, %.1f %% (%s); %s", c+1, share, name, t.sentence(fmt.Sprint("class ", o+1)))
	if len(t.differ) > 0 {
		row.Note += fmt.Sprintf("; as annotated, the two differ in: %s", strings.Join(t.differ, ", "))
	}
	if exemplar != nil {
		p := *exemplar
		switch {
		case o == t.e.Label:
			p.Name = "true class: " + p.Name
		case o == t.e.LookAlike(c) && t.Versus == promptcam.Even: // no look-alikes are known
			p.Name = "runner-up: " + p.Name
		case o == t.e.LookAlike(c):
			p.Name = "look-alike: " + p.Name
		}
		row.Panels = slices.Insert(row.Panels, 1, p)
	}
	return row
}

// strongest is how many patches a sentence is about where no parts are known.
const strongest = 5

// sentence says in words what tells the predicted class from its rival.
func (t told) sentence(rival string) string {
	patches, _ := t.Sum()
	positive := t.Map().Positive()
	switch {
	case patches <= 0:
		return fmt.Sprintf("nothing seen tells it from %s, for which the patches speak", rival)
	case len(t.shares) > 0:
		var parts []string
		for _, s := range t.shares {
			parts = append(parts, fmt.Sprintf("%s (%.0f %%)", s.Part, 100*s.Share))
		}
		parts[0] = strings.TrimSuffix(parts[0], ")") + " of the evidence for it)"
		return fmt.Sprintf("told from %s by: %s", rival, strings.Join(parts, ", "))
	}
	n := min(strongest, len(positive.Values))
	return fmt.Sprintf("told from %s: %.0f %% of the evidence for it is in %d of %d patches", rival, 100*positive.Focus(n), n, len(positive.Values))
}

// A part is named if this share of the evidence lies on it, and only so many are.
const (
	leastShare = 0.15
	mostParts  = 3
)

// shares divides what is positive in a map over named parts, the largest share first. A patch's counts for the
// parts on it by how much of it they cover, and for the background if all of them cover less than a tenth. It is
// nil if no part is seen.
func shares(h heat.Map, names []string, parts []heat.Region) (all []share) {
	if !slices.ContainsFunc(parts, func(r heat.Region) bool { return !r.Hidden() }) {
		return nil
	}
	var sum float64
	on := make([]float64, len(parts)+1) // the last is the background
	for i, v := range h.Positive().Values {
		sum += float64(v)
		var covered float64
		for _, r := range parts {
			covered += r.Cover[i]
		}
		if covered < 0.1 {
			on[len(parts)] += float64(v)
			continue
		}
		for k, r := range parts {
			on[k] += float64(v) * r.Cover[i] / covered
		}
	}
	for k, x := range on {
		if sum > 0 {
			all = append(all, share{append(slices.Clone(names), "background")[k], x / sum})
		}
	}
	slices.SortStableFunc(all, func(a, b share) int { return cmp.Compare(b.Share, a.Share) })
	n := 1
	for n < len(all) && n < mostParts && all[n].Share >= leastShare {
		n++
	}
	return all[:min(n, len(all))]
}

// shownName is a class's name in a line of text, as in pictures.
func shownName(class string) string { return data.Printable(figure.DisplayName(class)) }

// describe writes the answer in words and numbers.
func (t told) describe(b *strings.Builder, n int) {
	c, o := shownName(t.classes[t.e.Predicted()]), shownName(t.classes[t.rival()])
	row := figure.Evidence("", t.Evidence, t.classes, n)
	fmt.Fprintf(b, "\n  %s\n  %s\n", t.sentence(o), data.Printable(row.Note))
	fmt.Fprintf(b, "  heads of either class by what they add to the log odds of %s against %s\n", c, o)
	w := tabwriter.NewWriter(b, 0, 0, 2, ' ', tabwriter.AlignRight)
	_, rest := t.Sum()
	other := ""
	if rest != 0 {
		other = "other tokens\t"
	}
	fmt.Fprintf(w, "\trank\thead\tpatches\t%sof\t\n", other)
	for i, h := range t.Heads[:min(n, len(t.Heads))] {
		if rest != 0 {
			other = fmt.Sprintf("%+.2f\t", h.Rest)
		}
		fmt.Fprintf(w, "\t%d\t%d\t%+.2f\t%s%s\t\n", i+1, h.Head, h.Sum, other, shownName(t.classes[h.Class]))
	}
	w.Flush() // a strings.Builder takes everything
}
