package run

import (
	"context"
	"errors"
	"fmt"
	"image"
	"iter"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/promptcam/promptcam/data"
	"github.com/promptcam/promptcam/data/birds"
	"github.com/promptcam/promptcam/promptcam"
	"github.com/promptcam/promptcam/vit/heat"
)

// pointRadius is how near to a part's point counts as on the part, in units of the longer side of
// the bounding box: that of the keypoints that count as correct in PCK (Yang and Ramanan,
// "Articulated Human Detection with Flexible Mixtures of Parts", TPAMI 35, 2013).
const pointRadius = 0.1

// The regions of an image: the traits that tell its class from its nearest look-alikes, the bird, the
// rest, and the parts.
const (
	onTrait = iota
	onBird
	onBackground
	onParts
)

// traits is where the maps of the test images lie, as far as the folder tells where things are.
type traits struct {
	r       *results
	notes   *data.Annotations
	regions []string           // the names of the regions
	nearest [][]data.LookAlike // of each class
	target  int                // onTrait, or -1: the folder does not tell what classes differ in

	scores    *promptcam.TraitScores
	exchanges []exchange
	swaps     []promptcam.Swap // of each of them
}

// scoreTraits measures where the maps lie if the folder tells where things are.
func (r *results) scoreTraits(ctx context.Context) error {
	if r.Notes == nil {
		return r.remove(traitsName)
	}
	notes := r.Notes
	t := &traits{r: r, notes: notes, target: -1, nearest: notes.LookAlikes(r.Set.Classes)}
	t.regions = append([]string{"trait", "bird", "background"}, notes.Parts...)
	if slices.ContainsFunc(t.nearest, func(of []data.LookAlike) bool { return len(of) > 0 }) {
		t.target = onTrait
	}
	m, n := r.Observer.meter(r.batches.Len()), r.batches.Len()
	seen, err := r.model.Sight(ctx, r.batches, t.places, r.blur(), func(done int) { m.show("traits", done, n, "") })
	if err != nil {
		return fmt.Errorf("-data: %w: -traits off goes without", err)
	}
	t.scores = promptcam.ScoreTraits(seen, len(r.Set.Classes), t.target, heat.DefaultBootstrap())
	if err := t.exchange(ctx); err != nil {
		return err
	}
	r.traits = t
	return r.writeCSV(traitsName, t.table())
}

// places returns the regions of a test image.
func (t *traits) places(index int) ([]heat.Region, error) {
	item := t.r.Set.Test[index]
	size, err := data.ReadSize(t.path(item))
	if err != nil {
		return nil, err
	}
	parts, kinds, err := t.notes.Masks(item.Path, size)
	if err != nil {
		return nil, err
	}
	partPoints, kindPoints := t.notes.Points(item.Path)
	box, boxed := t.notes.Box(item.Path)
	radius := pointRadius * float64(max(size.X, size.Y))
	if boxed {
		radius = pointRadius * max(box.Width, box.Height)
	}
	view := heat.View{Transform: t.r.model.Transform, Patch: t.r.model.Backbone.Config.PatchSize, Size: size}
	// some is where any of several things is.
	some := func(masks []*image.Gray, points []data.Point, which []int) heat.Region {
		switch {
		case masks != nil:
			return view.Masks(chosen(masks, which)...)
		case points != nil:
			return view.Discs(radius, chosen(points, which)...)
		}
		return view.Masks()
	}
	regions := []heat.Region{some(kinds, kindPoints, kindsOf(t.nearest[item.Class]))}
	nowhere := view.Masks()
	switch {
	case parts != nil:
		bird := view.Masks(parts...)
		regions = append(regions, bird, bird.Outside())
	case boxed:
		bird := view.Box(box)
		regions = append(regions, bird, bird.Outside())
	default:
		regions = append(regions, nowhere, nowhere)
	}
	for i := range t.notes.Parts {
		regions = append(regions, some(parts, partPoints, []int{i}))
	}
	return regions, nil
}

func (t *traits) path(item data.Item) string {
	return filepath.Join(t.r.Set.Root, filepath.FromSlash(item.Path))
}

func chosen[T any](all []T, which []int) []T {
	some := make([]T, len(which))
	for i, w := range which {
		some[i] = all[w]
	}
	return some
}

// kindsOf returns the kinds of traits that tell a class from any of its nearest look-alikes.
func kindsOf(nearest []data.LookAlike) []int {
	var kinds []int
	for _, other := range nearest {
		kinds = append(kinds, other.Kinds...)
	}
	slices.Sort(kinds)
	return slices.Compact(kinds)
}

