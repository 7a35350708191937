package birds

import "math"

// An artist draws one bird. Its frames map to pixels; x points forward, the way the bird looks.
type artist struct {
	*canvas
	t     Traits
	b     build
	bird  frame // from the feet
	body  frame // from the body's centre, along its axis
	head  frame // from the head's centre, in radii
	tail  frame // from the tail's base; it reaches to x = -b.tail
	knots []knot
}

// unit is the length of a bird's unit at scale 1, in 1/128 of the image's side.
const unit = 1.28

func newArtist(c *canvas, t Traits, s Scene) *artist {
	a := &artist{canvas: c, t: t, b: builds[t[Build]]}
	px := float64(c.size) / 128
	u := float64(float64(unit*s.Scale) * px)
	a.bird = frame{xx: u, yy: u, x: float64((64 + s.Feet[0]) * px), y: float64(s.Feet[1] * px)}
	ahead := 5.0 // the feet are before the middle, because a tail is longer than a bill
	if s.Mirror {
		a.bird.xx, ahead = -u, -ahead
	}
	a.bird.x += float64(ahead * px)
	stance := a.b.stance + s.Stance
	body := turned(a.b.body, 1, stance)
	a.body = a.bird.compose(body)
	a.head = a.bird.compose(turned(body.apply(a.b.neck), a.b.head, s.Head))
	base := body.at(float64(-29*a.b.length), 0)
	a.tail = a.bird.compose(turned(base, 1, stance-a.b.lift-s.Tail))
	return a
}

// around returns the smooth closed outline through points (x, y) of a frame.
func (a *artist) around(f frame, xy ...float64) []point {
	a.knots = a.knots[:0]
	for i := 0; i < len(xy); i += 2 {
		a.knots = append(a.knots, f.knot(xy[i], xy[i+1]))
	}
	return a.through(a.knots...)
}

// trunk returns a knot of the body's outline, in measures of the plain body.
func (a *artist) trunk(x, y float64) knot {
	return a.body.knot(float64(x*a.b.length), float64(y*a.b.depth))
}

// through returns the smooth closed outline through knots in pixels.
func (a *artist) through(knots ...knot) []point {
	a.outline = curve(a.outline[:0], knots, 5)
	return a.outline
}

func (a *artist) ellipse(f frame, x, y, rx, ry float64) []point {
	dx, dy := float64(rx*math.Sqrt2/2), float64(ry*math.Sqrt2/2)
	return a.around(f, x+rx, y, x+dx, y+dy, x, y+ry, x-dx, y+dy, x-rx, y, x-dx, y-dy, x, y-ry, x+dx, y-dy)
}

// along returns the outline of a line through points (x, y) of a frame. Its widths are in the bird's units.
func (a *artist) along(f frame, from, to float64, xy ...float64) []point {
	a.line = a.line[:0]
	for i := 0; i < len(xy); i += 2 {
		a.line = append(a.line, f.at(xy[i], xy[i+1]))
	}
	return a.stroke(from, to)
}

// stroke returns the outline of a.line.
func (a *artist) stroke(from, to float64) []point {
	u := math.Abs(a.bird.xx)
	a.outline = stroke(a.outline[:0], a.line, float64(from*u), float64(to*u))
	return a.outline
}

// reach converts a length from units to whole pixels, at least 1.
func (a *artist) reach(units float64) int {
	return max(1, int(float64(units*math.Abs(a.bird.xx))+0.5))
}

// trait marks the place of a kind of trait, which a bird without the mark has too.
func (a *artist) trait(k Kind, outline []point) {
	if a.t[k] == 0 {
		a.place(outline, k)
		return
	}
	a.mark(outline, a.t.colour(k), 255)
	a.over(k)
}

// feathers returns the grain of the plumage: strands along the body, 4 units long and 1.2 wide.
func (a *artist) feathers(seed uint32) grain {
	f := a.body
	det := float64(f.xx*f.yy) - float64(f.xy*f.yx)
	fixed := func(v, width float64) int { return int(math.Floor(float64(v/det*(65536/width)) + 0.5)) }
	return grain{fixed(f.yy, 4), fixed(-f.xy, 4), fixed(-f.yx, 1.2), fixed(f.xx, 1.2), 9, seed}
}

