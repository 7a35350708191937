package measure

import (
	"fmt"
	"io/fs"
	"iter"
	"slices"
	"strings"

	"github.com/promptcam/promptcam/data"
	"github.com/promptcam/promptcam/data/birds"
)

// An Exchange is a drawn bird to draw again as another species, from which one trait tells it.
type Exchange struct {
	Item  data.Item
	Other int // class of the other species

	seed    uint64
	species [2]birds.Species // its own and the other
}

// A ForeignError is about an image that package data/birds does not draw from its seed: a photograph, or a
// bird that another version drew.
type ForeignError struct{ Path, Species string }

func (e *ForeignError) Error() string {
	return fmt.Sprintf("%s is not the %s that this program draws from the seed in scenes.txt", e.Path, e.Species)
}

// Exchanges returns the exchanges of the first images of each class among items, at most so many. It returns
// nil unless all classes are species of data/birds and all items have a seed.
func Exchanges(notes *data.Annotations, classes []string, items []data.Item, images int) []Exchange {
	species := speciesOf(classes)
	if species == nil {
		return nil
	}
	var all []Exchange
	seen := make([]int, len(classes)) // images of each class
	for _, item := range items {
		seed, ok := notes.Seed(item.Path)
		if !ok {
			return nil
		}
		if seen[item.Class]++; seen[item.Class] > images {
			continue
		}
		for other := range species {
			pair := [2]birds.Species{species[item.Class], species[other]}
			if len(pair[0].Traits.Diff(pair[1].Traits)) == 1 {
				all = append(all, Exchange{item, other, seed, pair})
			}
		}
	}
	return all
}

// speciesOf returns the species that classes are, or nil if one is no species of data/birds.
func speciesOf(classes []string) []birds.Species {
	known := map[string]birds.Species{}
	for _, s := range birds.AllSpecies() {
		known[strings.ReplaceAll(s.Name, " ", "_")] = s
	}
	var all []birds.Species
	for _, class := range classes {
		_, name, _ := strings.Cut(class, ".")
		s, ok := known[name]
		if !ok {
			return nil
		}
		all = append(all, s)
	}
	return all
}

// Pairs draws the exchanges of items in fsys. The error is about an image's file, or a
// [*ForeignError].
func Pairs(fsys fs.FS, exchanges []Exchange) iter.Seq2[Pair, error] {
	return func(yield func(Pair, error) bool) {
		var drawn data.Item
		var original *data.RGB
		for _, x := range exchanges {
			scene, own, other := birds.NewScene(x.seed), x.species[0], x.species[1]
			if x.Item != drawn {
				var err error
				if original, err = redraw(fsys, x.Item.Path, own, scene); err != nil {
					yield(Pair{}, err)
					return
				}
				drawn = x.Item
			}
			off := other.Traits == own.Traits.Without(own.Traits.Diff(other.Traits)...)
			changed := birds.Draw(other.Traits, scene, original.W).RGB
			if !yield(Pair{x.Item.Class, x.Other, off, original, changed}, nil) {
				return
			}
		}
	}
}

// redraw draws an image again, which must be the one in its file.
func redraw(fsys fs.FS, name string, s birds.Species, scene birds.Scene) (*data.RGB, error) {
	photo, err := data.ReadImageFS(fsys, name)
	if err != nil {
		return nil, err
	}
	if photo.W == photo.H && photo.W >= 32 && photo.W <= 1024 {
		if again := birds.Draw(s.Traits, scene, photo.W).RGB; slices.Equal(again.Pix, photo.Pix) {
			return again, nil
		}
	}
	return nil, &ForeignError{data.PathOf(fsys, name), s.Name}
}
