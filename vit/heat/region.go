package heat

import (
	"fmt"
	"image"
	"slices"

	"github.com/promptcam/promptcam/data"
)

// View describes how a photograph becomes the model's input. It turns masks, points and boxes in the
// photograph's pixels into Regions of the patch grid.
type View struct {
	Transform data.Transform // makes the model's input
	Patch     int            // side of a patch in pixels
	Size      image.Point    // the photograph's, in pixels
}

// Region says where something is in an image, over the same patch grid as a Map: H rows of W patches,
// row-major.
type Region struct {
	W, H  int
	Cover []float64 // share of each patch that it covers, 0 to 1

	// On says on which patches a map's peak counts as a hit: those of which the region covers at least a
	// tenth, or at least half as much as of the patch that it covers most; for several masks or discs, the
	// patches of any. An eye ring that touches four patches is thus hit on each with a fair part of it, but a
	// wide breast not where its edge is. The authors of the pointing game accept points up to 15 pixels off
	// in images about 500 wide; here, a point in a patch is within half a patch of its centre.
	On []bool
}

const (
	touched  = 0.1        // share of a patch
	leastSee = 1. / 2_000 // share of the image, as in data/birds
)

// Masks returns the union of masks of the photograph, scaled and cropped as the photograph is. A pixel's
// brightness is the share of it that the mask covers. It panics if a mask is not of the photograph's size.
func (v View) Masks(masks ...*image.Gray) Region {
	var layers [][]uint8
	for _, m := range masks {
		if m.Rect.Size() != v.Size {
			panic(fmt.Sprintf("heat: View.Masks: a mask of %v pixels, want the photograph's %v", m.Rect.Size(), v.Size))
		}
		seen := v.Transform.Apply(data.ToRGB(m), nil)
		layer := make([]uint8, v.Transform.Width*v.Transform.Height)
		for i := range layer {
			layer[i] = seen.Pix[3*i]
		}
		layers = append(layers, layer)
	}
	return v.region(layers...)
}

// Discs returns the union of discs around the visible points. The radius is in pixels of the photograph. A
// pixel belongs to a disc if its centre does.
func (v View) Discs(radius float64, points ...data.Point) Region {
	var layers [][]uint8
	for _, p := range points {
		if p.Visible {
			around := data.Box{X: p.X - radius, Y: p.Y - radius, Width: 2 * radius, Height: 2 * radius}
			layers = append(layers, v.fill(around, func(x, y float64) bool {
				dx, dy := x-p.X, y-p.Y
				return float64(dx*dx)+float64(dy*dy) <= float64(radius*radius)
			}))
		}
	}
	return v.region(layers...)
}

// Box returns the region that a box covers. A pixel belongs to it if its centre does.
func (v View) Box(b data.Box) Region {
	return v.region(v.fill(b, func(x, y float64) bool { return x >= b.X && x < b.X+b.Width && y >= b.Y && y < b.Y+b.Height }))
}

// fill returns a mask of the model's input that is 255 where in accepts the pixel's centre, in the
// photograph's coordinates, and 0 outside the box around.
func (v View) fill(around data.Box, in func(x, y float64) bool) []uint8 {
	t := v.Transform
	size, corner := t.Frame(v.Size.X, v.Size.Y)
	across, down := float64(v.Size.X)/float64(size.X), float64(v.Size.Y)/float64(size.Y)
	reach := image.Rect(
		int(around.X/across)-1, int(around.Y/down)-1,
		int((around.X+around.Width)/across)+2, int((around.Y+around.Height)/down)+2,
	).Sub(corner).Intersect(image.Rect(0, 0, t.Width, t.Height))
	layer := make([]uint8, t.Width*t.Height)
	for y := reach.Min.Y; y < reach.Max.Y; y++ {
		for x := reach.Min.X; x < reach.Max.X; x++ {
			if in(float64((float64(corner.X+x)+0.5)*across), float64((float64(corner.Y+y)+0.5)*down)) {
				layer[y*t.Width+x] = 255
			}
		}
	}
	return layer
}

// region returns the union of masks of the model's input.
func (v View) region(layers ...[]uint8) Region {
	t := v.Transform
	r := Region{W: t.Width / v.Patch, H: t.Height / v.Patch}
	r.On = make([]bool, r.W*r.H)
	union := make([]uint8, t.Width*t.Height)
	for _, l := range layers {
		cover := v.cover(l)
		least := min(touched, slices.Max(cover)/2)
		for i, c := range cover {
			r.On[i] = r.On[i] || c > 0 && c >= least
		}
		for i, p := range l {
			union[i] = max(union[i], p)
		}
	}
	r.Cover = v.cover(union)
	return r
}

// cover returns the mean of each patch.
func (v View) cover(layer []uint8) []float64 {
	w, h := v.Transform.Width/v.Patch, v.Transform.Height/v.Patch
	sums := make([]int, w*h)
	for y := range h * v.Patch {
		row := layer[y*v.Transform.Width:]
		for x := range w * v.Patch {
			sums[y/v.Patch*w+x/v.Patch] += int(row[x])
		}
	}
	cover := make([]float64, w*h)
	for i, s := range sums {
		cover[i] = float64(s) / float64(255*v.Patch*v.Patch)
	}
	return cover
}

// Outside returns the complement of r.
func (r Region) Outside() Region {
	out := Region{W: r.W, H: r.H}
	for i, c := range r.Cover {
		out.Cover, out.On = append(out.Cover, 1-c), append(out.On, !r.On[i])
	}
	return out
}

// Area returns the share of the image that r covers: the mass of a uniform map.
func (r Region) Area() float64 {
	var sum float64
	for _, c := range r.Cover {
		sum += c
	}
	return sum / float64(len(r.Cover))
}

// Chance returns the share of patches on which a peak is a hit: the score of a random map in the pointing
// game.
func (r Region) Chance() float64 {
	n := 0
	for _, on := range r.On {
		if on {
			n++
		}
	}
	return float64(n) / float64(len(r.On))
}

// Hidden reports whether r covers less than 1/2,000 of the image, too little to be seen.
func (r Region) Hidden() bool { return r.Area() < leastSee }

// Mass returns the share of the map's sum on r, each patch weighted by its cover; 0 for a map of zeros. Of a
// signed map take Positive or Negative: a share of a sum in which values cancel says nothing. It panics if the
// grids differ.
func (h Map) Mass(r Region) float64 {
	h.fits("Mass", r)
	var on, all float64
	for i, v := range h.Values {
		on += float64(float64(v) * r.Cover[i])
		all += float64(v)
	}
	if all == 0 {
		return 0
	}
	return on / all
}

// Points reports whether the map's hottest patch, the first of equals, is in r.On: the pointing game (Zhang
// et al., "Top-Down Neural Attention by Excitation Backprop", ECCV 2016, and IJCV 126, 2018). A map with a
// NaN points at nothing. It panics if the grids differ.
func (h Map) Points(r Region) bool {
	h.fits("Points", r)
	x, y := h.Peak()
	return x >= 0 && r.On[y*r.W+x]
}

func (h Map) fits(method string, r Region) {
	h.check(method)
	if r.W != h.W || r.H != h.H || len(h.Values) == 0 {
		panic(fmt.Sprintf("heat: Map.%s: a region of %dx%d patches, the map has %dx%d", method, r.W, r.H, h.W, h.H))
	}
}
