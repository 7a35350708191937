package birds

import (
	"image"
	"slices"
)

// A layer is one of a canvas's masks: a Part, or a Kind counted on from NumParts.
type layer int

const layers = int(NumParts) + int(NumKinds)

func partLayer(p Part) layer { return layer(p) }
func kindLayer(k Kind) layer { return layer(NumParts) + layer(k) }

// A canvas is an image being painted, one thing after another from back to front. A thing has an outline,
// which hides what is behind it, and marks, which ignore the outline: so no ground colour shows around them
// at its soft edge.
//
//	begin(outline, ground) mark(outline, colour)... end(relief)
type canvas struct {
	size    int
	pix     []uint8 // [size, size, 3], the image
	ground  []uint8 // [size, size, 3], the colours of the current thing, within shape.box
	shape   plane   // of the current thing
	cover   plane   // of a mark
	masks   [layers]plane
	within  [layers]plane // masks of the current thing, as if it filled its box
	sums    []int32       // of shape over rectangles, for its relief
	raster  raster
	outline []point // scratch
	line    []point // scratch

	light [3]int // of the scene, 256 is 1
	sun   [2]int // towards the light, x and y, of length 256
	grain grain
}

// A grain makes the fine pattern of feathers: strands along an axis.
type grain struct {
	xx, xy, yx, yy int // from pixels to strands, 1/65536
	depth          int // 1/256
	seed           uint32
}

// at returns the change of brightness at a pixel, around 0.
func (g *grain) at(x, y int) int {
	u, v := (g.xx*x+g.xy*y)>>16, (g.yx*x+g.yy*y)>>16
	h := (uint32(u)*0x9e3779b1 ^ uint32(v)*0x85ebca6b ^ g.seed) * 0xc2b2ae35
	h ^= h >> 15
	return (int(h*0x27d4eb2f>>24) - 128) * g.depth >> 7
}

// resize empties c and changes its size.
func (c *canvas) resize(size int) {
	if c.size != size {
		*c = canvas{size: size, raster: raster{size: size}, ground: make([]uint8, 3*size*size)}
	}
	for i := range c.masks {
		for _, p := range []*plane{&c.masks[i], &c.within[i], &c.shape, &c.cover} {
			if p.pix == nil {
				p.pix = make([]uint8, size*size)
			}
			p.clear(size)
		}
	}
}

// mix blends from a for part 0 to b for part 256.
func mix(a, b colour, part int) colour {
	for i := range a {
		a[i] = uint8((int(a[i])*(256-part) + int(b[i])*part + 128) >> 8)
	}
	return a
}

func darker(c colour, part int) colour  { return mix(c, colour{14, 12, 16}, part) }
func lighter(c colour, part int) colour { return mix(c, colour{255, 252, 246}, part) }

// share is a*b/255, rounded up: a mask is 0 only where the thing is not visible at all.
func share(a, b uint8) uint8 { return uint8((uint32(a)*uint32(b) + 254) / 255) }

// toward is a for part 0, b for part 255.
func toward(a, b, part uint8) uint8 {
	v := uint32(a)*uint32(255-part) + uint32(b)*uint32(part) + 128
	return uint8((v + v>>8) >> 8)
}

// row returns the pixels of row y of a plane within a box.
func (c *canvas) row(p *plane, box image.Rectangle, y int) []uint8 {
	return p.pix[y*c.size+box.Min.X : y*c.size+box.Max.X]
}

// rgb returns the same of an image.
func (c *canvas) rgb(pix []uint8, box image.Rectangle, y int) []uint8 {
	return pix[3*(y*c.size+box.Min.X) : 3*(y*c.size+box.Max.X)]
}

// hide removes from masks what lies under cover.
func (c *canvas) hide(cover *plane, masks []plane) {
	for i := range masks {
		m := &masks[i]
		box := m.box.Intersect(cover.box)
		for y := box.Min.Y; y < box.Max.Y; y++ {
			row := c.row(m, box, y)
			for x, v := range c.row(cover, box, y) {
				if v != 0 {
					row[x] = share(row[x], 255-v)
				}
			}
		}
	}
}

// begin starts a thing of one ground colour, visible in the given masks.
func (c *canvas) begin(outline []point, ground colour, shown ...layer) {
	c.raster.fill(&c.shape, outline)
	c.hide(&c.shape, c.masks[:])
	box := c.shape.box
	for _, l := range shown {
		m := &c.within[l]
		m.box = box
		for y := box.Min.Y; y < box.Max.Y; y++ {
			row := c.row(m, box, y)
			for x := range row {
				row[x] = 255
			}
		}
	}
	for y := box.Min.Y; y < box.Max.Y; y++ {
		row := c.rgb(c.ground, box, y)
		for i := 0; i < len(row); i += 3 {
			row[i], row[i+1], row[i+2] = ground[0], ground[1], ground[2]
		}
	}
}

