package figure

import (
	"image/color"
	"math"
)

// Colormap returns an opaque colour for t from 0 (no attention) to 1 (the top of the scale). Values outside
// are clipped, and NaN counts as 0.
type Colormap func(t float64) color.RGBA

// Viridis runs from dark violet over green to yellow. Its lightness rises evenly, so equal steps look equal,
// also in greyscale and to colour-blind readers.
func Viridis(t float64) color.RGBA { return interpolate(&viridis, t) }

// Inferno runs from black over red to pale yellow. Its lightness rises evenly too, and it stands out from
// foliage, sky and water.
func Inferno(t float64) color.RGBA { return interpolate(&inferno, t) }

// Jet is the rainbow of MATLAB and of the authors' figures (OpenCV's COLORMAP_JET): three ramps clipped to
// 0..1. It is here for comparison only: its lightness peaks in the middle, so yellow looks stronger than the
// red above it.
func Jet(t float64) color.RGBA {
	t = unit(t)
	ramp := func(centre float64) uint8 {
		return uint8(math.Round(255 * unit(1.5-4*math.Abs(t-centre))))
	}
	return color.RGBA{ramp(0.75), ramp(0.5), ramp(0.25), 255}
}

// OrangeBlue is for signed values, t from -1 to 1: orange to vermillion above 0, sky blue to blue below. The four
// are of the palette of M. Okabe and K. Ito ("Color Universal Design", 2008), which colour-blind readers tell
// apart; at equal distance from 0 both sides are about equally light. At 0, where an overlay is transparent, it is
// white, and so for NaN. Values outside are clipped.
func OrangeBlue(t float64) color.RGBA {
	switch {
	case t > 0:
		return blend(0xe69f00, 0xd55e00, min(t, 1))
	case t < 0:
		return blend(0x56b4e9, 0x0072b2, min(-t, 1))
	}
	return color.RGBA{255, 255, 255, 255}
}

// knots are colours 0xRRGGBB at even steps. Linear interpolation of 33 stays within 2/255 of the originals'
// 256 entries.
type knots [33]uint32

// The colours are by N. Smith, S. van der Walt and E. Firing for Matplotlib (_cm_listed.py), public domain
// under CC0.
var viridis = knots{
	0x440154, 0x470d60, 0x48186a, 0x482374, 0x472d7b, 0x453681, 0x424086, 0x3f4989,
	0x3b528b, 0x375a8d, 0x33638d, 0x2f6a8e, 0x2c728e, 0x297a8e, 0x26818e, 0x23898e,
	0x21908c, 0x1f988b, 0x1f9f88, 0x21a685, 0x28ae80, 0x31b57b, 0x3ebc74, 0x4cc26c,
	0x5dc963, 0x6ece58, 0x82d34c, 0x96d83f, 0xabdc32, 0xc0df24, 0xd5e21a, 0xeae51a,
	0xfde725,
}

var inferno = knots{
	0x000004, 0x040312, 0x0b0724, 0x150b37, 0x210c4a, 0x2e0a5a, 0x3c0965, 0x4a0c6b,
	0x57106d, 0x63146e, 0x70196e, 0x7d1e6d, 0x89226a, 0x962766, 0xa32b61, 0xaf315c,
	0xbb3755, 0xc63e4d, 0xd14644, 0xdb4f3b, 0xe35932, 0xeb6528, 0xf1711e, 0xf67f14,
	0xf98d0a, 0xfb9c06, 0xfcab0f, 0xfbba1f, 0xf9ca32, 0xf5d949, 0xf2e865, 0xf3f586,
	0xfcffa4,
}

func interpolate(k *knots, t float64) color.RGBA {
	at := unit(t) * float64(len(k)-1)
	i := min(int(at), len(k)-2)
	return blend(k[i], k[i+1], at-float64(i))
}

// blend returns the colour at f, 0 to 1, on the way from one colour 0xRRGGBB to another.
func blend(from, to uint32, f float64) color.RGBA {
	channel := func(shift int) uint8 {
		a, b := float64(from>>shift&0xff), float64(to>>shift&0xff)
		return uint8(math.Round(a + f*(b-a)))
	}
	return color.RGBA{channel(16), channel(8), channel(0), 255}
}

// unit clips t to 0..1 and turns NaN into 0.
func unit(t float64) float64 {
	if !(t > 0) {
		return 0
	}
	return min(t, 1)
}
