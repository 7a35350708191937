package run

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/promptcam/promptcam/promptcam"
	"github.com/promptcam/promptcam/promptcam/figure"
	"github.com/promptcam/promptcam/promptcam/measure"
	"github.com/promptcam/promptcam/promptcam/measure/drawn"
	"github.com/promptcam/promptcam/vit/heat"
)

// evaluate evaluates the test images, counts the predictions that no map explains and, if the folder says where
// things are, measures where the maps point, all in one pass.
func (r *results) evaluate(ctx context.Context) (err error) {
	if r.Notes == nil {
		for _, err := range r.explanations(ctx) {
			if err != nil {
				return err
			}
		}
		return os.RemoveAll(r.path(TraitsFile)) // which an earlier run may have left
	}
	r.regions = measure.NewRegions(r.Notes, r.Set.FS, r.Set.Test, r.Model)
	images, err := measure.LocalizeAll(r.explanations(ctx), func(index, c, o int) (at, between []heat.Region, err error) {
		if at, between, err = r.regions.Of(index, c, o); err != nil {
			return nil, nil, fmt.Errorf("%w: without Notes (--traits off) maps are not measured", err)
		}
		return at, between, nil
	}, r.blur())
	if err != nil {
		return err
	}
	r.Traits = measure.ScoreTraits(images, len(r.Set.Classes), r.regions.Target, heat.DefaultBootstrap())
	if err := r.exchange(ctx); err != nil {
		return err
	}
	return r.writeCSV(TraitsFile, slices.Values(r.traitTable()))
}

// explanations explains the test images, and adds each to Test and Survival.
func (r *results) explanations(ctx context.Context) iter.Seq2[*promptcam.Explanation, error] {
	return func(yield func(*promptcam.Explanation, error) bool) {
		show := r.Observer.count("test", r.test.Len())
		r.Test, r.correct, r.blind = promptcam.NewEvaluation(r.Model.Config.Classes), 0, 0
		if r.doubts = nil; r.Model.Reference.Doubts() {
			r.doubts = map[int]string{}
		}
		for e, err := range r.Model.Explanations(ctx, r.test) {
			if wrong := (*promptcam.ScoreError)(nil); errors.As(err, &wrong) {
				err = fmt.Errorf("%s: %w", r.Set.Test[wrong.Index].Path, err)
			}
			if err == nil {
				r.Test.Add(e)
				r.survived(e)
				if d := e.Doubt(); d != "" {
					r.doubts[e.Index] = d
				}
				show(len(r.Test.Predictions))
			}
			if !yield(e, err) {
				return
			}
		}
	}
}

// exchangedImages is how many test images of each class have their traits exchanged: with the pairs of
// species that data/birds has, enough for an interval of a few per cent, and no more work than testing.
const exchangedImages = 10

// exchange draws test images again with one trait exchanged, if they are drawn birds.
func (r *results) exchange(ctx context.Context) (err error) {
	pairs, n := drawn.Pairs(r.Set.FS, r.Notes, r.Set.Classes, r.Set.Test, exchangedImages)
	r.Swaps, err = measure.Swap(ctx, r.Model, pairs, r.Observer.count("exchanged traits", n))
	if errors.Is(err, drawn.ErrForeign) {
		r.Observer.say(Warning, "%v: no traits are exchanged; draw the folder anew", err)
		return nil
	}
	return err
}

// traitTable is the scores of every head of every class on every region, in percent.
func (r *results) traitTable() [][]string {
	table := [][]string{{"class", "head", "region", "images", "points", "chance", "mass", "area"}}
	for class, c := range r.Traits.Classes {
		for head, regions := range c.Heads {
			for i, s := range regions {
				if s.Points.N > 0 {
					table = append(table, []string{
						r.Set.Classes[class], strconv.Itoa(head), r.regions.Names[i], strconv.Itoa(s.Points.N),
						number(100 * s.Points.Mean), number(100 * s.Chance), number(100 * s.Mass.Mean), number(100 * s.Area),
					})
				}
			}
		}
	}
	return table
}

