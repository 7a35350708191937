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
