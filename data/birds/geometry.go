package birds

import "math"

// Coordinates are the same on every platform: each product is converted to float64 so that no compiler fuses
// it with a sum (https://go.dev/ref/spec#Floating_point_operators), IEEE 754 rounds square roots exactly, and
// sine is the polynomial below. The rasteriser then rounds to 1/256 pixel and continues with integers.

// A point is in units of a frame; x points forward, the way the bird looks, y down.
type point struct{ x, y float64 }

func (p point) plus(q point) point         { return point{p.x + q.x, p.y + q.y} }
func (p point) minus(q point) point        { return point{p.x - q.x, p.y - q.y} }
func (p point) times(s float64) point      { return point{float64(p.x * s), float64(p.y * s)} }
func lerp(p, q point, t float64) point     { return p.plus(q.minus(p).times(t)) }
func (p point) length() float64            { return math.Sqrt(float64(p.x*p.x) + float64(p.y*p.y)) }
func between(low, high, t float64) float64 { return low + float64((high-low)*t) }

// sine of an angle from -90 to 90 degrees, by its Taylor series to x^11; the error is below 1e-7.
func sine(degrees float64) float64 {
	x := float64(degrees * (math.Pi / 180))
	xx := float64(x * x)
	s := 1.0
	for _, n := range []float64{110, 72, 42, 20, 6} { // (k+1) k, from the last term to the first
		s = 1 - float64(float64(xx/n)*s)
	}
	return float64(x * s)
}

func cosine(degrees float64) float64 { return sine(90 - math.Abs(degrees)) }

// A frame is an affine map of points.
type frame struct{ xx, xy, yx, yy, x, y float64 }

// at maps the point (x, y).
func (f frame) at(x, y float64) point {
	return point{
		float64(f.xx*x) + float64(f.xy*y) + f.x,
		float64(f.yx*x) + float64(f.yy*y) + f.y,
	}
}

func (f frame) apply(p point) point { return f.at(p.x, p.y) }

// turned is a frame with origin o and unit size that looks up by an angle in degrees.
func turned(o point, size, degrees float64) frame {
	s, c := float64(size*sine(degrees)), float64(size*cosine(degrees))
	return frame{c, s, -s, c, o.x, o.y}
}

// A knot is a point of an outline, which is smooth except at corners.
type knot struct {
	point
	corner bool
}

func (p point) corner() knot           { return knot{p, true} }
func (f frame) knot(x, y float64) knot { return knot{f.at(x, y), false} }

// curve appends to dst the points of the closed outline through knots: cubic Bezier curves with tangents at a
// knot from the one before to the one after (Catmull-Rom), and none at corners.
func curve(dst []point, knots []knot, steps int) []point {
	n := len(knots)
	for i, k := range knots {
		next := knots[(i+1)%n]
		a, d := k.point, next.point
		b, c := a, d
		if !k.corner {
			b = a.plus(d.minus(knots[(i+n-1)%n].point).times(1.0 / 6))
		}
		if !next.corner {
			c = d.minus(knots[(i+2)%n].minus(a).times(1.0 / 6))
		}
		dst = append(dst, a)
		for s := 1; s < steps; s++ {
			t := float64(s) / float64(steps)
			ab, bc, cd := lerp(a, b, t), lerp(b, c, t), lerp(c, d, t)
			dst = append(dst, lerp(lerp(ab, bc, t), lerp(bc, cd, t), t))
		}
	}
	return dst
}

// stroke appends to dst the outline of a line through points, of width from at the start and to at the end.
func stroke(dst []point, line []point, from, to float64) []point {
	n := len(line)
	start := len(dst)
	dst = append(dst, line...) // room for one side, then the other
	dst = append(dst, line...)
	for i, p := range line {
		d := line[min(i+1, n-1)].minus(line[max(i-1, 0)])
		half := between(from, to, float64(i)/float64(n-1)) / 2
		side := point{-d.y, d.x}.times(half / max(d.length(), 1e-6))
		dst[start+i] = p.plus(side)
		dst[start+2*n-1-i] = p.minus(side)
	}
	return dst
}

// compose returns the map that applies g, then f.
func (f frame) compose(g frame) frame {
	o, x, y := f.at(g.x, g.y), f.at(g.xx, g.yx), f.at(g.xy, g.yy)
	return frame{x.x - f.x, y.x - f.x, x.y - f.y, y.y - f.y, o.x, o.y}
}
