package run

import (
	"fmt"
	"strings"

	"github.com/promptcam/promptcam/promptcam/figure"
	"github.com/promptcam/promptcam/promptcam/measure"
	"github.com/promptcam/promptcam/vit/heat"
)

// traitMetrics is "traits" of metrics.json. Shares are in percent; regions go by their names. What
// has no images is left out.
type traitMetrics struct {
	Images     int                `json:"images"`
	Confidence float64            `json:"confidence"` // of intervals, in percent
	Resamples  int                `json:"resamples"`
	BestHead   regionMetrics      `json:"best_head,omitempty"`
	TopHead    regionMetrics      `json:"top_head"`
	TokenBest  regionMetrics      `json:"class_token_best_head,omitempty"`
	TokenMean  regionMetrics      `json:"class_token_mean"`
	Swaps      swapMetrics        `json:"counterfactual,omitempty"`
	PerClass   []classTraitsScore `json:"per_class"`
}

type regionMetrics map[string]regionScore

type regionScore struct {
	Points   interval `json:"points"`        // images whose hottest patch is on the region
	Chance   float64  `json:"points_chance"` // for any patch
	Mass     interval `json:"mass"`          // attention to patches that falls on it
	EvenMass float64  `json:"mass_even"`     // of an even map
}

type interval struct {
	Mean   float64 `json:"mean"`
	Low    float64 `json:"low"`
	High   float64 `json:"high"`
	Images int     `json:"images"`
}

// swapMetrics has, for "all" pairs of images and for some of them, the share of predictions that "moved" to the other
// class, the change of its "log_odds" against the first class, no percentage, and the changes of both
// probabilities.
type swapMetrics map[string]map[string]interval

type classTraitsScore struct {
	Class      string        `json:"class"`
	Images     int           `json:"images"`
	LookAlikes []string      `json:"look_alikes,omitempty"`
	Traits     []string      `json:"traits,omitempty"` // kinds that tell it from them
	BestHead   *int          `json:"best_head_number,omitempty"`
	Best       regionMetrics `json:"best_head,omitempty"`
	TopHead    *int          `json:"top_head_number,omitempty"` // most often
	TopPart    string        `json:"top_head_part,omitempty"`   // that it points at most often
	Top        regionMetrics `json:"top_head,omitempty"`
}

func percents(i heat.Interval) interval {
	return interval{100 * i.Mean, 100 * i.Low, 100 * i.High, i.N}
}

// named gives scores of regions their names.
func (t *traits) named(scores []measure.RegionScore) regionMetrics {
	all := regionMetrics{}
	for i, s := range scores {
		if s.Points.N > 0 {
			all[t.regions.Names[i]] = regionScore{percents(s.Points), 100 * s.Chance, percents(s.Mass), 100 * s.Area}
		}
	}
	return all
}

func (t *traits) metrics() *traitMetrics {
	b, s := heat.DefaultBootstrap(), t.scores
	m := &traitMetrics{
		Images: len(t.r.Set.Test), Confidence: 100 * b.Confidence, Resamples: b.Resamples,
		BestHead: t.named(s.Best), TopHead: t.named(s.Top), TokenBest: t.named(s.TokenBest), TokenMean: t.named(s.TokenMean),
	}
	if len(t.swaps) > 0 {
		m.Swaps = swapMetrics{"all": t.swapped(false, false), "recognised": t.swapped(false, true)}
		if off := t.swapped(true, false); off["moved"].Images > 0 {
			m.Swaps["mark_switched_off"], m.Swaps["mark_switched_off_recognised"] = off, t.swapped(true, true)
		}
	}
	for i, c := range s.Classes {
		row := classTraitsScore{
			Class: t.r.Set.Classes[i], Images: c.Images, Traits: t.regions.Traits(i),
			Best: t.named(c.Best[:min(measure.Parts, len(c.Best))]), Top: t.named(c.Top[:min(measure.Parts, len(c.Top))]), // parts are in traits.csv
		}
		for _, other := range t.regions.Nearest[i] {
			row.LookAlikes = append(row.LookAlikes, t.r.Set.Classes[other.Class])
		}
		if c.BestHead >= 0 {
			row.BestHead = &c.BestHead
		}
		if c.TopHead >= 0 {
			row.TopHead = &c.TopHead
		}
		if part := t.part(c.Top); part >= 0 {
			row.TopPart = t.regions.Names[part]
		}
		m.PerClass = append(m.PerClass, row)
	}
	return m
}

// sum sums up the exchanges, all or those that switch a mark off, of all images or recognised ones.
func (t *traits) sum(off, recognised bool) measure.SwapScore {
	var some []measure.Outcome
	for _, s := range t.swaps {
		if (!off || s.Off) && (!recognised || s.Recognised()) {
			some = append(some, s)
		}
	}
	return measure.ScoreSwaps(some, heat.DefaultBootstrap())
}

