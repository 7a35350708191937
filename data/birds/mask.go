package birds

import (
	"image"
	"iter"
	"math"
)

// Area is how many pixels a mask of an Image covers, fractions included.
func Area(m *image.Alpha) float64 {
	sum := 0
	for _, v := range m.Pix {
		sum += int(v)
	}
	return float64(sum) / 255
}

// Visible reports whether a mask is large enough to see in an image of a given size: whether it covers at
// least one pixel in 2000, a quarter of the smallest eye.
func Visible(m *image.Alpha, size int) bool { return Area(m) >= float64(size*size)/2000 }

// Centre is the pixel of a mask, covered at least by half, that is nearest to its centre of mass, which
// itself may lie outside, as in a ring's middle. It is (-1, -1) if there is none.
func Centre(m *image.Alpha) image.Point {
	var sx, sy, sum int64
	for at, v := range pixels(m) {
		sx += int64(at.X) * int64(v)
		sy += int64(at.Y) * int64(v)
		sum += int64(v)
	}
	centre, nearest := image.Pt(-1, -1), math.Inf(1)
	for at, v := range pixels(m) {
		dx, dy := float64(at.X)-float64(sx)/float64(sum), float64(at.Y)-float64(sy)/float64(sum)
		if d := float64(dx*dx) + float64(dy*dy); v >= 128 && d < nearest {
			centre, nearest = at, d
		}
	}
	return centre
}

// bounds is the smallest box around the pixels that a mask covers at least by half.
func bounds(m *image.Alpha) image.Rectangle {
	var box image.Rectangle
	for at, v := range pixels(m) {
		if v >= 128 {
			box = box.Union(image.Rectangle{at, at.Add(image.Pt(1, 1))})
		}
	}
	return box
}

// pixels yields a mask's pixels other than 0.
func pixels(m *image.Alpha) iter.Seq2[image.Point, uint8] {
	return func(yield func(image.Point, uint8) bool) {
		for i, v := range m.Pix {
			if v != 0 && !yield(m.Rect.Min.Add(image.Pt(i%m.Stride, i/m.Stride)), v) {
				return
			}
		}
	}
}

// stack puts masks of an image of a given size below one another: row y of mask i is row i*size + y.
func stack(masks []*image.Alpha, size int) *image.Gray {
	out := image.NewGray(image.Rect(0, 0, size, len(masks)*size))
	for i, m := range masks {
		for y := m.Rect.Min.Y; y < m.Rect.Max.Y; y++ {
			copy(out.Pix[out.PixOffset(m.Rect.Min.X, i*size+y):], m.Pix[m.PixOffset(m.Rect.Min.X, y):][:m.Rect.Dx()])
		}
	}
	return out
}
