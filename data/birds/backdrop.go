package birds

import (
	"math/rand/v2"
)

// backdrops have a colour above and one below, and those of the soft discs between.
var backdrops = [NumBackdrops]struct {
	above, below colour
	discs        []colour
}{
	Foliage: {colour{132, 160, 104}, colour{82, 112, 74}, []colour{{108, 148, 78}, {158, 182, 118}, {70, 98, 66}, {182, 198, 146}, {96, 128, 92}}},
	Sky:     {colour{150, 184, 216}, colour{206, 220, 228}, []colour{{226, 234, 238}, {172, 200, 224}, {196, 214, 228}, {148, 172, 156}}},
	Meadow:  {colour{190, 198, 170}, colour{150, 152, 92}, []colour{{176, 178, 108}, {204, 198, 146}, {130, 142, 84}, {216, 206, 170}}},
	Autumn:  {colour{196, 170, 128}, colour{128, 106, 78}, []colour{{206, 158, 96}, {170, 122, 76}, {216, 192, 140}, {132, 118, 86}, {180, 140, 104}}},
	Dusk:    {colour{140, 148, 166}, colour{92, 98, 112}, []colour{{172, 166, 172}, {112, 122, 142}, {196, 180, 172}, {92, 108, 112}}},
}

// coarse is the side in pixels of the cells that a backdrop is made of, at size 128.
const coarse = 4

// drawBackdrop fills the image: a gradient with discs, in cells whose corners are then
// interpolated, as a landscape out of focus.
func (c *canvas) drawBackdrop(s Scene, rng *rand.Rand) {
	b := &backdrops[s.Backdrop]
	cell := max(2, coarse*c.size/128)
	n := c.size/cell + 2
	grid := make([][3]int32, n*n) // 256 is 1
	for y := range n {
		ground := mix(b.above, b.below, min(256, 256*y/(n-1)))
		for x := range n {
			for i := range 3 {
				grid[y*n+x][i] = int32(ground[i]) << 8
			}
		}
	}
	const fine = 16 // a cell, in units of the discs' centres and radii
	for range 9 + rng.IntN(8) {
		ink := b.discs[rng.IntN(len(b.discs))]
		cx, cy, r := rng.IntN(n*fine), rng.IntN(n*fine), 2*fine+rng.IntN(8*fine)
		opacity := 90 + rng.IntN(140)
		for y := max(0, (cy-r)/fine); y <= min(n-1, (cy+r)/fine); y++ {
			for x := max(0, (cx-r)/fine); x <= min(n-1, (cx+r)/fine); x++ {
				d := (x*fine-cx)*(x*fine-cx) + (y*fine-cy)*(y*fine-cy)
				if d >= r*r {
					continue
				}
				part := int32(min(255, 512*(r*r-d)/(r*r)) * opacity >> 8)
				for i := range 3 {
					g := &grid[y*n+x][i]
					*g += (int32(ink[i])<<8 - *g) * part >> 8
				}
			}
		}
	}
	for i := range grid {
		for j := range 3 {
			grid[i][j] = min(255<<8, grid[i][j]*int32(c.light[j])>>8)
		}
	}
	line := make([][3]int32, n)
	for y := range c.size {
		above, below := grid[y/cell*n:][:n], grid[(y/cell+1)*n:][:n]
		for x := range line {
			for i := range 3 {
				line[x][i] = above[x][i] + (below[x][i]-above[x][i])*int32(y%cell)/int32(cell)
			}
		}
		row := c.pix[3*y*c.size:][:3*c.size]
		for x := 0; x < c.size; x += cell {
			a, b := line[x/cell], line[x/cell+1]
			for i := range 3 {
				v, step := a[i], (b[i]-a[i])/int32(cell)
				for j := 3*x + i; j < min(len(row), 3*(x+cell)); j += 3 {
					row[j] = uint8(v >> 8)
					v += step
				}
			}
		}
	}
}

var (
	bark   = colour{118, 94, 76}
	leaves = [...]colour{{84, 132, 58}, {112, 152, 66}, {66, 108, 62}, {150, 150, 60}}
)

// drawBranch draws what the bird stands on, from edge to edge, with a leaf or two.
func (a *artist) drawBranch(s Scene, rng *rand.Rand) {
	at := turned(point{}, 1, s.Slope)
	f := a.bird.compose(at)
	w := s.Thickness / unit
	middle := 1.5 + float64(w/2) // the soles sink in
	ground := mix(bark, colour{150, 146, 136}, rng.IntN(200))
	for range rng.IntN(5) { // some leaves, which grow behind it
		x, angle := float64(22+rng.IntN(28)), 40+float64(50*rng.Float64())
		if rng.IntN(3) == 0 {
			x = -x - 8
		}
		if rng.IntN(2) == 0 {
			angle = -angle
		}
		stem := turned(at.at(x, middle), 1, angle)
		a.begin(a.along(a.bird.compose(stem), 1.6, 1, 0, 0, 4, 0.3, 9, 0), ground)
		a.end(1, 60)
		a.leaf(a.bird.compose(turned(stem.at(8, 0), 13+float64(8*rng.Float64()), angle)), leaves[rng.IntN(len(leaves))])
	}
	a.begin(a.along(f, w*1.1, w*0.85, -110, middle, 0, middle, 110, middle), ground)
	for range 14 {
		x, y := float64(rng.IntN(140)-70), middle+float64(w*(rng.Float64()-0.5))
		a.mark(a.along(f, 0.9, 0.3, x, y, x+5, y-0.3, x+12, y+0.4), darker(ground, 90), 160)
	}
	a.end(a.reach(3), 120)
}

// leaf draws a leaf from the frame's origin to (1, 0).
func (a *artist) leaf(f frame, ground colour) {
	at := func(x, y float64) knot { return knot{f.at(x, y), false} }
	a.begin(a.through(f.at(0, 0).corner(), at(0.25, -0.2), at(0.6, -0.22), f.at(1, 0).corner(), at(0.6, 0.22), at(0.25, 0.2)), ground)
	a.mark(a.through(f.at(0, 0).corner(), at(0.5, 0.02), f.at(1, 0).corner(), at(0.6, 0.3), at(0.25, 0.3)), darker(ground, 50), 255)
	a.mark(a.along(f, 0.8, 0.4, 0, 0, 0.5, 0.01, 1, 0), lighter(ground, 70), 255)
	a.end(a.reach(3), 60)
}

// drawCover hides a part of the bird.
func (a *artist) drawCover(s Scene, rng *rand.Rand) {
	o := point{s.CoverAt[0], s.CoverAt[1]}
	switch s.Cover {
	case Leaf:
		stem := turned(o, 19, s.CoverAngle).at(-0.5, 0)
		a.leaf(a.bird.compose(turned(stem, 19, s.CoverAngle)), leaves[rng.IntN(len(leaves))])
	case Twig:
		twig := turned(o, 1, 90)
		f := a.bird.compose(twig)
		lean := s.CoverAngle / 5
		ground := darker(bark, 30)
		a.begin(a.along(f, 2.6, 1.6, -60, -lean, 0, 0, 14, 2, 26, lean), ground)
		a.end(1, 60)
		a.leaf(a.bird.compose(turned(twig.at(26, lean), 13, s.CoverAngle)), leaves[rng.IntN(len(leaves))])
	}
}
