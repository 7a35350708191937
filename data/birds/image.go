package birds

import (
	"fmt"
	"image"
	"iter"
	"math"
	"math/rand/v2"
	"sync"

	"github.com/promptcam/promptcam/data"
)

// A Part is a part of the body.
type Part uint8

// The parts. Their masks overlap at soft edges alone.
const (
	Body Part = iota
	Head
	Bill
	Eye
	Wing
	Tail
	Legs
	NumParts
)

var partNames = [NumParts]string{"body", "head", "bill", "eye", "wing", "tail", "legs"}

// String is the part's name, "bill". It panics if there is no such part.
func (p Part) String() string { return partNames[p] }

// An Image is a drawn bird. A mask's pixels, 0 to 255, are the visible share of the thing in them. Its bounds
// are a box within the image; outside it is 0.
type Image struct {
	RGB    *data.RGB // [size, size, 3]
	Traits Traits
	Parts  [NumParts]*image.Alpha
	// Places are where the bird's traits are visible. A kind has its place on birds without the mark, too:
	// another value changes the image there and, for a shape, where the other shape is. Places overlap where
	// two kinds are visible in one place: shape and colour of the bill, a breast's streaks and the belly
	// between. Build's is the whole bird.
	Places [NumKinds]*image.Alpha
}

var canvases = sync.Pool{New: func() any { return new(canvas) }}

// Draw draws a bird in a scene as an image of size x size pixels. The same arguments give the same bits on
// every platform. It panics if a trait has a value that its kind does not have or size is not from 32 to
// 1024.
func Draw(t Traits, s Scene, size int) *Image {
	for k, v := range t {
		Trait{Kind(k), v}.check()
	}
	if size < 32 || size > 1024 {
		panic(fmt.Sprintf("birds: Draw: size %d is not from 32 to 1024", size))
	}
	c := canvases.Get().(*canvas)
	defer canvases.Put(c)
	c.resize(size)
	m := &Image{RGB: data.NewRGB(size, size), Traits: t}
	c.pix = m.RGB.Pix
	for i, l := range s.Light {
		c.light[i] = int(float64(l*256) + 0.5)
	}
	c.sun = [2]int{int(256 * sine(s.Sun)), -int(256 * cosine(s.Sun))}
	if s.Mirror {
		c.sun[0] = -c.sun[0]
	}

	rng := rand.New(rand.NewPCG(s.Seed, 0x1eaf))
	a := newArtist(c, t, s)
	c.grain = grain{}
	c.drawBackdrop(s, rng)
	a.drawPerch(s, rng)
	c.grain = a.feathers(uint32(s.Seed))
	a.draw()
	c.grain = grain{}
	a.drawCover(s, rng)
	c.pix = nil

	for p := range NumParts {
		m.Parts[p] = c.cut(partLayer(p))
	}
	for k := range NumKinds {
		m.Places[k] = c.cut(kindLayer(k))
	}
	return m
}

// cut copies a mask's box.
func (c *canvas) cut(l layer) *image.Alpha {
	m := &c.masks[l]
	out := image.NewAlpha(m.box)
	for y := range m.box.Dy() {
		copy(out.Pix[y*out.Stride:], c.row(m, m.box, m.box.Min.Y+y))
	}
	return out
}

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
