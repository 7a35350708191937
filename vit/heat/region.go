package heat

import (
	"fmt"
	"image"
	"slices"

	"github.com/promptcam/promptcam/data"
)

// A View is what the model sees of a photograph. It turns masks, points and boxes in the
// photograph's pixels into Regions of the patch grid.
type View struct {
	Transform data.Transform // as for Model.Explain
	Patch     int            // side of a patch in pixels
	Size      image.Point    // the photograph's, in pixels
}

// A Region is where something is in an image: over the patch grid, H rows of W patches,
// row-major, as a Map.
type Region struct {
	W, H  int
	Cover []float64 // share of each patch that it covers, 0 to 1

	// On says which patches count as on the region when a map's hottest one is asked for: those
	// of which it covers at least a tenth, or at least half as much as of the patch
	// of which it covers most; of a region of several masks or discs, those that are on
	// one of them. An eye ring that touches four patches is thus found on each that has a
	// fair part of it, and a wide breast is not where only its edge is. The pointing game's
	// authors let a point miss by 15 pixels of images about 500 wide; here, what lies within
	// a patch is within half a patch of its middle.
	On []bool
}

const (
	touched  = 0.1        // share of a patch
	leastSee = 1. / 2_000 // share of the image; data/birds calls no less visible
)

// Masks returns the region that any of some masks of the photograph covers, through the same scaling
// and cropping as the photograph's. A pixel's brightness is the share of it that the thing is
// seen in. It panics if a mask is not of the photograph's size.
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

// Discs returns the region within radius, in pixels of the photograph, of any of the visible
// ones of some points. A pixel belongs to it if its middle does.
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

// Box returns the region that a box covers. A pixel belongs to it if its middle does.
func (v View) Box(b data.Box) Region {
	return v.region(v.fill(b, func(x, y float64) bool { return x >= b.X && x < b.X+b.Width && y >= b.Y && y < b.Y+b.Height }))
}

// fill returns what the model sees of a mask that is 255 where in says so of a point of the photograph,
// which is only asked around a box.
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

// region makes a region of masks of what the model sees.
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

// Outside returns the rest of the image.
func (r Region) Outside() Region {
	out := Region{W: r.W, H: r.H}
	for i, c := range r.Cover {
		out.Cover, out.On = append(out.Cover, 1-c), append(out.On, !r.On[i])
	}
	return out
}

// Area returns the share of the image that r covers: the mass that an even map has on it.
func (r Region) Area() float64 {
	var sum float64
	for _, c := range r.Cover {
		sum += c
	}
	return sum / float64(len(r.Cover))
}

// Chance returns the share of patches that count as on r: how often a map points at it whose hottest
// patch is any.
func (r Region) Chance() float64 {
	n := 0
	for _, on := range r.On {
		if on {
			n++
		}
	}
	return float64(n) / float64(len(r.On))
}

// Hidden reports whether r covers less than one in 2,000 of the image's pixels: too little to be looked at.
func (r Region) Hidden() bool { return r.Area() < leastSee }

// Mass returns the share of the map's sum that falls on r: each patch's value counts with the share of
// the patch that r covers. It is 0 for a map of zeros. It panics if the grids differ.
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

// Points reports whether the map's hottest patch, the first of equals, is one of r.On: the pointing
// game (Zhang et al., "Top-Down Neural Attention by Excitation Backprop", ECCV 2016, and IJCV 126,
// 2018), in which a map scores a hit if its maximum lies on the object. A map that holds a NaN, as a
// model's whose training failed, points at nothing. It panics if the grids differ.
func (h Map) Points(r Region) bool {
	h.fits("Points", r)
	hottest := slices.Index(h.Values, slices.Max(h.Values)) // -1 for NaN
	return hottest >= 0 && r.On[hottest]
}

func (h Map) fits(method string, r Region) {
	h.check(method)
	if r.W != h.W || r.H != h.H || len(h.Values) == 0 {
		panic(fmt.Sprintf("heat: Map.%s: a region of %dx%d patches, the map has %dx%d", method, r.W, r.H, h.W, h.H))
	}
}
