package birds

import (
	"image"
	"math"
	"slices"
)

// A plane is a mask of the whole image: coverage 0 to 255 per pixel, 0 outside box.
type plane struct {
	pix []uint8 // [size, size]
	box image.Rectangle
}

// clear empties p; its rows have size pixels.
func (p *plane) clear(size int) {
	for y := p.box.Min.Y; y < p.box.Max.Y; y++ {
		clear(p.pix[y*size+p.box.Min.X : y*size+p.box.Max.X])
	}
	p.box = image.Rectangle{}
}

// A raster fills outlines as golang.org/x/image/vector does: it accumulates the signed area that each edge
// leaves to its right in each cell, then sums along rows. It uses integers, since that package's float32
// slopes may differ between processors.
type raster struct {
	size  int
	cells []int32 // [h, w+2] of the outline's box, signed area in units of 1/2^17 pixel
	fixed []image.Point
}

const (
	one  = 256     // a pixel, in the units of fixed
	full = 2 * one // a pixel's width in units of doubled means
)

// fill writes the coverage of the closed polygon outline, in pixels, to dst. A point is inside where the
// outline winds around it in either direction.
func (r *raster) fill(dst *plane, outline []point) {
	dst.clear(r.size)
	r.fixed = r.fixed[:0]
	low, high := image.Pt(math.MaxInt32, math.MaxInt32), image.Pt(math.MinInt32, math.MinInt32)
	for _, p := range outline {
		f := image.Pt(int(math.Floor(float64(p.x*one)+0.5)), int(math.Floor(float64(p.y*one)+0.5)))
		low = image.Pt(min(low.X, f.X), min(low.Y, f.Y))
		high = image.Pt(max(high.X, f.X), max(high.Y, f.Y))
		r.fixed = append(r.fixed, f)
	}
	box := image.Rect(low.X>>8, low.Y>>8, high.X>>8+1, high.Y>>8+1).Intersect(image.Rect(0, 0, r.size, r.size))
	if len(outline) < 3 || box.Empty() {
		return
	}
	dst.box = box
	w, h := box.Dx(), box.Dy()
	r.cells = slices.Grow(r.cells[:0], (w+2)*h)[:(w+2)*h]
	clear(r.cells)
	last := r.fixed[len(r.fixed)-1]
	for _, f := range r.fixed {
		r.edge(last.X-box.Min.X*one, last.Y-box.Min.Y*one, f.X-box.Min.X*one, f.Y-box.Min.Y*one, w, h)
		last = f
	}
	for y := range h {
		sum := int32(0)
		cells := r.cells[y*(w+2):][:w]
		row := dst.pix[(box.Min.Y+y)*r.size+box.Min.X:][:w]
		for x, c := range cells {
			sum += c
			row[x] = uint8(min(255, (max(sum, -sum)*255+1<<16)>>17))
		}
	}
}

// edge accumulates the edge from (x0, y0) to (x1, y1).
func (r *raster) edge(x0, y0, x1, y1, w, h int) {
	if y0 == y1 {
		return
	}
	sign := int32(1)
	if y0 > y1 {
		x0, y0, x1, y1, sign = x1, y1, x0, y0, -1
	}
	dx, dy := x1-x0, y1-y0
	x, y := x0, y0
	if y < 0 {
		x, y = x0+along(dx, -y0, dy), 0
	}
	for end := min(y1, h*one); y < end; {
		row := y >> 8
		ny := min((row+1)*one, end)
		nx := x1
		if ny < y1 {
			nx = x0 + along(dx, ny-y0, dy)
		}
		r.span(r.cells[row*(w+2):][:w+2], x, nx, ny-y, sign, w)
		x, y = nx, ny
	}
}

// along is how far across an edge of slope dx/dy is after y down. The product overflows 32 bits in images of
// some hundred pixels.
func along(dx, y, dy int) int { return int(int64(dx) * int64(y) / int64(dy)) }

// span accumulates the part of an edge within one row: from x0 to x1 over a height.
func (r *raster) span(cells []int32, x0, x1, height int, sign int32, w int) {
	if x0 > x1 {
		x0, x1 = x1, x0 // area and height are the same either way
	}
	dx, done := x1-x0, 0
	for x := x0; ; {
		cell := x >> 8
		nx := min((cell+1)*one, x1)
		part := height
		if nx < x1 {
			part = height * (nx - x0) / dx
		}
		switch left := (x - cell*one) + (nx - cell*one); { // doubled mean distance from the cell's left side
		case cell < 0:
			cells[0] += sign * int32((part-done)*full)
		case cell < w:
			cells[cell] += sign * int32((part-done)*(full-left))
			cells[cell+1] += sign * int32((part-done)*left)
		default:
			return
		}
		if nx == x1 {
			return
		}
		x, done = nx, part
	}
}
