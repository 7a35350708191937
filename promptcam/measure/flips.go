package measure

import (
	"math/rand/v2"
	"slices"

	"github.com/promptcam/promptcam/promptcam"
	"github.com/promptcam/promptcam/vit/heat"
)

// Flip says whether another class is predicted for an image once the prompts of the predicted class and of its
// look-alike read their baselines at a few patches.
type Flip struct {
	Index            int  // of the image in the loader's items
	Class, Predicted int  // Class is the true one
	Strongest        bool // at the patches that the evidence names
	Random           bool // at as many random ones
}

// Flips changes the n strongest patches of the evidence that answers e.Question(), and n random ones of all, as
// promptcam.Explanation.ScoresReplaced does. Fewer than n are changed where fewer speak for the predicted class; the
// random ones, all patches if there are no more, depend on seed, e.Index and n alone.
func Flips(e *promptcam.Explanation, n int, seed uint64) Flip {
	q := e.Question()
	evidence := e.Evidence(q).Map()
	flips := func(patches []int) bool {
		scores := e.ScoresReplaced(q, patches)
		return slices.Index(scores, slices.Max(scores)) != e.Predicted()
	}
	random := rand.New(rand.NewPCG(seed, uint64(e.Index))).Perm(len(evidence.Values))
	random = random[:min(n, len(random))]
	return Flip{e.Index, e.Label, e.Predicted(), flips(evidence.Strongest(n)), flips(random)}
}

// FlipScore sums up what changing patches does to correct predictions: the shares that flip.
type FlipScore struct {
	Strongest, Random heat.Interval
}

// ScoreFlips sums up the images that are predicted correctly, in any order.
func ScoreFlips(images []Flip, b heat.Bootstrap) FlipScore {
	var strongest, random []float64
	for _, f := range images {
		if f.Predicted == f.Class {
			strongest, random = append(strongest, indicator(f.Strongest)), append(random, indicator(f.Random))
		}
	}
	return FlipScore{b.Mean(strongest), b.Mean(random)}
}

// Edit says where the smallest change lies that flips the prediction for an image from Class.
type Edit struct {
	Index        int // of the image in the loader's items
	Class, Other int
	Winner       int     // the class that is predicted after it
	Flips        bool    // whether there is such a change
	Patches      int     // how many it takes
	Touches      bool    // whether one of these patches, or more, is on the region
	First        bool    // whether that with the strongest evidence is
	Chance       float64 // that as many random patches touch it
}

// MinimalEdit looks where the smallest change of at most so many patches lies that flips the prediction from class,
// found by promptcam.Explanation.Counterfactual against other: on region, such as that of the only trait in which
// the two classes differ. An image that is not predicted as class needs no patch.
func MinimalEdit(e *promptcam.Explanation, class, other int, region heat.Region, most int) Edit {
	c := e.Counterfactual(promptcam.Between(class, other), most)
	edit := Edit{Index: e.Index, Class: class, Other: other, Winner: c.Winner(), Flips: c.Flips}
	if !c.Flips {
		return edit
	}
	missed := 1.
	off := (1 - region.Chance()) * float64(len(region.On)) // patches
	for i, p := range c.Patches {
		edit.Touches = edit.Touches || region.On[p]
		missed *= max(0, off-float64(i)) / float64(len(region.On)-i)
	}
	edit.Patches, edit.Chance = len(c.Patches), 1-missed
	edit.First = edit.Patches > 0 && region.On[c.Patches[0]]
	return edit
}

// EditScore sums up smallest changes. Where there is none, it touches nothing and is of no size.
type EditScore struct {
	Flips   heat.Interval // share of images for which there is one
	Other   heat.Interval // share of images for which it makes Other the prediction
	Touches heat.Interval // share of images for which it touches the region
	First   heat.Interval // share of images in which its first patch lies there
	Chance  float64       // Touches of as many random patches
	Patches float64       // mean number, of those that there are
}

// ScoreEdits sums up the images that were predicted as Class, in any order.
func ScoreEdits(edits []Edit, b heat.Bootstrap) EditScore {
	var flips, other, touches, first, chance, patches []float64
	for _, e := range edits {
		if e.Flips && e.Patches == 0 {
			continue
		}
		flips, other = append(flips, indicator(e.Flips)), append(other, indicator(e.Flips && e.Winner == e.Other))
		touches, first = append(touches, indicator(e.Touches)), append(first, indicator(e.First))
		chance = append(chance, e.Chance)
		if e.Flips {
			patches = append(patches, float64(e.Patches))
		}
	}
	return EditScore{b.Mean(flips), b.Mean(other), b.Mean(touches), b.Mean(first), heat.Mean(chance).Mean, heat.Mean(patches).Mean}
}
