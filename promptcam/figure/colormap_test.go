package figure

import (
	"image/color"
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
)

// lightness is CIE 1976 L* of an sRGB colour (IEC 61966-2-1), 0 to 100.
func lightness(c color.RGBA) float64 {
	linear := func(v uint8) float64 {
		x := float64(v) / 255
		if x <= 0.04045 {
			return x / 12.92
		}
		return math.Pow((x+0.055)/1.055, 2.4)
	}
	y := 0.2126*linear(c.R) + 0.7152*linear(c.G) + 0.0722*linear(c.B)
	if y <= 216.0/24389 {
		return y * 24389 / 27
	}
	return 116*math.Cbrt(y) - 16
}

func TestLightnessRisesEvenly(t *testing.T) {
	for name, m := range map[string]Colormap{"viridis": Viridis, "inferno": Inferno} {
		const steps = 32
		even := (lightness(m(1)) - lightness(m(0))) / steps
		// Near black L* and the measure by which Inferno was made, CAM02-UCS, part ways.
		for i := 1; i < steps; i++ {
			step := lightness(m(float64(i+1)/steps)) - lightness(m(float64(i)/steps))
			assert.InDelta(t, even, step, 0.5*even, "%s, step %d", name, i)
		}
	}
	assert.Less(t, lightness(Jet(1)), lightness(Jet(0.6)), "the reason why jet is not the default")
}

func TestColormapEnds(t *testing.T) {
	for _, c := range []struct {
		name string
		m    Colormap
		t    float64
		want color.RGBA
	}{
		// First, middle and last entries of Matplotlib's tables.
		{"viridis", Viridis, 0, color.RGBA{68, 1, 84, 255}},
		{"viridis", Viridis, 128.0 / 255, color.RGBA{33, 145, 140, 255}},
		{"viridis", Viridis, 1, color.RGBA{253, 231, 37, 255}},
		{"inferno", Inferno, 0, color.RGBA{0, 0, 4, 255}},
		{"inferno", Inferno, 1, color.RGBA{252, 255, 164, 255}},
		{"jet", Jet, 0, color.RGBA{0, 0, 128, 255}},
		{"jet", Jet, 0.125, color.RGBA{0, 0, 255, 255}},
		{"jet", Jet, 0.5, color.RGBA{128, 255, 128, 255}},
		{"jet", Jet, 0.875, color.RGBA{255, 0, 0, 255}},
		{"jet", Jet, 1, color.RGBA{128, 0, 0, 255}},
	} {
		got := c.m(c.t)
		assert.InDeltaSlice(t, []uint8{c.want.R, c.want.G, c.want.B, c.want.A}, []uint8{got.R, got.G, got.B, got.A}, 1, "%s at %g", c.name, c.t)
	}
}

func TestColormapOutside(t *testing.T) {
	for name, m := range map[string]Colormap{"viridis": Viridis, "inferno": Inferno, "jet": Jet} {
		assert.Equal(t, m(0), m(-3), name)
		assert.Equal(t, m(0), m(math.NaN()), name)
		assert.Equal(t, m(0), m(math.Inf(-1)), name)
		assert.Equal(t, m(1), m(7), name)
		assert.Equal(t, m(1), m(math.Inf(1)), name)
	}
}

// dichromat is how a colour looks to readers without one kind of cone: the matrices of G. M. Machado, M. M. Oliveira
// and L. A. F. Fernandes, "A Physiologically-based Model for Simulation of Color Vision Deficiency" (IEEE TVCG 15,
// 2009), severity 1.0, applied to linear RGB.
var dichromats = map[string][3][3]float64{
	"deuteranopia": {{0.367322, 0.860646, -0.227968}, {0.280085, 0.672501, 0.047413}, {-0.011820, 0.042940, 0.968881}},
	"protanopia":   {{0.152286, 1.052583, -0.204868}, {0.114503, 0.786281, 0.099216}, {-0.003882, -0.048116, 1.051998}},
	"tritanopia":   {{1.255528, -0.076749, -0.178779}, {-0.078411, 0.930809, 0.147602}, {0.004733, 0.691367, 0.303900}},
	"none":         {{1, 0, 0}, {0, 1, 0}, {0, 0, 1}},
}

