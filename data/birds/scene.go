package birds

import "math/rand/v2"

// A Scene is everything in an image except the bird's traits: how the bird sits, where, and in what light.
// Two images of one scene differ only where their birds' traits do. Angles are in degrees, sizes in 1/128 of
// the image's side.
type Scene struct {
	Seed       uint64     // NewScene's, also of background, leaves and the grain of feathers
	Mirror     bool       // the bird looks to the left
	Scale      float64    // 0.82 to 1: a bird fills about that share of the image
	Feet       [2]float64 // where the bird stands, x and y
	Stance     float64    // of the body, added to the build's; positive looks up
	Head, Tail float64    // of head and tail, likewise
	Sun        float64    // direction of the light: -90 behind the bird, 0 above, 90 before it
	Light      [3]float64 // factors of red, green and blue
	Backdrop   Backdrop
	Perch      Perch
	Slope      float64 // of the perch
	Thickness  float64 // of a branch
	Cover      Cover
	CoverAt    [2]float64 // relative to the feet, in the bird's direction
	CoverAngle float64
}

// A Backdrop is the landscape behind the bird, out of focus.
type Backdrop uint8

// The backdrops.
const (
	Foliage Backdrop = iota
	Sky
	Meadow
	Autumn
	Dusk
	NumBackdrops
)

// A Perch is what the bird stands on.
type Perch uint8

// The perches.
const (
	Branch Perch = iota
	Wire
	Rock
	NumPerches
)

// A Cover is what hides a part of the bird.
type Cover uint8

// The covers.
const (
	NoCover Cover = iota
	Leaf
	Twig
	NumCovers
)

// NewScene returns the scene of a seed. Most birds sit on branches. In a third of scenes something covers a
// part of the bird, mostly of its tail, belly or legs.
func NewScene(seed uint64) Scene {
	rng := rand.New(rand.NewPCG(seed, 0xb1bd5))
	in := func(low, high float64) float64 { return between(low, high, rng.Float64()) }
	s := Scene{
		Seed:      seed,
		Mirror:    rng.IntN(2) == 1,
		Scale:     in(0.82, 1),
		Stance:    in(-7, 7),
		Head:      in(-9, 9),
		Tail:      in(-9, 9),
		Sun:       in(-60, 60),
		Backdrop:  Backdrop(rng.IntN(int(NumBackdrops))),
		Slope:     in(-9, 9),
		Thickness: in(6.5, 10),
	}
	if rng.IntN(3) == 0 {
		s.Perch = Perch(rng.IntN(int(NumPerches)))
	}
	room := 1.06 - s.Scale // a smaller bird has more room to move
	s.Feet = [2]float64{float64(in(-24, 24) * room), 103 + float64(in(-20, 12)*room)}
	if s.Mirror {
		s.Feet[0] = -s.Feet[0]
	}
	bright, warm := in(0.84, 1.08), in(-0.06, 0.06)
	s.Light = [3]float64{bright + warm, bright, bright - warm}
	if rng.IntN(3) == 0 {
		s.Cover = Cover(1 + rng.IntN(int(NumCovers)-1))
	}
	switch rng.IntN(8) {
	case 0: // anywhere on the bird
		s.CoverAt = [2]float64{in(-28, 26), in(-58, -8)}
	case 1, 2, 3: // the tail
		s.CoverAt = [2]float64{in(-52, -34), in(-14, 10)}
	default: // belly and legs
		s.CoverAt = [2]float64{in(-12, 26), in(-8, 4)}
	}
	s.CoverAngle = in(-50, 50)
	return s
}
