package birds

import "math/rand/v2"

var (
	bark    = colour{118, 94, 76}
	stone   = colour{150, 148, 142}
	leaves  = [...]colour{{84, 132, 58}, {112, 152, 66}, {66, 108, 62}, {150, 150, 60}}
	berries = [...]colour{red, yellow, white, black, orange, blue}
)

// sole is how far below the feet's origin the perch begins, so that the soles sink in.
const sole = 1.5

// drawPerch draws what the bird stands on.
func (a *artist) drawPerch(s Scene, rng *rand.Rand) {
	slope := turned(point{}, 1, s.Slope)
	switch s.Perch {
	case Branch:
		a.drawBranch(slope, s.Thickness/unit, rng)
	case Wire:
		f := a.bird.compose(slope)
		a.begin(a.along(f, 2.6, 2.6, -110, sole+1.3, 0, sole+1.3, 110, sole+1.3), colour{84, 84, 90})
		for x := -109.0; x < 110; x += 3.2 {
			a.mark(a.along(f, 0.9, 0.9, x, sole, x+1.6, sole+2.6), colour{134, 134, 138}, 255)
		}
		a.end(1, 80)
	case Rock:
		a.drawGrass(rng)
		a.drawRock(a.bird.compose(slope), rng)
	}
}

// drawBranch draws a branch from edge to edge, with leaves behind it and fruit in the colours of traits, so
// that a colour alone tells nothing without its place.
func (a *artist) drawBranch(slope frame, w float64, rng *rand.Rand) {
	f := a.bird.compose(slope)
	middle := sole + float64(w/2)
	ground := mix(bark, stone, rng.IntN(200))
	fruit := berries[rng.IntN(len(berries))]
	for range rng.IntN(6) {
		x, angle := float64(22+rng.IntN(28)), 40+float64(50*rng.Float64())
		if rng.IntN(3) == 0 {
			x = -x - 8
		}
		if rng.IntN(2) == 0 {
			angle = -angle
		}
		stem := turned(slope.at(x, middle), 1, angle)
		a.begin(a.along(a.bird.compose(stem), 1.6, 1, 0, 0, 4, 0.3, 9, 0), ground)
		a.end(1, 60)
		if rng.IntN(3) > 0 {
			a.leaf(a.bird.compose(turned(stem.at(8, 0), 13+float64(8*rng.Float64()), angle)), leaves[rng.IntN(len(leaves))])
			continue
		}
		for range 1 + rng.IntN(3) {
			a.berry(a.bird, stem.at(9+float64(4*rng.Float64()), float64(5*(rng.Float64()-0.5))), 2.2+rng.Float64(), fruit)
		}
	}
	a.begin(a.along(f, float64(w*1.1), float64(w*0.85), -110, middle, 0, middle, 110, middle), ground)
	for range 14 {
		x, y := float64(rng.IntN(140)-70), middle+float64(w*(rng.Float64()-0.5))
		a.mark(a.along(f, 0.9, 0.3, x, y, x+5, y-0.3, x+12, y+0.4), darker(ground, 90), 160)
	}
	a.end(a.reach(3), 120)
}

// berry draws a round fruit with a highlight.
func (a *artist) berry(f frame, o point, radius float64, ground colour) {
	a.begin(a.ellipse(f, o.x, o.y, radius, radius), ground)
	a.mark(a.ellipse(f, o.x+float64(0.3*radius), o.y-float64(0.35*radius), float64(0.25*radius), float64(0.25*radius)), lighter(ground, 160), 255)
	a.end(a.reach(2), 120)
}

// drawRock draws a mound with a slightly flat top.
func (a *artist) drawRock(f frame, rng *rand.Rand) {
	in := func(low, high float64) float64 { return between(low, high, rng.Float64()) }
	ground := mix(stone, bark, rng.IntN(160))
	left, right := in(-40, -24), in(20, 36)
	a.begin(a.around(f, left-14, 60, left-8, 24, left, in(7, 12), -12, sole+0.8, 4, sole, 14, sole+1,
		right, in(6, 11), right+9, 26, right+14, 60), ground)
	for range 7 {
		x, y := in(left, right), in(5, 26)
		a.mark(a.along(f, 0.8, 0.4, x, y, x+in(3, 8), y+in(-1, 3), x+in(8, 14), y+in(2, 6)), darker(ground, 70), 200)
	}
	for range 5 {
		a.mark(a.ellipse(f, in(left, right), in(4, 24), in(2, 5), in(1, 2)), lighter(ground, 70), 120)
	}
	a.end(a.reach(7), 150)
}

// drawGrass draws blades from the lower edge up, mostly to the sides.
func (a *artist) drawGrass(rng *rand.Rand) {
	in := func(low, high float64) float64 { return between(low, high, rng.Float64()) }
	for range 5 + rng.IntN(8) {
		x := in(18, 60)
		if rng.IntN(2) == 0 {
			x = -x
		}
		top, bend := in(-26, 6), in(-9, 9)
		a.begin(a.along(a.bird, 2, 0.4, x, 40, x+float64(0.2*bend), float64(0.5*top)+20, x+bend, top), leaves[rng.IntN(len(leaves))])
		a.end(1, 40)
	}
}

// leaf draws a leaf from the frame's origin to (1, 0).
func (a *artist) leaf(f frame, ground colour) {
	at := f.knot
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