// draw draws the bird from back to front.
func (a *artist) draw() {
	build := kindLayer(Build)
	a.leg(5.5, build)
	a.drawTail(build)
	a.drawBody(build)
	a.leg(-1, build)
	a.drawWing(build)
	a.drawBill(build)
	a.drawEye(build)
}

func (a *artist) drawTail(build layer) {
	ground, n := darker(a.t.colour(Back), 64), a.b.tail
	at, knot, wide := a.tail.at, a.tail.knot, 4.6
	a.begin(a.through(
		knot(4, -4.2), knot(float64(-0.55*n), -wide), at(-n+1, -wide-1).corner(), at(-n, -wide+1.5).corner(), at(-n+a.b.notch, 0).corner(),
		at(-n, wide-1.5).corner(), at(-n+1, wide+1).corner(), knot(float64(-0.55*n), wide), knot(4, 4.2)),
		ground, partLayer(Tail), kindLayer(Back), build)
	for _, y := range []float64{-2.6, 2.6} {
		a.mark(a.along(a.tail, 0.5, 0.8, 2, float64(y/2), -n, y), darker(ground, 90), 255)
	}
	a.mark(a.along(a.tail, 1, 1.2, 2, 0, -n, 0), lighter(ground, 40), 255)
	a.trait(TailBand, a.along(a.tail, 20, 20, -n-8, 0, -n+8, 0))
	if a.t[TailBand] != 0 { // the shafts continue over it
		a.mark(a.along(a.tail, 0.7, 0.7, -n+8, 0, -n, 0), darker(a.t.colour(TailBand), 110), 255)
	}
	a.end(a.reach(4), 70)
}

func (a *artist) drawBody(build layer) {
	h, b := a.head.knot, a.trunk
	back, belly := a.t.colour(Back), a.t.colour(Belly)
	// However upright the body, the breast bulges between throat and belly: in a frame with y from the one to
	// the other and x forward.
	throat, low := h(0.84, 0.7), b(-3, 16.5)
	down := low.minus(throat.point)
	ahead := a.bird.at(1, 0).minus(a.bird.at(0, 0)).times(down.length() / math.Abs(a.bird.xx))
	chest := frame{ahead.x, down.x, ahead.y, down.y, throat.x, throat.y}
	c := chest.knot

	a.begin(a.through(
		h(0.92, -0.30), h(0.55, -0.83), h(0, -1), h(-0.58, -0.82), h(-0.93, -0.30), // forehead, crown, nape
		b(4, -15.5), b(-12, -14.8), b(-25, -10.5), b(-34, -5), // mantle, rump, the tail's base
		b(-35, 3.5), b(-25, 10), b(-13, 14.6), low, c(0.24, 0.68), c(0.19, 0.34), // vent, belly, breast
		throat, h(0.98, 0.32)), // chin
		back, partLayer(Body), kindLayer(Back), build)
	a.raster.fill(&a.cover, a.ellipse(a.head, 0, 0, 1.08, 1.08))
	a.hide(&a.cover, a.within[partLayer(Body):partLayer(Body)+1])
	a.show(partLayer(Head))

	// The mantle has rows of feathers.
	for i := range 3 {
		y := -13.5 + float64(3*i)
		a.mark(a.along(a.body, 0.7, 0.7, 10, y, 2, y+1.5, -8, y+1, -18, y+3.2), darker(back, 70), 150)
	}
	a.mark(a.through(
		h(1.4, 0.18), h(0.95, 0.12), h(0.35, 0.30), h(-0.1, 0.62), h(-0.30, 0.95),
		b(12, -2), b(-4, 1), b(-20, 1), b(-32, 1.5), b(-50, 20), b(-10, 40), b(30, 40), b(60, 10)),
		belly, 255)
	a.over(Belly)
	a.mark(a.through(b(-30, 6), b(-12, 11), b(6, 12.5), b(20, 10), b(30, 24), b(0, 34), b(-34, 20)), lighter(belly, 90), 200)

	a.trait(Flank, a.through(b(10, 3), b(9, 10), b(0, 13), b(-9, 12.5), b(-15, 8), b(-12, 2)))
	a.trait(Rump, a.through(b(-13, -20), b(-14, -10), b(-18, -4), b(-31, -1), b(-38, -4), b(-30, -18)))
	a.trait(Vent, a.through(b(-17, 5), b(-16, 12), b(-24, 20), b(-38, 12), b(-39, 2), b(-28, 0)))
	a.drawBreast(chest)
	a.trait(Throat, a.through(h(1.3, 0.26), h(0.88, 0.24), h(0.42, 0.42), h(0.16, 0.80), h(0.28, 1.12), h(0.8, 1.22), h(1.4, 0.9)))
	a.trait(Cheek, a.ellipse(a.head, -0.32, 0.18, 0.40, 0.30))
	a.trait(Crown, a.through(h(1.3, -0.36), h(0.86, -0.42), h(0.4, -0.58), h(-0.2, -0.52), h(-0.7, -0.36), h(-1.0, -0.34), h(-1.12, -0.8), h(-0.3, -1.4), h(1, -1.2)))
	a.trait(EyeRing, a.ellipse(a.head, eyeX, eyeY, 0.36, 0.36))
	a.end(a.reach(9), 84)
}

