package measure

import (
	"image"
	"io/fs"
	"slices"

	"github.com/promptcam/promptcam/data"
	"github.com/promptcam/promptcam/promptcam"
	"github.com/promptcam/promptcam/vit/heat"
)

// Indices of an image's regions. The annotated parts begin at Parts.
const (
	Trait      = iota // the traits that tell the image's class from its nearest look-alikes
	Bird              // or whatever the masks of parts or the bounding box show
	Background        // the rest
	Parts
)

// pointRadius is the radius of a part of which a point is known, in units of the bounding box's longer side:
// within it PCK counts a keypoint as correct (Yang and Ramanan, "Articulated Human Detection with Flexible
// Mixtures of Parts", TPAMI 35, 2013).
const pointRadius = 0.1

// Regions finds where things are in annotated images.
type Regions struct {
	Names   []string           // [R]: "trait", "bird", "background", and the parts
	Nearest [][]data.LookAlike // of each class: data.Annotations.LookAlikes
	Target  int                // Trait, or -1 if the annotations do not say what tells classes apart

	notes  *data.Annotations
	fsys   fs.FS
	items  []data.Item
	view   heat.View
	differ map[[2]int][]int // notes.Differing
}

// NewRegions returns the regions of items in fsys, on m's patch grid. m's Classes have the annotations'
// names.
func NewRegions(notes *data.Annotations, fsys fs.FS, items []data.Item, m *promptcam.Model) *Regions {
	r := &Regions{
		Names: append([]string{"trait", "bird", "background"}, notes.Parts...), Nearest: notes.LookAlikes(m.Classes), Target: -1,
		differ: notes.Differing(m.Classes), notes: notes, fsys: fsys, items: items, view: heat.View{Transform: m.Transform, Patch: m.Backbone.Config.PatchSize},
	}
	if slices.ContainsFunc(r.Nearest, func(of []data.LookAlike) bool { return len(of) > 0 }) {
		r.Target = Trait
	}
	return r
}

// Of returns the regions of an item, and the same with Trait the place of the traits in which classes c and o
// differ; those that are not annotated are Hidden. The error is about the image's file or its masks.
func (r *Regions) Of(index, c, o int) (regions, between []heat.Region, err error) {
	item := r.items[index]
	size, err := data.ReadSize(r.fsys, item.Path)
	if err != nil {
		return nil, nil, err
	}
	parts, kinds, err := r.notes.Masks(item.Path, size)
	if err != nil {
		return nil, nil, err
	}
	partPoints, kindPoints := r.notes.Points(item.Path)
	box, boxed := r.notes.Box(item.Path)
	radius := pointRadius * float64(max(size.X, size.Y))
	if boxed {
		radius = pointRadius * max(box.Width, box.Height)
	}
	view := r.view
	view.Size = size
	union := func(masks []*image.Gray, points []data.Point, which []int) heat.Region {
		switch {
		case masks != nil:
			return view.Masks(chosen(masks, which)...)
		case points != nil:
			return view.Discs(radius, chosen(points, which)...)
		}
		return view.Masks()
	}
	bird, background := view.Masks(), view.Masks()
	if parts != nil {
		bird = view.Masks(parts...)
		background = bird.Outside()
	} else if boxed {
		bird = view.Box(box)
		background = bird.Outside()
	}
	regions = []heat.Region{union(kinds, kindPoints, r.kinds(item.Class)), bird, background}
	for i := range r.notes.Parts {
		regions = append(regions, union(parts, partPoints, []int{i}))
	}
	between = slices.Clone(regions)
	between[Trait] = union(kinds, kindPoints, r.differ[[2]int{c, o}])
	return regions, between, nil
}

// Traits names the kinds of traits that tell a class from any of its nearest look-alikes.
func (r *Regions) Traits(class int) []string { return chosen(r.notes.Places, r.kinds(class)) }

// Between names the kinds of traits in which classes c and o differ; none if the annotations do not say.
func (r *Regions) Between(c, o int) []string { return chosen(r.notes.Places, r.differ[[2]int{c, o}]) }

// kinds returns the same as indices of notes.Places.
func (r *Regions) kinds(class int) []int {
	var kinds []int
	for _, other := range r.Nearest[class] {
		kinds = append(kinds, other.Kinds...)
	}
	slices.Sort(kinds)
	return slices.Compact(kinds)
}

func chosen[T any](all []T, which []int) []T {
	some := make([]T, len(which))
	for i, w := range which {
		some[i] = all[w]
	}
	return some
}
