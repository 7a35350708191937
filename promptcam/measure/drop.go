package measure

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"

	"github.com/promptcam/promptcam/data"
	"github.com/promptcam/promptcam/promptcam"
	"github.com/promptcam/promptcam/tensor"
	"github.com/promptcam/promptcam/vit/heat"
)

// Removal says which patches an image loses and which margin that should lower.
type Removal struct {
	Class, Rival int     // the margin is Class's score less Rival's
	Patches      [][]int // [W], for each way of choosing: distinct patches, row-major from 0, but not all
}

// Dropped is an image whose patches were removed, in each way on its own.
type Dropped struct {
	Index        int // position in the loader's items
	Class, Rival int
	Margin       float64 // of the whole image
	Ways         []Fall  // [W]
}

// Fall is what removing Patches patches, a number, does.
type Fall struct {
	Patches int
	Margin  float64 // by how much it falls
	Flips   bool    // another class is predicted than for the whole image
}

// dropBatch is the number of images per forward pass.
const dropBatch = 32

// Drop removes patches from the images of l, which must be pixels, and runs the whole model on what is left:
// see promptcam.Model.ScoresWithout. If the patches that a map names are those that decide, the margin falls,
// and further than without as many random ones. choose is called for each image in order, with e's Index and
// Label those of l, and returns the same number of ways each time, or none to leave the image out. progress, if
// not nil, is called with the number of images done. The error is the first of l, choose, ctx or the model,
// such as one whose backbone has windows.
func Drop(ctx context.Context, m *promptcam.Model, l promptcam.Batches, choose func(e *promptcam.Explanation) (Removal, error), progress func(done int)) ([]Dropped, error) {
	var all []Dropped
	done := 0
	for b, err := range l.Epoch(ctx, data.Plan{}) {
		if err != nil {
			return nil, err
		}
		if b.Kind == data.Tokens {
			return nil, errors.New("measure: drop: the loader has tokens in place of images: without some patches, all blocks must run again")
		}
		var cuts []cut
		image := 0 // in b
		for e, err := range m.Explanations(ctx, alone{b}) {
			if err != nil {
				return nil, err
			}
			r, err := choose(e)
			if err != nil {
				return nil, err
			}
			if w := len(r.Patches); w > 0 && len(all) > 0 && w != len(all[0].Ways) {
				panic(fmt.Sprintf("measure: Drop: image %d loses patches in %d ways, those before in %d", e.Index, w, len(all[0].Ways)))
			} else if w > 0 {
				d := Dropped{Index: e.Index, Class: r.Class, Rival: r.Rival, Margin: margin(e.Scores, r.Class, r.Rival), Ways: make([]Fall, w)}
				all, cuts = append(all, d), append(cuts, r.cuts(d, image, e.Predicted())...)
			}
			image++
		}
		if err := run(ctx, m, b.Values, cuts); err != nil {
			return nil, err
		}
		if done += image; progress != nil {
			progress(done)
		}
	}
	return all, nil
}

// alone is one batch as a promptcam.Batches.
type alone struct{ *data.Batch }

func (b alone) Len() int     { return len(b.Labels) }
func (b alone) Batches() int { return 1 }
func (b alone) Epoch(context.Context, data.Plan) iter.Seq2[*data.Batch, error] {
	return func(yield func(*data.Batch, error) bool) { yield(b.Batch, nil) }
}

// cut is one way of removing patches from an image of a batch.
type cut struct {
	Dropped
	image     int // in the batch
	predicted int // for the whole image
	patches   []int
	fall      *Fall // the result, in Ways
}

// cuts returns those ways of r in which the image loses any patch.
func (r Removal) cuts(d Dropped, image, predicted int) []cut {
	var all []cut
	for way, patches := range r.Patches {
		d.Ways[way].Patches = len(patches)
		if len(patches) > 0 {
			all = append(all, cut{d, image, predicted, patches, &d.Ways[way]})
		}
	}
	return all
}

// run fills in the falls of cuts of images [B, 3, H, W]. Those of equally many patches share forward passes.
func run(ctx context.Context, m *promptcam.Model, images *tensor.Tensor, cuts []cut) error {
	slices.SortStableFunc(cuts, func(a, b cut) int { return cmp.Compare(len(a.patches), len(b.patches)) })
	room := tensor.New(min(dropBatch, len(cuts)), images.Dim(1), images.Dim(2), images.Dim(3))
	for len(cuts) > 0 {
		n := 0
		var removed [][]int
		for n < min(room.Dim(0), len(cuts)) && len(cuts[n].patches) == len(cuts[0].patches) {
			tensor.CopyTo(room.Select(0, n), images.Select(0, cuts[n].image))
			removed = append(removed, cuts[n].patches)
			n++
		}
		scores, err := m.ScoresWithout(ctx, room.Slice(0, 0, n), removed) // [n, C]
		if bad := (*promptcam.ScoreError)(nil); errors.As(err, &bad) {
			bad.Index = cuts[bad.Index].Index
		}
		if err != nil {
			return err
		}
		for i, best := range scores.ArgMax() {
			c := cuts[i]
			c.fall.Margin = c.Margin - margin(scores.Select(0, i).Data(), c.Class, c.Rival)
			c.fall.Flips = best != c.predicted
		}
		cuts = cuts[n:]
	}
	return nil
}

// margin returns class's score less rival's.
func margin(scores []float32, class, rival int) float64 {
	return float64(scores[class]) - float64(scores[rival])
}

// DropScore sums up what removing patches does.
type DropScore struct {
	Patches float64       // mean number of them
	Margin  heat.Interval // mean fall of the margin
	Flips   heat.Interval // share of images for which another class is predicted
}

// ScoreDrops sums up one of the ways, from 0, of images in any order.
func ScoreDrops(images []Dropped, way int, b heat.Bootstrap) DropScore {
	return scoreDrops(images, b, func(d Dropped) (patches, margin, flips float64) {
		f := d.Ways[way]
		return float64(f.Patches), f.Margin, indicator(f.Flips)
	})
}

// CompareDrops returns how much more one way does than another, image by image: the means of the differences.
// Their intervals are mostly narrower than the two scores' own, as some images have large margins to lose in
// any way.
func CompareDrops(images []Dropped, way, other int, b heat.Bootstrap) DropScore {
	return scoreDrops(images, b, func(d Dropped) (patches, margin, flips float64) {
		f, o := d.Ways[way], d.Ways[other]
		return float64(f.Patches - o.Patches), f.Margin - o.Margin, indicator(f.Flips) - indicator(o.Flips)
	})
}

func scoreDrops(images []Dropped, b heat.Bootstrap, of func(Dropped) (patches, margin, flips float64)) DropScore {
	var patches, margins, flips []float64
	for _, d := range images {
		p, m, f := of(d)
		patches, margins, flips = append(patches, p), append(margins, m), append(flips, f)
	}
	return DropScore{heat.Mean(patches).Mean, b.Mean(margins), b.Mean(flips)}
}
