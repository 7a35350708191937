package birds

import (
	"image"
	"math"
)

// Area is how many pixels a mask of an Image covers, fractions added up.
func Area(m *image.Alpha) float64 {
	sum := 0
	for _, v := range m.Pix {
		sum += int(v)
	}
	return float64(sum) / 255
}

// Visible tells whether a mask is large enough to be seen, in an image of a given size: whether it
// covers at least one pixel in 2000, a quarter of the smallest eye.
func Visible(m *image.Alpha, size int) bool { return Area(m) >= float64(size*size)/2000 }

// Centre is the pixel of a mask, covered at least by half, that is nearest to its centre of
// mass, which itself may lie outside: in a ring's middle. It is (-1, -1) where there is none.
func Centre(m *image.Alpha) image.Point {
	var sx, sy, sum int64
	each := func(f func(x, y int, v uint8)) {
		for y := m.Rect.Min.Y; y < m.Rect.Max.Y; y++ {
			for x := m.Rect.Min.X; x < m.Rect.Max.X; x++ {
				if v := m.Pix[m.PixOffset(x, y)]; v != 0 {
					f(x, y, v)
				}
			}
		}
	}
	each(func(x, y int, v uint8) {
		sx += int64(x) * int64(v)
		sy += int64(y) * int64(v)
		sum += int64(v)
	})
	centre, nearest := image.Pt(-1, -1), math.Inf(1)
	each(func(x, y int, v uint8) {
		dx, dy := float64(x)-float64(sx)/float64(sum), float64(y)-float64(sy)/float64(sum)
		if d := float64(dx*dx) + float64(dy*dy); v >= 128 && d < nearest {
			centre, nearest = image.Pt(x, y), d
		}
	})
	return centre
}

// bounds is the smallest box around the pixels that a mask covers at least by half.
func bounds(m *image.Alpha) image.Rectangle {
	var box image.Rectangle
	for y := m.Rect.Min.Y; y < m.Rect.Max.Y; y++ {
		for x := m.Rect.Min.X; x < m.Rect.Max.X; x++ {
			if m.Pix[m.PixOffset(x, y)] >= 128 {
				box = box.Union(image.Rect(x, y, x+1, y+1))
			}
		}
	}
	return box
}

// stack puts masks of an image of a given size below one another: row y of mask i is row
// i*size + y.
func stack(masks []*image.Alpha, size int) *image.Gray {
	out := image.NewGray(image.Rect(0, 0, size, len(masks)*size))
	for i, m := range masks {
		for y := m.Rect.Min.Y; y < m.Rect.Max.Y; y++ {
			copy(out.Pix[out.PixOffset(m.Rect.Min.X, i*size+y):], m.Pix[m.PixOffset(m.Rect.Min.X, y):][:m.Rect.Dx()])
		}
	}
	return out
}
