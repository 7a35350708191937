package run

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"

	"github.com/promptcam/promptcam/promptcam"
	"github.com/promptcam/promptcam/promptcam/measure"
	"github.com/promptcam/promptcam/vit/heat"
)

// evaluate evaluates the test images and, if the folder says where things are, measures where the maps point,
// in one pass.
func (r *results) evaluate(ctx context.Context) (err error) {
	show := r.Observer.count("test", r.test.Len())
	if r.Notes == nil {
		if r.Test, err = r.Model.Evaluate(ctx, r.test, show); err != nil {
			return err
		}
		return os.RemoveAll(r.path(traitsName)) // which an earlier run may have left
	}
	r.regions = measure.NewRegions(r.Notes, r.Set.FS, r.Set.Test, r.Model)
	r.Test = promptcam.NewEvaluation(r.Model.Config.Classes)
	images, err := measure.LocalizeAll(func(yield func(*promptcam.Explanation, error) bool) {
		for e, err := range r.Model.Explanations(ctx, r.test) {
			if err == nil {
				r.Test.Add(e)
				show(len(r.Test.Predictions))
			}
			if !yield(e, err) {
				return
			}
		}
	}, func(index int) ([]heat.Region, error) {
		at, err := r.regions.Of(index)
		if err != nil {
			return nil, fmt.Errorf("--data: %w: --traits off goes without", err)
		}
		return at, nil
	}, r.blur())
	if err != nil {
		return err
	}
	r.Traits = measure.ScoreTraits(images, len(r.Set.Classes), r.regions.Target, heat.DefaultBootstrap())
	if err := r.exchange(ctx); err != nil {
		return err
	}
	return r.writeCSV(traitsName, r.traitTable())
}

// exchangedImages is how many test images of each class have their traits exchanged: with the pairs of
// species that data/birds has, enough for an interval of a few per cent, and no more work than testing.
const exchangedImages = 10

// exchange draws test images again with one trait exchanged, if they are drawn birds.
func (r *results) exchange(ctx context.Context) (err error) {
	pairs, n := measure.DrawnPairs(r.Set.FS, r.Notes, r.Set.Classes, r.Set.Test, exchangedImages)
	r.Swaps, err = measure.Swap(ctx, r.Model, pairs, r.Observer.count("exchanged traits", n))
	if errors.Is(err, measure.ErrForeign) {
		r.Observer.say(Warning, "--data: %v: no traits are exchanged; draw the folder anew", err)
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
