// Package drawn makes counterfactuals of the birds that package data/birds draws, for measure.Swap. It is apart
// from package measure because it brings their renderer.
package drawn

import (
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"slices"
	"strings"

	"github.com/promptcam/promptcam/data"
	"github.com/promptcam/promptcam/data/birds"
	"github.com/promptcam/promptcam/promptcam/measure"
)

// ErrForeign is wrapped by the error of a pair whose image package data/birds does not draw from its seed: a
// photograph, or a bird from another version.
var ErrForeign = errors.New("this program draws from the seed in scenes.txt")

// Pairs returns n pairs of drawn birds: the first perClass images of each class among items, each drawn
// again as every species that differs from it in one trait. There are none unless all classes are species of
// data/birds and all items have a seed. Errors come from files in fsys or wrap [ErrForeign].
func Pairs(fsys fs.FS, notes *data.Annotations, classes []string, items []data.Item, perClass int) (pairs iter.Seq2[measure.Pair, error], n int) {
	type bird struct {
		data.Item
		seed   uint64
		others []int // classes
	}
	var flock []bird
	species := speciesOf(classes)
	if species == nil {
		items = nil
	}
	count := make([]int, len(classes)) // images of each class
	for _, item := range items {
		seed, ok := notes.Seed(item.Path)
		if !ok {
			flock, n = nil, 0
			break
		}
		if count[item.Class]++; count[item.Class] > perClass {
			continue
		}
		b := bird{Item: item, seed: seed}
		for other, s := range species {
			if len(species[item.Class].Traits.Diff(s.Traits)) == 1 {
				b.others = append(b.others, other)
			}
		}
		if len(b.others) > 0 {
			flock, n = append(flock, b), n+len(b.others)
		}
	}
	return func(yield func(measure.Pair, error) bool) {
		for _, b := range flock {
			scene, own := birds.NewScene(b.seed), species[b.Class]
			original, err := redraw(fsys, b.Path, own, scene)
			if err != nil {
				yield(measure.Pair{}, err)
				return
			}
			for _, other := range b.others {
				traits := species[other].Traits
				off := traits == own.Traits.Without(own.Traits.Diff(traits)...)
				if !yield(measure.Pair{Class: b.Class, Other: other, Off: off, Original: original, Changed: birds.Draw(traits, scene, original.W).RGB}, nil) {
					return
				}
			}
		}
	}, n
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

// redraw draws an image again and checks that it equals its file.
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
	return nil, fmt.Errorf("%s is not the %s that %w", data.PathOf(fsys, name), s.Name, ErrForeign)
}