// traitMetrics is "traits" of metrics.json. Shares are in percent; regions go by their names. What has no
// images is left out.
type traitMetrics struct {
	Images     int           `json:"images"`
	Confidence float64       `json:"confidence"` // of intervals, in percent
	Resamples  int           `json:"resamples"`
	BestHead   regionMetrics `json:"best_head,omitempty"`
	TopHead    regionMetrics `json:"top_head"`
	// What is shown first, the evidence for the predicted class against its look-alike: images in which it, or
	// one of the first three panels, points where the two classes differ.
	First      *firstMetrics `json:"first_map,omitempty"`
	FirstThree *firstMetrics `json:"first_three,omitempty"`
	// The share of correct predictions that flip once the 5 strongest patches of that evidence, or 5 random ones,
	// read as they usually do in the look-alike's images.
	Flips     *flipMetrics  `json:"flips,omitempty"`
	Edits     *editMetrics  `json:"minimal_edit,omitempty"`
	TokenBest regionMetrics `json:"class_token_best_head,omitempty"`
	TokenMean regionMetrics `json:"class_token_mean"`
	// For "all" pairs of images and for some of them: the share of predictions that "moved" to the other
	// class, the change of its "log_odds" against the first class, no percentage, and the changes of both
	// probabilities.
	Swaps    map[string]map[string]interval `json:"counterfactual,omitempty"`
	PerClass []classTraitsScore             `json:"per_class"`
}

type regionMetrics map[string]regionScore

type flipMetrics struct {
	Strongest interval `json:"strongest"`
	Random    interval `json:"random"`
}

// editMetrics are of the fewest patches that flip a correct prediction so.
type editMetrics struct {
	Flips   interval `json:"flips"`          // images that have such patches, at most 20
	Touches interval `json:"touches"`        // of these, those with one where the two classes differ
	Chance  float64  `json:"touches_chance"` // for as many random patches
	Patches float64  `json:"patches"`        // on average, no percentage
}

// firstMetrics scores panels on the place where two classes differ, and on the bird.
type firstMetrics struct {
	Points     *interval `json:"points,omitempty"`
	Chance     *float64  `json:"points_chance,omitempty"`
	Mass       *interval `json:"mass,omitempty"` // of the positive evidence, on that place
	BirdPoints *interval `json:"points_bird,omitempty"`
	Bird       *interval `json:"mass_bird,omitempty"`
}

// firstScores leaves out what the annotations do not show.
func firstScores(s []measure.RegionScore) *firstMetrics {
	m := &firstMetrics{}
	if at := s[measure.Trait]; at.Points.N > 0 {
		points, chance, mass := percents(at.Points), 100*at.Chance, percents(at.Mass)
		m.Points, m.Chance, m.Mass = &points, &chance, &mass
	}
	if bird := s[measure.Bird]; bird.Points.N > 0 {
		points, mass := percents(bird.Points), percents(bird.Mass)
		m.BirdPoints, m.Bird = &points, &mass
	}
	return m
}

type regionScore struct {
	Points   interval `json:"points"`        // images whose hottest patch is on the region
	Chance   float64  `json:"points_chance"` // for any patch
	Mass     interval `json:"mass"`          // attention to patches that falls on it
	EvenMass float64  `json:"mass_even"`     // of a uniform map
}

// interval is a heat.Interval over images.
type interval struct {
	Mean   float64 `json:"mean"`
	Low    float64 `json:"low"`
	High   float64 `json:"high"`
	Images int     `json:"images"`
}

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
func (r *results) named(scores []measure.RegionScore) regionMetrics {
	all := regionMetrics{}
	for i, s := range scores {
		if s.Points.N > 0 {
			all[r.regions.Names[i]] = regionScore{percents(s.Points), 100 * s.Chance, percents(s.Mass), 100 * s.Area}
		}
	}
	return all
}

