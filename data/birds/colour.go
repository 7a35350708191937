package birds

// A colour is red, green and blue in sRGB.
type colour [3]uint8

// The colours of plumage. Each remains distinct in the warmest and in the dimmest light of a Scene.
var (
	black      = colour{38, 36, 40}
	charcoal   = colour{58, 56, 62}
	slate      = colour{104, 118, 136}
	grey       = colour{176, 180, 186}
	white      = colour{240, 239, 234}
	ivory      = colour{232, 214, 178}
	buff       = colour{226, 194, 148}
	brown      = colour{128, 98, 70}
	cinnamon   = colour{188, 128, 80}
	chestnut   = colour{142, 60, 34}
	olive      = colour{126, 132, 72}
	green      = colour{82, 134, 76}
	blue       = colour{78, 116, 176}
	yellow     = colour{242, 204, 52}
	orange     = colour{238, 142, 52}
	red        = colour{204, 46, 40}
	pink       = colour{232, 150, 142}
	billYellow = colour{240, 190, 40}
	billRed    = colour{214, 62, 34}
	legOrange  = colour{236, 124, 30}
)

// mix blends from a for part 0 to b for part 256.
func mix(a, b colour, part int) colour {
	for i := range a {
		a[i] = uint8((int(a[i])*(256-part) + int(b[i])*part + 128) >> 8)
	}
	return a
}

func darker(c colour, part int) colour  { return mix(c, colour{14, 12, 16}, part) }
func lighter(c colour, part int) colour { return mix(c, colour{255, 252, 246}, part) }