func (t *traits) swapped(off, recognised bool) map[string]interval {
	s := t.sum(off, recognised)
	m := s.Margin
	return map[string]interval{
		"moved": percents(s.Moved), "log_odds": {m.Mean, m.Low, m.High, m.N},
		"probability": percents(s.Class), "other_probability": percents(s.Other),
	}
}

// part returns the part's region that maps point at most often, the first of equals, or -1.
func (t *traits) part(scores []measure.RegionScore) int {
	best := -1
	for i := measure.Parts; i < len(scores); i++ {
		if scores[i].Points.Mean > 0 && (best < 0 || scores[i].Points.Mean > scores[best].Points.Mean) {
			best = i
		}
	}
	return best
}

// sentences tell the totals.
func (t *traits) sentences() []string {
	s := t.scores
	var all []string
	add := func(format string, a ...any) { all = append(all, fmt.Sprintf(format, a...)) }
	if t.regions.Target >= 0 {
		best := s.Best[measure.Trait]
		add("The best head of the true class points at a trait that tells the class from its nearest look-alike in %v of %d test images; %.1f %% would by chance. Of the same backbone's class token, the head that is best for the class does in %v, the mean of its heads in %v.",
			best.Points, best.Points.N, 100*best.Chance, s.TokenBest[measure.Trait].Points, s.TokenMean[measure.Trait].Points)
		add("The top-ranked head does so in %v.", s.Top[measure.Trait].Points)
		if s.Best[measure.Bird].Mass.N > 0 {
			add("Of the best head's attention %.1f %% falls on the trait, %.1f %% on the bird and %.1f %% on the background; a uniform map would give %.1f, %.1f and %.1f %%.",
				100*best.Mass.Mean, 100*s.Best[measure.Bird].Mass.Mean, 100*s.Best[measure.Background].Mass.Mean, 100*best.Area, 100*s.Best[measure.Bird].Area, 100*s.Best[measure.Background].Area)
		}
	} else if top := s.Top[measure.Bird]; top.Points.N > 0 {
		add("The true class's top-ranked head points at the bird in %v of %d test images, with %.1f %% of its attention; a uniform map would have %.1f %% there. The mean of the heads of the same backbone's class token points at it in %v.",
			top.Points, top.Points.N, 100*top.Mass.Mean, 100*top.Area, s.TokenMean[measure.Bird].Points)
	}
	if len(t.swaps) > 0 {
		moved, known := t.sum(false, false).Moved, t.sum(false, true).Moved
		line := fmt.Sprintf("The one trait exchanged that tells two species apart moves the prediction to the other in %v of %d pairs", moved, moved.N)
		if known.N > 0 {
			line += fmt.Sprintf(", and in %v of the %d whose first image is recognised", known, known.N)
		}
		if off := t.sum(true, false).Moved; off.N > 0 {
			line += fmt.Sprintf("; where the exchange switches a mark off, in %v of %d", off, off.N)
		}
		add("%s.", line)
	}
	return all
}

// page is the section of the report.
func (t *traits) page() *figure.TraitTable {
	p := &figure.TraitTable{Trait: "Trait", Head: "Best head", Text: t.sentences()}
	if t.regions.Target >= 0 {
		p.Top = "Top-ranked head"
		p.Text = append(p.Text, "The best head is chosen on one half of the test images and scored on the other. A map hits a trait if its peak patch overlaps it.")
	} else {
		p.Trait, p.Head = "Part", "Top-ranked head"
		p.Text = append(p.Text, "Each image is scored with its own top-ranked head; the table names the head that ranks first most often, and the part that is hit most often.")
	}
	b := heat.DefaultBootstrap()
	p.Text = append(p.Text, fmt.Sprintf("%.0f %% bootstrap intervals (%d resamples of images).", 100*b.Confidence, b.Resamples))
	for i, c := range t.scores.Classes {
		row := figure.TraitRow{Class: i}
		scores, head, region := c.Best, c.BestHead, measure.Trait
		row.Trait = strings.Join(t.regions.Traits(i), ", ")
		if t.regions.Target < 0 {
			scores, head, region = c.Top, c.TopHead, t.part(c.Top)
			if region >= 0 {
				row.Trait = t.regions.Names[region]
			}
		}
		if head >= 0 {
			row.Head = fmt.Sprintf("head %d", head)
		}
		if t.regions.Target >= 0 && c.TopHead >= 0 {
			row.Top, row.TopPoints = fmt.Sprintf("head %d", c.TopHead), c.Top[measure.Trait].Points
		}
		if region >= 0 {
			row.Points, row.Chance, row.Mass = scores[region].Points, scores[region].Chance, scores[region].Mass
		}
		row.Bird, row.Background = scores[measure.Bird].Mass, scores[measure.Background].Mass
		p.Rows = append(p.Rows, row)
	}
	return p
}
