package measure

import (
	"cmp"
	"slices"

	"github.com/promptcam/promptcam/vit/heat"
)

// TraitScores says how well maps find regions, such as a class's trait, over many images. Each list of
// RegionScores has one per region.
type TraitScores struct {
	Best      []RegionScore // of the best head of each image's true class
	Top       []RegionScore // of the head of that class that Rank puts first for the image
	TokenBest []RegionScore // of the backbone's class token, by the head that is best for the class
	TokenMean []RegionScore // of the mean of the class token's maps
	Classes   []ClassTraits // [C]

	First      []RegionScore // of what is shown first, by LocalizeFirst
	FirstThree []RegionScore // of the first three panels: Points if any does, the largest Mass
	Flips      FlipScore
	Edits      EditScore
}

// ClassTraits are the scores of one class, over its images.
type ClassTraits struct {
	Images    int
	BestHead  int // over all images; -1 without a target, or without images that show it
	TopHead   int // most often ranked first; -1 without images
	Best, Top []RegionScore
	Heads     [][]RegionScore // [H][R], means without intervals
}

// RegionScore is over the images in which a region is not Hidden.
type RegionScore struct {
	Points heat.Interval // pointing game: share of images whose map points at the region
	Mass   heat.Interval // share of the attention to patches that falls on it
	Chance float64       // Points of a random hottest patch
	Area   float64       // Mass of a uniform map
}

// ScoreTraits sums up the images of a number of classes, in any order. The best head of a class is the one
// that points most often at region target; of equals, the one with more mass on it. No head is chosen on the
// images that it is scored on: every other image of a class goes into one half, the rest into the other, and
// each half is scored with the head that is best on the other. Without a target, -1, there is no best head,
// and its scores are of no images. Intervals resample the images and take the choice of heads as given.
func ScoreTraits(images []Localization, classes, target int, b heat.Bootstrap) *TraitScores {
	all := slices.SortedFunc(slices.Values(images), func(a, b Localization) int { return cmp.Compare(a.Index, b.Index) })
	byClass := make([][]Localization, classes)
	for _, l := range all {
		byClass[l.Class] = append(byClass[l.Class], l)
	}
	regions := 0
	if len(all) > 0 {
		regions = len(all[0].Area)
	}
	heads := func(l Localization) []Hits { return l.Heads }
	var best, top, tokenBest, tokenMean []scored
	t := &TraitScores{}
	for _, of := range byClass {
		classBest := crossValidated(of, heads, target)
		classTop := scoredBy(of, func(l Localization) Hits { return l.Heads[l.Top] })
		c := ClassTraits{
			Images: len(of), BestHead: bestHead(of, heads, target), TopHead: topHead(of),
			Best: score(classBest, regions, b.Mean), Top: score(classTop, regions, b.Mean),
		}
		if len(of) > 0 {
			for h := range of[0].Heads {
				maps := scoredBy(of, func(l Localization) Hits { return l.Heads[h] })
				c.Heads = append(c.Heads, score(maps, regions, heat.Mean))
			}
		}
		t.Classes = append(t.Classes, c)
		best, top = append(best, classBest...), append(top, classTop...)
		tokenBest = append(tokenBest, crossValidated(of, func(l Localization) []Hits { return l.Token }, target)...)
		tokenMean = append(tokenMean, scoredBy(of, func(l Localization) Hits { return l.Mean })...)
	}
	t.Best, t.Top = score(best, regions, b.Mean), score(top, regions, b.Mean)
	t.TokenBest, t.TokenMean = score(tokenBest, regions, b.Mean), score(tokenMean, regions, b.Mean)
	var first, three []scored
	var flips []Flip
	var edits []Edit
	for _, l := range all {
		if len(l.First.Panels) == 0 {
			continue
		}
		if flips = append(flips, l.Flip); l.Edit != nil {
			edits = append(edits, *l.Edit)
		}
		first = append(first, scored{l.First.Places, l.First.Panels[0]})
		three = append(three, scored{l.First.Places, bestOf(l.First.Panels)})
	}
	t.First, t.FirstThree = score(first, regions, b.Mean), score(three, regions, b.Mean)
	t.Flips, t.Edits = ScoreFlips(flips, b), ScoreEdits(edits, b)
	return t
}

// bestOf returns, for each region, whether any of the panels points at it, and the largest mass.
func bestOf(panels []Hits) Hits {
	all := Hits{slices.Clone(panels[0].Mass), slices.Clone(panels[0].Points)}
	for _, p := range panels[1:] {
		for r := range p.Mass {
			all.Mass[r], all.Points[r] = max(all.Mass[r], p.Mass[r]), all.Points[r] || p.Points[r]
		}
	}
	return all
}

// scored is one of an image's maps to score.
type scored struct {
	Places
	Hits
}

func scoredBy(of []Localization, hits func(Localization) Hits) []scored {
	all := make([]scored, len(of))
	for i, l := range of {
		all[i] = scored{l.Places, hits(l)}
	}
	return all
}

// crossValidated returns each image with the map of the head that is best on the other half, if an image of
// that half shows the target.
func crossValidated(of []Localization, heads func(Localization) []Hits, target int) []scored {
	var halves [2][]Localization
	for i, l := range of {
		halves[i%2] = append(halves[i%2], l)
	}
	var all []scored
	for i, half := range halves {
		if head := bestHead(halves[1-i], heads, target); head >= 0 {
			all = append(all, scoredBy(half, func(l Localization) Hits { return heads(l)[head] })...)
		}
	}
	return all
}

// bestHead returns the head that points at the target in most images, or -1 if none shows it.
func bestHead(of []Localization, heads func(Localization) []Hits, target int) int {
	var points []int
	var mass []float64
	for _, l := range of {
		if target < 0 || l.Hidden[target] {
			continue
		}
		maps := heads(l)
		if points == nil {
			points, mass = make([]int, len(maps)), make([]float64, len(maps))
		}
		for h, hits := range maps {
			if hits.Points[target] {
				points[h]++
			}
			mass[h] += hits.Mass[target]
		}
	}
	best := -1
	for h := range points {
		if best < 0 || points[h] > points[best] || points[h] == points[best] && mass[h] > mass[best] {
			best = h
		}
	}
	return best
}

// topHead returns the head that is ranked first most often, the first of equals, or -1 without images.
func topHead(of []Localization) int {
	if len(of) == 0 {
		return -1
	}
	count := make([]int, len(of[0].Heads))
	for _, l := range of {
		count[l.Top]++
	}
	return slices.Index(count, slices.Max(count))
}

func score(of []scored, regions int, mean func([]float64) heat.Interval) []RegionScore {
	scores := make([]RegionScore, regions)
	for r := range scores {
		var points, mass, chance, area []float64
		for _, s := range of {
			if !s.Hidden[r] {
				points, mass = append(points, indicator(s.Points[r])), append(mass, s.Mass[r])
				chance, area = append(chance, s.Chance[r]), append(area, s.Area[r])
			}
		}
		scores[r] = RegionScore{mean(points), mean(mass), heat.Mean(chance).Mean, heat.Mean(area).Mean}
	}
	return scores
}

func indicator(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