func (r *results) traitMetrics() *traitMetrics {
	b, t := heat.DefaultBootstrap(), r.Traits
	m := &traitMetrics{
		Images: len(r.Set.Test), Confidence: 100 * b.Confidence, Resamples: b.Resamples,
		BestHead: r.named(t.Best), TopHead: r.named(t.Top), TokenBest: r.named(t.TokenBest), TokenMean: r.named(t.TokenMean),
	}
	m.First, m.FirstThree = firstScores(t.First), firstScores(t.FirstThree)
	if f := t.Flips; f.Strongest.N > 0 {
		m.Flips = &flipMetrics{percents(f.Strongest), percents(f.Random)}
	}
	if e := t.Edits; e.Flips.N > 0 {
		m.Edits = &editMetrics{percents(e.Flips), percents(e.Touches), 100 * e.Chance, e.Patches}
	}
	m.Swaps = map[string]map[string]interval{}
	for name, s := range r.swapScores() {
		m.Swaps[name] = map[string]interval{
			"moved": percents(s.Moved), "log_odds": {s.Margin.Mean, s.Margin.Low, s.Margin.High, s.Margin.N}, "probability": percents(s.Class), "other_probability": percents(s.Other),
		}
	}
	for i, c := range t.Classes {
		row := classTraitsScore{
			Class: r.Set.Classes[i], Images: c.Images, Traits: r.regions.Traits(i), // parts are in traits.csv
			Best: r.named(c.Best[:min(measure.Parts, len(c.Best))]), Top: r.named(c.Top[:min(measure.Parts, len(c.Top))]),
		}
		for _, other := range r.regions.Nearest[i] {
			row.LookAlikes = append(row.LookAlikes, r.Set.Classes[other.Class])
		}
		if c.BestHead >= 0 {
			row.BestHead = &c.BestHead
		}
		if c.TopHead >= 0 {
			row.TopHead = &c.TopHead
		}
		if part := topPart(c.Top); part >= 0 {
			row.TopPart = r.regions.Names[part]
		}
		m.PerClass = append(m.PerClass, row)
	}
	return m
}

// swapScores scores the exchanges of traits: all, those that switch a mark off, and those of each whose first
// image is recognised. Without exchanges there are no scores.
func (r *results) swapScores() map[string]measure.SwapScore {
	scores := map[string]measure.SwapScore{}
	add := func(of []measure.Outcome, all, recognised string) {
		if len(of) > 0 {
			known := slices.DeleteFunc(slices.Clone(of), func(o measure.Outcome) bool { return !o.Recognised() })
			scores[all], scores[recognised] = measure.ScoreSwaps(of, heat.DefaultBootstrap()), measure.ScoreSwaps(known, heat.DefaultBootstrap())
		}
	}
	add(r.Swaps, "all", "recognised")
	off := slices.DeleteFunc(slices.Clone(r.Swaps), func(o measure.Outcome) bool { return !o.Off })
	add(off, "mark_switched_off", "mark_switched_off_recognised")
	return scores
}

// topPart returns the part's region that maps point at most often, the first of equals, or -1.
func topPart(scores []measure.RegionScore) int {
	best := -1
	for i := measure.Parts; i < len(scores); i++ {
		if scores[i].Points.Mean > 0 && (best < 0 || scores[i].Points.Mean > scores[best].Points.Mean) {
			best = i
		}
	}
	return best
}

