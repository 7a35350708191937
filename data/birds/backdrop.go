package birds

import "math/rand/v2"

// backdrops have a colour at the top, one at the bottom, and those of soft discs.
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

// coarse is the side of a backdrop's cells, in pixels at size 128.
const coarse = 4

// drawBackdrop fills the image with a landscape out of focus: a gradient with discs at the corners of cells,
// interpolated between them.
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