// mark paints a colour on the current thing with an opacity of 255 or less.
func (c *canvas) mark(outline []point, ink colour, opacity uint8) {
	c.raster.fill(&c.cover, outline)
	box := c.cover.box.Intersect(c.shape.box)
	for y := box.Min.Y; y < box.Max.Y; y++ {
		row := c.rgb(c.ground, box, y)
		for x, v := range c.row(&c.cover, box, y) {
			if v == 0 {
				continue
			}
			v = toward(0, v, opacity)
			p := row[3*x : 3*x+3 : 3*x+3]
			p[0], p[1], p[2] = toward(p[0], ink[0], v), toward(p[1], ink[1], v), toward(p[2], ink[2], v)
		}
	}
}

// over makes the last mark the place of a kind of trait, and hides others there.
func (c *canvas) over(k Kind) {
	c.hide(&c.cover, c.within[kindLayer(Build)+1:])
	c.show(kindLayer(k))
}

// place adds an outline to the place of a kind of trait, and leaves all others as they are.
func (c *canvas) place(outline []point, k Kind) {
	c.raster.fill(&c.cover, outline)
	l := kindLayer(k)
	c.hide(&c.cover, c.within[l:l+1])
	c.show(l)
}

// show adds c.cover to a mask, from which it has been hidden.
func (c *canvas) show(l layer) {
	m := &c.within[l]
	box := c.cover.box.Intersect(c.shape.box)
	m.box = m.box.Union(box)
	for y := box.Min.Y; y < box.Max.Y; y++ {
		row := c.row(m, box, y)
		for x, v := range c.row(&c.cover, box, y) {
			row[x] += v
		}
	}
}

// reveal adds the masks of the current thing to those of the image.
func (c *canvas) reveal() {
	for i := range c.within {
		w, m := &c.within[i], &c.masks[i]
		m.box = m.box.Union(w.box)
		for y := w.box.Min.Y; y < w.box.Max.Y; y++ {
			row, shape := c.row(m, w.box, y), c.row(&c.shape, w.box, y)
			for x, v := range c.row(w, w.box, y) {
				row[x] += share(v, shape[x]) // hide has made room for it
			}
		}
		w.clear(c.size)
	}
}

// end paints the current thing, lit as if it rose from its outline inwards over reach pixels. strength is
// that of the light's effect, in 1/256.
func (c *canvas) end(reach, strength int) {
	box := c.shape.box
	if box.Empty() {
		return
	}
	c.reveal()
	wide := c.sum(reach)
	area := 255 * reach * (2*reach + 1)
	for y := range box.Dy() {
		ground, pix := c.rgb(c.ground, box, box.Min.Y+y), c.rgb(c.pix, box, box.Min.Y+y)
		// Sums down to reach pixels above the row, to its upper and lower sides, and to reach pixels below
		// it.
		top, above := c.sums[y*wide:], c.sums[(y+reach)*wide:]
		below, bottom := c.sums[(y+reach+1)*wide:], c.sums[(y+2*reach+1)*wide:]
		for x, v := range c.row(&c.shape, box, box.Min.Y+y) {
			if v == 0 {
				continue
			}
			left, right, end := x+reach, x+reach+1, x+2*reach+1
			// How much more of the shape is before than behind the pixel, across and down: its surface falls
			// off to where there is less.
			gx := bottom[left] - bottom[x] - top[left] + top[x] - (bottom[end] - bottom[right] - top[end] + top[right])
			gy := above[end] - above[x] - top[end] + top[x] - (bottom[end] - bottom[x] - below[end] + below[x])
			slope := (int(gx)*c.sun[0] + int(gy)*c.sun[1]) / area // -256 to 256, positive: turned to the light
			light := 256 + slope*strength>>9
			if slope < 0 { // shadows go deeper, because light colours saturate
				light += slope * strength >> 8
			}
			light += c.grain.at(box.Min.X+x, box.Min.Y+y)
			for i := range 3 {
				lit := uint8(min(255, int(ground[3*x+i])*light*c.light[i]>>16))
				pix[3*x+i] = toward(pix[3*x+i], lit, v)
			}
		}
	}
}

// sum fills c.sums with the sums of the current shape from the upper left corner of its box, enlarged by
// margin on each side, to each point of it. What leaves the image continues beyond it. sum returns the length
// of a row.
func (c *canvas) sum(margin int) int {
	box := c.shape.box
	w, h := box.Dx(), box.Dy()
	wide := w + 2*margin + 1
	c.sums = slices.Grow(c.sums[:0], wide*(h+2*margin+1))[:wide*(h+2*margin+1)]
	clear(c.sums[:wide])
	for y := -margin; y < h+margin; y++ {
		above := c.sums[(y+margin)*wide:][:wide]
		below := c.sums[(y+margin+1)*wide:][:wide]
		if y < 0 && box.Min.Y > 0 || y >= h && box.Max.Y < c.size {
			copy(below, above)
			continue
		}
		shape := c.row(&c.shape, box, box.Min.Y+min(max(y, 0), h-1))
		row := int32(0)
		below[0] = 0
		for x := -margin; x < w+margin; x++ {
			if (x >= 0 || box.Min.X == 0) && (x < w || box.Max.X == c.size) {
				row += int32(shape[min(max(x, 0), w-1)])
			}
			i := x + margin + 1
			below[i] = above[i] + row
		}
	}
	return wide
}