// drawBreast marks the breast. Its place is the region of all patterns; the ground between their marks is the
// belly's place, too.
func (a *artist) drawBreast(chest frame) {
	// Columns count from the front backwards, rows from the top down.
	at := func(column, row float64) (x, y float64) {
		return 0.19 - float64(0.14*column), 0.38 + float64(0.15*row) + float64(0.02*column)
	}
	switch a.t[Breast] {
	case streakedBreast:
		for i := range 8 {
			x, y := at(float64(i/2)-0.3, 0.4+float64(1.5*float64(i%2)))
			a.trait(Breast, a.along(chest, 1.3, 1.6, x+0.015, y-0.08, x-0.015, y+0.08))
		}
	case spottedBreast:
		for i := range 9 {
			x, y := at(float64(i%3), float64(i/3))
			a.trait(Breast, a.ellipse(chest, x, y, 0.045, 0.045))
		}
	case bandedBreast:
		a.trait(Breast, a.around(chest, 0.4, 0.3, 0.2, 0.35, -0.05, 0.35, -0.3, 0.4, -0.3, 0.6, 0, 0.64, 0.2, 0.67, 0.4, 0.66))
	case pinnedBreast:
		a.trait(Breast, a.ellipse(chest, 0.11, 0.52, 0.12, 0.12))
	}
	a.place(a.around(chest, 0.4, 0.28, 0.2, 0.3, -0.05, 0.31, -0.2, 0.4, -0.12, 0.66, 0.1, 0.78, 0.4, 0.8), Breast)
}

func (a *artist) drawWing(build layer) {
	back := a.t.colour(Back)
	ground := darker(back, 84)
	l, d := a.b.length, a.b.depth
	b := a.trunk
	a.begin(a.through(
		b(16.5, -3), b(11, -8.2), b(-3, -8.4), b(-17, -5.6), b(-29, -2), b(-42, 1.8).point.corner(), b(-41, 3).point.corner(),
		b(-28, 4), b(-14, 7.2), b(0, 9.2), b(11, 6.6), b(16, 1.8)),
		ground, partLayer(Wing), kindLayer(Back), build)
	// Primaries and secondaries, from their tips forward.
	edge := lighter(ground, 46)
	for i := range 5 {
		y := -3.2 + float64(2.3*float64(i))
		a.mark(a.along(a.body, 0.9, 0.5, -2, y, -16, 0.2+float64(y*0.6), -39, 2+float64(y*0.12)), edge, 255)
	}
	// Coverts on top of them.
	a.mark(a.through(b(22, -10), b(0, -14), b(-6, -6), b(-5, 2), b(1, 9), b(12, 14), b(24, 6)), darker(back, 40), 255)
	for i := range 4 {
		y := -5.5 + float64(3.6*float64(i))
		a.mark(a.along(a.body, 0.6, 0.6, 9, y, 1, y+1, -3.5, y+0.6), darker(back, 96), 200)
	}
	a.mark(a.through(b(22, -10), b(8, -12), b(6.5, -5), b(8.5, 2), b(13, 8), b(24, 6)), back, 255)

	rear := []float64{-6.4, -8.4, -6, -3, -4, 2.2, 0.4, 7.6, 2, 10}
	front := []float64{5, -8.8, 5.4, -3, 7.2, 2.2, 11, 6.6}
	ink := a.t.colour(WingBars)
	for i, bar := range [][]float64{rear, front} {
		for j := 0; j < len(bar); j += 2 {
			bar[j], bar[j+1] = float64(bar[j]*l), float64(bar[j+1]*d)
		}
		if a.t[WingBars] > oneBar || a.t[WingBars] == oneBar && i == 0 {
			a.mark(a.along(a.body, 3, 3.4, bar...), ink, 255)
			a.over(WingBars)
		} else {
			a.place(a.along(a.body, 3, 3.4, bar...), WingBars)
		}
	}
	a.trait(WingPatch, a.through(b(-9, -3), b(-20, -1.6), b(-25, 1.2), b(-19, 4), b(-8, 5), b(-6.5, 1)))
	a.end(a.reach(4), 84)
}