// exchangedImages is how many test images of each class have their traits exchanged: with the pairs of species
// that data/birds has, enough for an interval of a few per cent, and no more work than testing.
const exchangedImages = 10

// An exchange is a drawn test image whose one trait is exchanged that tells its species from another.
type exchange struct {
	item  data.Item
	other int  // class
	off   bool // the trait is a mark of the image's species that the other lacks
}

// exchange draws test images again with one trait exchanged, if they are drawn birds.
func (t *traits) exchange(ctx context.Context) error {
	species := t.species()
	if species == nil {
		return nil
	}
	drawn := make([]int, len(species)) // images of each class
	for _, item := range t.r.Set.Test {
		if drawn[item.Class]++; drawn[item.Class] > exchangedImages {
			continue
		}
		for other := range species {
			if own, to := species[item.Class].Traits, species[other].Traits; len(own.Diff(to)) == 1 {
				t.exchanges = append(t.exchanges, exchange{item, other, to == own.Without(own.Diff(to)...)})
			}
		}
	}
	n := len(t.exchanges)
	m := t.r.Observer.meter(n)
	var err error
	t.swaps, err = t.r.model.Swap(ctx, t.pairs(species), t.r.model.Transform, func(done int) { m.show("exchanged traits", done, n, "") })
	if foreign := (foreignError{}); errors.As(err, &foreign) {
		t.r.Observer.warn("-data: %v: no traits are exchanged; draw the folder anew", foreign)
		t.exchanges = nil
		return nil
	}
	return err
}

// A foreignError is a test image that is not what we draw from its seed: that of another version of this
// program, or a photograph.
type foreignError struct{ path, species string }

func (e foreignError) Error() string {
	return fmt.Sprintf("%s is not the %s that this program draws from the seed in scenes.txt", e.path, e.species)
}

// species returns the species that the classes are; nil if these are no birds that we can draw again.
func (t *traits) species() []birds.Species {
	known := map[string]birds.Species{}
	for _, s := range birds.AllSpecies() {
		known[strings.ReplaceAll(s.Name, " ", "_")] = s
	}
	var all []birds.Species
	for _, class := range t.r.Set.Classes {
		_, name, _ := strings.Cut(class, ".")
		s, ok := known[name]
		if !ok {
			return nil
		}
		all = append(all, s)
	}
	for _, item := range t.r.Set.Test {
		if _, ok := t.notes.Seed(item.Path); !ok {
			return nil
		}
	}
	return all
}

// pairs draws the exchanges.
func (t *traits) pairs(species []birds.Species) iter.Seq2[promptcam.Pair, error] {
	return func(yield func(promptcam.Pair, error) bool) {
		var drawn data.Item
		var original *data.RGB
		for _, x := range t.exchanges {
			seed, _ := t.notes.Seed(x.item.Path)
			scene := birds.NewScene(seed)
			if x.item != drawn {
				var err error
				if original, err = t.draw(x.item, species[x.item.Class], scene); err != nil {
					yield(promptcam.Pair{}, err)
					return
				}
				drawn = x.item
			}
			changed := birds.Draw(species[x.other].Traits, scene, original.W).RGB
			if !yield(promptcam.Pair{Class: x.item.Class, Other: x.other, Original: original, Changed: changed}, nil) {
				return
			}
		}
	}
}

// draw draws a test image again, which must be the one in its file.
func (t *traits) draw(item data.Item, s birds.Species, scene birds.Scene) (*data.RGB, error) {
	path := t.path(item)
	photo, err := data.ReadImage(path)
	if err != nil {
		return nil, err
	}
	if photo.W == photo.H && photo.W >= 32 && photo.W <= 1024 {
		if again := birds.Draw(s.Traits, scene, photo.W).RGB; slices.Equal(again.Pix, photo.Pix) {
			return again, nil
		}
	}
	return nil, foreignError{path, s.Name}
}

// table is the scores of every head of every class on every region, in percent.
func (t *traits) table() [][]string {
	table := [][]string{{"class", "head", "region", "images", "points", "chance", "mass", "area"}}
	for class, c := range t.scores.Classes {
		for head, regions := range c.Heads {
			for i, s := range regions {
				if s.Points.N > 0 {
					table = append(table, []string{
						t.r.Set.Classes[class], strconv.Itoa(head), t.regions[i], strconv.Itoa(s.Points.N),
						number(100 * s.Points.Mean), number(100 * s.Chance), number(100 * s.Mass.Mean), number(100 * s.Area),
					})
				}
			}
		}
	}
	return table
}
