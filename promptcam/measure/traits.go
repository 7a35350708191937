package measure

import (
	"cmp"
	"slices"

	"github.com/promptcam/promptcam/vit/heat"
)

// TraitScores says how well maps find regions such as a class's defining trait, over many images. Each
// list of RegionScores has one per region.
type TraitScores struct {
	Best      []RegionScore // of the best head of each image's true class
	Top       []RegionScore // of the head of that class that Rank puts first for the image
	TokenBest []RegionScore // of the backbone's class token: its head that is best for the class
	TokenMean []RegionScore // of the mean of the class token's maps
	Classes   []ClassTraits // [C]
}

// ClassTraits are the scores of one class, over its images.
type ClassTraits struct {
	Images    int
	BestHead  int // over all images; -1 without a target, or without images that show it
	TopHead   int // most often ranked first; -1 without images
	Best, Top []RegionScore
	Heads     [][]RegionScore // [H][R], means without intervals
}

// A RegionScore is over the images in which a region is not Hidden.
type RegionScore struct {
	Points heat.Interval // share of images whose map points at it
	Mass   heat.Interval // share of the attention to patches that falls on it
	Chance float64       // Points of a map whose hottest patch is random
	Area   float64       // Mass of an even map
}

// ScoreTraits sums up sightings of a number of classes. The order of the sightings does not matter.
// The best head of a class is the one that points most often at the region target; of equals, the one with
// more mass on it. A head is never chosen on the images on which it is scored: every other image
// of a class goes into one half, the rest into the other, and each half is scored with the head
// that is best on the other. Without a target, -1, there is no best head, and its scores are of no
// images. Intervals resample the images and take the choice of heads as given.
func ScoreTraits(sightings []Sighting, classes, target int, b heat.Bootstrap) *TraitScores {
	all := slices.SortedFunc(slices.Values(sightings), func(a, b Sighting) int { return cmp.Compare(a.Index, b.Index) })
	byClass := make([][]Sighting, classes)
	for _, s := range all {
		byClass[s.Class] = append(byClass[s.Class], s)
	}
	regions := 0
	if len(all) > 0 {
		regions = len(all[0].Regions)
	}
	var best, top, token, mean []looked
	t := &TraitScores{}
	for _, of := range byClass {
		c := ClassTraits{Images: len(of), BestHead: bestHead(of, heads, target), TopHead: topHead(of)}
		chosen, first := crossed(of, heads, target), tops(of)
		c.Best, c.Top = score(chosen, regions, b.Mean), score(first, regions, b.Mean)
		if len(of) > 0 {
			for h := range of[0].Heads {
				c.Heads = append(c.Heads, score(each(of, func(s Sighting) Gaze { return s.Heads[h] }), regions, heat.Mean))
			}
		}
		t.Classes = append(t.Classes, c)
		best, top = append(best, chosen...), append(top, first...)
		token = append(token, crossed(of, tokenHeads, target)...)
		mean = append(mean, each(of, func(s Sighting) Gaze { return s.Mean })...)
	}
	t.Best, t.Top = score(best, regions, b.Mean), score(top, regions, b.Mean)
	t.TokenBest, t.TokenMean = score(token, regions, b.Mean), score(mean, regions, b.Mean)
	return t
}

// looked is a map to score, and the regions of its image.
type looked struct {
	Gaze
	regions []Extent
}

func heads(s Sighting) []Gaze      { return s.Heads }
func tokenHeads(s Sighting) []Gaze { return s.Token }

// each returns one map of each image.
func each(of []Sighting, gaze func(Sighting) Gaze) []looked {
	all := make([]looked, len(of))
	for i, s := range of {
		all[i] = looked{gaze(s), s.Regions}
	}
	return all
}

func tops(of []Sighting) []looked {
	return each(of, func(s Sighting) Gaze { return s.Heads[s.Top] })
}

// crossed returns of each image the map of the head that is best on the other half, if an image of that
// half shows the target.
func crossed(of []Sighting, heads func(Sighting) []Gaze, target int) []looked {
	var halves [2][]Sighting
	for i, s := range of {
		halves[i%2] = append(halves[i%2], s)
	}
	var all []looked
	for i, half := range halves {
		if head := bestHead(halves[1-i], heads, target); head >= 0 {
			all = append(all, each(half, func(s Sighting) Gaze { return heads(s)[head] })...)
		}
	}
	return all
}

// bestHead returns the head that points at the target in most images, or -1 if none shows it.
func bestHead(of []Sighting, heads func(Sighting) []Gaze, target int) int {
	var hits []int
	var mass []float64
	for _, s := range of {
		if target < 0 || s.Regions[target].Hidden {
			continue
		}
		maps := heads(s)
		if hits == nil {
			hits, mass = make([]int, len(maps)), make([]float64, len(maps))
		}
		for h, g := range maps {
			if g.Points[target] {
				hits[h]++
			}
			mass[h] += g.Mass[target]
		}
	}
	best := -1
	for h := range hits {
		if best < 0 || hits[h] > hits[best] || hits[h] == hits[best] && mass[h] > mass[best] {
			best = h
		}
	}
	return best
}

// topHead returns the head that is ranked first most often, the first of equals, or -1 without images.
func topHead(of []Sighting) int {
	count := map[int]int{}
	best := -1
	for _, s := range of {
		count[s.Top]++
	}
	for h, n := range count {
		if best < 0 || n > count[best] || n == count[best] && h < best {
			best = h
		}
	}
	return best
}

func score(of []looked, regions int, mean func([]float64) heat.Interval) []RegionScore {
	scores := make([]RegionScore, regions)
	for r := range scores {
		var points, mass, chance, area []float64
		for _, l := range of {
			if l.regions[r].Hidden {
				continue
			}
			hit := 0.
			if l.Points[r] {
				hit = 1
			}
			points, mass = append(points, hit), append(mass, l.Mass[r])
			chance, area = append(chance, l.regions[r].Chance), append(area, l.regions[r].Area)
		}
		scores[r] = RegionScore{mean(points), mean(mass), heat.Mean(chance).Mean, heat.Mean(area).Mean}
	}
	return scores
}