// leg draws a leg with its foot at x.
func (a *artist) leg(x float64, build layer) {
	ink := a.t.colour(LegColour)
	if x > 0 { // the far one
		ink = darker(ink, 50)
	}
	hip := a.body.at(float64(-5*a.b.length)+float64(0.6*x), float64(12*a.b.depth))
	knee := lerp(hip, a.bird.at(x, 0), 0.5).plus(a.bird.at(-1.6, 0).minus(a.bird.at(0, 0)))
	shown := []layer{partLayer(Legs), kindLayer(LegColour), build}
	foot := a.bird.at(x, -0.5)
	a.line = append(a.line[:0], hip, knee, foot)
	a.begin(a.stroke(3.4, 2.3), ink, shown...)
	a.end(1, 40)
	for _, toe := range [][4]float64{{3.2, -1.2, 5.4, 2.2}, {2.4, 0.6, 2.6, 4}, {-2, -0.6, -3.6, 2.4}} {
		a.begin(a.along(a.bird, 2.3, 1.5, x, -0.8, x+toe[0], toe[1], x+toe[2], toe[3]), ink, shown...)
		a.end(1, 40)
	}
}

func (a *artist) drawBill(build layer) {
	s := billShapes[a.t[BillShape]]
	ink := a.t.colour(BillColour)
	shown := []layer{partLayer(Bill), kindLayer(BillShape), kindLayer(BillColour), build}
	const x, y = 0.84, 0.10 // the gape
	at := func(dx, dy float64) point { return a.head.at(x+dx, y+dy) }
	half := float64(0.5 * s.length)
	tip := at(s.length, s.drop+s.hook)
	a.begin(a.through( // the lower mandible
		at(-0.02, 0).corner(), knot{point: at(half, float64(0.35*s.drop))}, at(s.length-0.04, s.drop).corner(),
		knot{point: at(half, float64(0.4*s.drop)+float64(0.75*s.lower))}, at(0, s.lower).corner()),
		darker(ink, 44), shown...)
	a.end(2, 30)
	a.begin(a.through( // the upper
		at(0, -s.upper).corner(), knot{point: at(half, float64(0.3*s.drop)-float64(0.5*s.upper)-s.culmen)}, tip.corner(),
		knot{point: at(half, float64(0.4*s.drop)+0.03)}, at(-0.1, 0.03).corner()),
		lighter(ink, 20), shown...)
	a.end(2, 90)
}

// The eye's place on the head.
const eyeX, eyeY = 0.38, -0.12

func (a *artist) drawEye(build layer) {
	a.begin(a.ellipse(a.head, eyeX, eyeY, 0.215, 0.215), colour{92, 60, 38}, partLayer(Eye), build)
	a.mark(a.ellipse(a.head, eyeX, eyeY, 0.165, 0.165), colour{20, 14, 12}, 255)
	a.mark(a.ellipse(a.head, eyeX+0.06, eyeY-0.08, 0.07, 0.07), colour{250, 250, 250}, 255)
	a.end(1, 0)
}
