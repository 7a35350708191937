package promptcam

import (
	"cmp"
	"slices"
)

// Row returns the maps of a class's n most important heads, as Rank orders
// them, for a Sheet or a Sample; all of them if there are no more than n. Heads
// among the sufficient traits are marked.
func (e *Explanation) Row(title string, class, n int, blur Blur) Row {
	r := e.Rank(class, blur)
	row := Row{Title: title}
	for i, h := range r.Heads[:min(n, len(r.Heads))] {
		row.Panels = append(row.Panels, Panel{
			Heat: e.Heat(class, h.Head), Head: h.Head, Share: e.Share(class, h.Head), Sufficient: i < r.Sufficient,
		})
	}
	return row
}

// Confusions returns the n pairs of classes that were confused most often, the
// most frequent first; all of them if there are no more than n.
func (e *Evaluation) Confusions(n int) []Confusion {
	var all []Confusion
	for i, row := range e.Confusion {
		for j, count := range row {
			if i != j && count > 0 {
				all = append(all, Confusion{i, j, count})
			}
		}
	}
	slices.SortStableFunc(all, func(a, b Confusion) int { return cmp.Compare(b.Count, a.Count) })
	return all[:min(n, len(all))]
}
