package run

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/promptcam/promptcam/promptcam"
	"github.com/promptcam/promptcam/promptcam/measure"
	"github.com/promptcam/promptcam/vit/heat"
)

// traits measures where the maps of the test images are, if the folder has annotations.
type traits struct {
	r       *results
	regions *measure.Regions
	scores  *measure.TraitScores
	swaps   []measure.Outcome
}

// evaluate evaluates the test images and, if the folder says where things are, measures where the maps
// lie, in one pass.
func (r *results) evaluate(ctx context.Context) error {
	n := r.batches.Len()
	show := r.Observer.meter(n).part("test", n)
	if r.Notes == nil {
		var err error
		if r.test, err = r.model.Evaluate(ctx, r.batches, show); err != nil {
			return err
		}
		return r.remove(traitsName)
	}
	t := &traits{r: r, regions: measure.NewRegions(r.Notes, r.Set.FS, r.Set.Test, r.model)}
	test := promptcam.NewEvaluation(r.model.Config.Classes)
	images, err := measure.LocalizeAll(func(yield func(*promptcam.Explanation, error) bool) {
		for e, err := range r.model.Explanations(ctx, r.batches) {
			if err == nil {
				test.Add(e)
				show(len(test.Predictions))
			}
			if !yield(e, err) {
				return
			}
		}
	}, func(index int) ([]heat.Region, error) {
		at, err := t.regions.Of(index)
		if err != nil {
			return nil, fmt.Errorf("--data: %w: --traits off goes without", err)
		}
		return at, nil
	}, r.blur())
	if err != nil {
		return err
	}
	r.test = test
	t.scores = measure.ScoreTraits(images, len(r.Set.Classes), t.regions.Target, heat.DefaultBootstrap())
	if err := t.exchange(ctx); err != nil {
		return err
	}
	r.traits = t
	return r.writeCSV(traitsName, t.table())
}

// exchangedImages is how many test images of each class have their traits exchanged: with the pairs of species
// that data/birds has, enough for an interval of a few per cent, and no more work than testing.
const exchangedImages = 10

// exchange draws test images again with one trait exchanged, if they are drawn birds.
func (t *traits) exchange(ctx context.Context) error {
	r := t.r
	pairs, n := measure.DrawnPairs(r.Set.FS, r.Notes, r.Set.Classes, r.Set.Test, exchangedImages)
	var err error
	t.swaps, err = measure.Swap(ctx, r.model, pairs, r.Observer.meter(n).part("exchanged traits", n))
	if errors.Is(err, measure.ErrForeign) {
		r.Observer.warn("--data: %v: no traits are exchanged; draw the folder anew", err)
		return nil
	}
	return err
}

// table is the scores of every head of every class on every region, in percent.
func (t *traits) table() [][]string {
	table := [][]string{{"class", "head", "region", "images", "points", "chance", "mass", "area"}}
	for class, c := range t.scores.Classes {
		for head, regions := range c.Heads {
			for i, s := range regions {
				if s.Points.N > 0 {
					table = append(table, []string{
						t.r.Set.Classes[class], strconv.Itoa(head), t.regions.Names[i], strconv.Itoa(s.Points.N),
						number(100 * s.Points.Mean), number(100 * s.Chance), number(100 * s.Mass.Mean), number(100 * s.Area),
					})
				}
			}
		}
	}
	return table
}
