package data

import (
	"fmt"
	"image"
	"math"
)

// Filter is how Resize weighs neighbouring pixels.
type Filter int

const (
	Bilinear Filter = iota // a triangle, torchvision's default
	Bicubic                // Keys' cubic with a = -0.5
)

var filterNames = [...]string{"bilinear", "bicubic"}

// String returns the name by which settings and saved models call a filter.
func (f Filter) String() string {
	if f < 0 || int(f) >= len(filterNames) {
		return fmt.Sprintf("Filter(%d)", int(f))
	}
	return filterNames[f]
}

// MarshalText writes a filter by its name.
func (f Filter) MarshalText() ([]byte, error) {
	if f < 0 || int(f) >= len(filterNames) {
		return nil, fmt.Errorf("data: filter %d is unknown", int(f))
	}
	return []byte(filterNames[f]), nil
}

// UnmarshalText reads "bilinear" or "bicubic".
func (f *Filter) UnmarshalText(text []byte) error {
	for i, name := range filterNames {
		if string(text) == name {
			*f = Filter(i)
			return nil
		}
	}
	return fmt.Errorf("data: filter %q is unknown, want bilinear or bicubic", text)
}

// weight is the filter's value at distance x; support is where it ends.
func (f Filter) weight(x float64) float64 {
	x = math.Abs(x)
	switch {
	case f == Bilinear && x < 1:
		return 1 - x
	case f == Bicubic && x < 1:
		return ((-0.5+2)*x-(-0.5+3))*x*x + 1
	case f == Bicubic && x < 2:
		return (((x-5)*x+8)*x - 4) * -0.5
	}
	return 0
}

func (f Filter) support() float64 {
	if f == Bicubic {
		return 2
	}
	return 1
}

// Weights are whole numbers of 2^-precision: an accumulator of 32 bits then
// holds 8 bits of pixel and 2 bits of overshoot.
const precision = 32 - 8 - 2

// Resize returns img scaled to w x h pixels, antialiased: where it shrinks,
// the filter widens with the scale. The result is bit for bit Pillow's
// Image.resize, whose arithmetic it follows (Pillow, src/libImaging/Resample.c):
// weights of 22 fractional bits, columns first, rounded to 8 bits in between.
// A side that keeps its length is not filtered. It panics if w or h is not
// positive or img is empty.
func Resize(img *RGB, w, h int, f Filter) *RGB {
	return resample(img, img.Bounds(), image.Pt(w, h), image.Rect(0, 0, w, h), f)
}

// resample scales the part from of img to the given size, as if that part were
// all there is, and returns the pixels window of the result. No others are
// computed.
func resample(img *RGB, from image.Rectangle, size image.Point, window image.Rectangle, f Filter) *RGB {
	if size.X <= 0 || size.Y <= 0 || from.Empty() {
		panic(fmt.Sprintf("data: Resize: from %dx%d to %dx%d: a side is not positive", from.Dx(), from.Dy(), size.X, size.Y))
	}
	sameW, sameH := from.Dx() == size.X, from.Dy() == size.Y
	var down *taps
	rows := window.Add(from.Min) // of img; used are Min.Y and Max.Y
	if !sameH {
		down = newTaps(from.Dy(), size.Y, window.Min.Y, window.Max.Y, f)
		last := len(down.first) - 1
		rows.Min.Y = from.Min.Y + down.first[0]
		rows.Max.Y = from.Min.Y + down.first[last] + down.count[last]
	}

	var across *RGB
	if sameW {
		across = img.Crop(rows.Min.X, rows.Min.Y, window.Dx(), rows.Dy())
	} else {
		t := newTaps(from.Dx(), size.X, window.Min.X, window.Max.X, f)
		across = NewRGB(window.Dx(), rows.Dy())
		for y := range across.H {
			t.row(across.row(y), img.row(rows.Min.Y + y)[3*from.Min.X:])
		}
	}
	if sameH {
		return across
	}
	out := NewRGB(window.Dx(), window.Dy())
	sums := make([]int32, 3*out.W)
	for y := range out.H {
		down.column(out.row(y), across, from.Min.Y-rows.Min.Y, y, sums)
	}
	return out
}

// taps are the source pixels and weights of each target pixel of a line.
type taps struct {
	first  []int   // first source pixel per target pixel
	count  []int   // source pixels per target pixel
	weight []int32 // size weights per target pixel, count of them used
	size   int
}

// newTaps computes the weights to scale a line of in pixels to out pixels, of
// which those from start to before end are wanted.
func newTaps(in, out, start, end int, f Filter) *taps {
	scale := float64(in) / float64(out)
	wider := max(scale, 1)
	support := f.support() * wider
	size := int(math.Ceil(support))*2 + 1
	n := end - start
	t := &taps{first: make([]int, n), count: make([]int, n), weight: make([]int32, n*size), size: size}
	line := make([]float64, size)
	for i := range n {
		centre := (float64(start+i) + 0.5) * scale
		from := max(0, int(centre-support+0.5))
		count := min(in, int(centre+support+0.5)) - from
		sum := 0.0
		for j := range count {
			line[j] = f.weight((float64(j+from) - centre + 0.5) * (1 / wider))
			sum += line[j]
		}
		t.first[i], t.count[i] = from, count
		for j, v := range line[:count] {
			if sum != 0 {
				v /= sum
			}
			t.weight[i*size+j] = int32(math.Trunc(v*(1<<precision) + math.Copysign(0.5, v)))
		}
	}
	return t
}

// row scales a line of pixels.
func (t *taps) row(dst, src []uint8) {
	for i, from := range t.first {
		n := t.count[i]
		weights := t.weight[i*t.size:][:n]
		p := src[3*from:][:3*n]
		r, g, b := int32(1<<(precision-1)), int32(1<<(precision-1)), int32(1<<(precision-1))
		for j, k := range weights {
			q := p[3*j : 3*j+3 : 3*j+3]
			r += int32(q[0]) * k
			g += int32(q[1]) * k
			b += int32(q[2]) * k
		}
		d := dst[3*i : 3*i+3 : 3*i+3]
		d[0], d[1], d[2] = clip(r>>precision), clip(g>>precision), clip(b>>precision)
	}
}

// column computes row i of the scaled image from the rows of src, which holds
// the line's pixel 0 in row top (negative: above src). sums is scratch space
// of dst's length.
func (t *taps) column(dst []uint8, src *RGB, top, i int, sums []int32) {
	sums = sums[:len(dst)]
	for j := range sums {
		sums[j] = 1 << (precision - 1)
	}
	for j, k := range t.weight[i*t.size:][:t.count[i]] {
		row := src.row(top + t.first[i] + j)[:len(sums)]
		for c, v := range row {
			sums[c] += int32(v) * k
		}
	}
	for c, s := range sums {
		dst[c] = clip(s >> precision)
	}
}