// sentences tell the totals.
func (r *results) sentences() (all []string) {
	t := r.Traits
	if t == nil {
		return nil
	}
	add := func(format string, a ...any) { all = append(all, fmt.Sprintf(format, a...)) }
	if r.regions.Target >= 0 {
		best, bird, background := t.Best[measure.Trait], t.Best[measure.Bird], t.Best[measure.Background]
		add("The best head of the true class points at a trait that tells the class from its nearest look-alike in %v of %d test images; %.1f %% would by chance. Of the same backbone's class token, the head that is best for the class does in %v, the mean of its heads in %v.",
			best.Points, best.Points.N, 100*best.Chance, t.TokenBest[measure.Trait].Points, t.TokenMean[measure.Trait].Points)
		add("The top-ranked head does so in %v.", t.Top[measure.Trait].Points)
		if bird.Mass.N > 0 {
			add("Of the best head's attention %.1f %% falls on the trait, %.1f %% on the bird and %.1f %% on the background; a uniform map would give %.1f, %.1f and %.1f %%.",
				100*best.Mass.Mean, 100*bird.Mass.Mean, 100*background.Mass.Mean, 100*best.Area, 100*bird.Area, 100*background.Area)
		}
	} else if top := t.Top[measure.Bird]; top.Points.N > 0 {
		add("The true class's top-ranked head points at the bird in %v of %d test images, with %.1f %% of its attention; a uniform map would have %.1f %% there. The mean of the heads of the same backbone's class token points at it in %v.",
			top.Points, top.Points.N, 100*top.Mass.Mean, 100*top.Area, t.TokenMean[measure.Bird].Points)
	}
	const first = "What is shown first, the evidence for the predicted class against its look-alike, is strongest "
	if at, bird := t.First[measure.Trait], t.First[measure.Bird]; at.Points.N > 0 {
		add(first+"where the two differ in %v of %d test images; one of the first three panels in %v. Of its positive part %.1f %% falls there and %.1f %% on the bird.",
			at.Points, at.Points.N, t.FirstThree[measure.Trait].Points, 100*at.Mass.Mean, 100*bird.Mass.Mean)
	} else if bird.Points.N > 0 {
		add(first+"on the bird in %v of %d test images, with %.1f %% of its positive part.", bird.Points, bird.Points.N, 100*bird.Mass.Mean)
	}
	if f := t.Flips; f.Strongest.N > 0 {
		as := "as they usually do in the look-alike's images"
		if r.Model.Reference == nil {
			as = "as the image's patches do on average"
		}
		add("Where its 5 strongest patches read %s, %v of %d correct predictions flip; with 5 random patches %v.", as, f.Strongest, f.Strongest.N, f.Random)
	}
	if len(r.Swaps) > 0 {
		swaps := r.swapScores()
		moved, known, off := swaps["all"].Moved, swaps["recognised"].Moved, swaps["mark_switched_off"].Moved
		line := fmt.Sprintf("Counterfactual: swapping only the trait that tells two species apart moves the prediction to the other in %v of %d pairs", moved, moved.N)
		if known.N > 0 {
			line += fmt.Sprintf(", and in %v of the %d whose first image is classified correctly", known, known.N)
		}
		if off.N > 0 {
			line += fmt.Sprintf("; where the swap switches a mark off, in %v of %d", off, off.N)
		}
		add("%s.", line)
	}
	return all
}

// traitPage is the section of the report.
func (r *results) traitPage() *figure.TraitTable {
	b, target := heat.DefaultBootstrap(), r.regions.Target >= 0
	p := &figure.TraitTable{Trait: "Part", Head: "Top-ranked head", Text: r.sentences()}
	about := "Each image is scored with its own top-ranked head; the table names the head that ranks first most often, and the part that is hit most often."
	if target {
		p.Trait, p.Head, p.Top = "Trait", "Best head", "Top-ranked head"
		about = "The best head is chosen on one half of the test images and scored on the other. A map hits a trait if its peak patch overlaps it."
	}
	p.Text = append(p.Text, about, fmt.Sprintf("%.0f %% bootstrap intervals (%d resamples of images).", 100*b.Confidence, b.Resamples))
	for i, c := range r.Traits.Classes {
		row := figure.TraitRow{Class: i, Trait: strings.Join(r.regions.Traits(i), ", ")}
		scores, region := c.Top, topPart(c.Top)
		if target {
			scores, region = c.Best, measure.Trait
			row.Head, row.Top, row.TopPoints = headName(c.BestHead), headName(c.TopHead), c.Top[measure.Trait].Points
		} else if row.Head = headName(c.TopHead); region >= 0 {
			row.Trait = r.regions.Names[region]
		}
		if region >= 0 {
			row.Points, row.Chance, row.Mass = scores[region].Points, scores[region].Chance, scores[region].Mass
		}
		row.Bird, row.Background = scores[measure.Bird].Mass, scores[measure.Background].Mass
		p.Rows = append(p.Rows, row)
	}
	return p
}

// headName names a head; -1 is none.
func headName(head int) string {
	if head < 0 {
		return ""
	}
	return fmt.Sprintf("head %d", head)
}