// lab is CIE 1976 L*a*b* (white D65) of an sRGB colour (IEC 61966-2-1) seen through a matrix.
func lab(c color.RGBA, seen [3][3]float64) [3]float64 {
	var linear, through [3]float64
	for i, v := range [3]uint8{c.R, c.G, c.B} {
		x := float64(v) / 255
		if linear[i] = x / 12.92; x > 0.04045 {
			linear[i] = math.Pow((x+0.055)/1.055, 2.4)
		}
	}
	for i, row := range seen {
		through[i] = unit(row[0]*linear[0] + row[1]*linear[1] + row[2]*linear[2])
	}
	f := func(r, g, b, white float64) float64 {
		t := (r*through[0] + g*through[1] + b*through[2]) / white
		if t <= 216.0/24389 {
			return (t*24389/27 + 16) / 116
		}
		return math.Cbrt(t)
	}
	x, y, z := f(0.4124, 0.3576, 0.1805, 0.9505), f(0.2126, 0.7152, 0.0722, 1), f(0.0193, 0.1192, 0.9505, 1.089)
	return [3]float64{116*y - 16, 500 * (x - y), 200 * (y - z)}
}

// apart is the difference ΔE*ab: about 2.3 can just be seen.
func apart(a, b [3]float64) float64 {
	return math.Sqrt((a[0]-b[0])*(a[0]-b[0]) + (a[1]-b[1])*(a[1]-b[1]) + (a[2]-b[2])*(a[2]-b[2]))
}

// What is for and what is against are told apart by every reader, as colours and over dark, grey and bright
// photographs, and neither looks stronger than the other.
func TestSignsAreToldApart(t *testing.T) {
	s := Style{Signed: true}
	for name, seen := range dichromats {
		for i := 1; i <= 20; i++ {
			x := float64(i) / 20
			assert.Greater(t, apart(lab(OrangeBlue(x), seen), lab(OrangeBlue(-x), seen)), 60.0, "%s at %v", name, x)
			for _, grey := range []uint8{30, 128, 230} {
				over := func(x float64) [3]float64 {
					c := s.shade(x)
					return lab(color.RGBA{mix(grey, c.R, c.A), mix(grey, c.G, c.A), mix(grey, c.B, c.A), 255}, seen)
				}
				if x >= 0.2 {
					assert.Greater(t, apart(over(x), over(-x)), 12.0, "%s at %v over %d", name, x, grey)
				}
			}
		}
	}
	for i := range 101 {
		x := float64(i) / 100
		assert.Equal(t, s.shade(x).A, s.shade(-x).A, "equally opaque")
		if i > 0 {
			assert.InDelta(t, lightness(OrangeBlue(x)), lightness(OrangeBlue(-x)), 10, "%v", x)
			assert.GreaterOrEqual(t, s.shade(x).A, s.shade(x-0.01).A)
		}
	}
	assert.Zero(t, s.shade(0).A)
	assert.Zero(t, s.shade(math.NaN()).A)
}

func TestOrangeBlueEnds(t *testing.T) {
	assert.Equal(t, color.RGBA{0xd5, 0x5e, 0x00, 255}, OrangeBlue(1))
	assert.Equal(t, color.RGBA{0x00, 0x72, 0xb2, 255}, OrangeBlue(-1))
	assert.Equal(t, OrangeBlue(1), OrangeBlue(math.Inf(1)))
	assert.Equal(t, OrangeBlue(-1), OrangeBlue(-7))
	assert.Equal(t, color.RGBA{255, 255, 255, 255}, OrangeBlue(0))
	assert.Equal(t, OrangeBlue(0), OrangeBlue(math.NaN()))
}
