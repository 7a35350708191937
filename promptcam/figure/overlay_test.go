package figure

import (
	"image"
	"image/color"
	"math"
	"math/rand/v2"
	"runtime"
	"testing"

	"github.com/promptcam/promptcam/data"
	"github.com/promptcam/promptcam/vit/heat"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func plain(w, h int, c color.Color) *image.RGBA {
	m := image.NewRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			m.Set(x, y, c)
		}
	}
	return m
}

// distance is how far a picture is from a plain one, in the middle of a patch
// of a 14x14 map over 224x224 pixels.
func distance(m *image.RGBA, px, py int, from color.RGBA) int {
	c := m.RGBAAt(px*16+8, py*16+8)
	square := func(a, b uint8) int { return (int(a) - int(b)) * (int(a) - int(b)) }
	return square(c.R, from.R) + square(c.G, from.G) + square(c.B, from.B)
}

func spot(share float32) heat.Map {
	return heatOf(14, 14, func(x, y int) float32 {
		if x == 3 && y == 10 {
			return share
		}
		return 0
	})
}

func TestPhotographKeepsItsColours(t *testing.T) {
	for _, c := range []color.RGBA{{255, 0, 0, 255}, {0, 0, 255, 255}, {250, 220, 10, 255}} {
		m := Overlay(plain(224, 224, c), spot(0.4), Style{})
		assert.Equal(t, c, m.RGBAAt(200, 20))
		assert.NotEqual(t, c, m.RGBAAt(3*16+8, 10*16+8))
		m = Overlay(plain(30, 20, c), heat.Map{}, Style{})
		assert.Equal(t, c, m.RGBAAt(7, 7), "no map at all")
	}
}

func TestOverlayCovers(t *testing.T) {
	grey := plain(224, 224, color.Gray{128})
	top := heatOf(14, 14, func(_, _ int) float32 { return 0.5 })
	for _, m := range []Colormap{Viridis, Inferno, Jet} {
		assert.Equal(t, m(1), Overlay(grey, top, Style{Map: m, Limit: 0.5, Opacity: 1}).RGBAAt(100, 100))
	}
	half := Overlay(grey, top, Style{Map: Jet, Limit: 0.5, Opacity: 0.5}).RGBAAt(100, 100)
	assert.InDelta(t, 128, half.R, 1)
	assert.InDelta(t, 64, half.G, 1)
}

func TestOverlayOfSubImage(t *testing.T) {
	m := plain(40, 40, color.RGBA{0, 0, 255, 255})
	m.Set(10, 20, color.RGBA{9, 8, 7, 255})
	part := Overlay(m.SubImage(image.Rect(10, 20, 30, 25)), heatOf(2, 2, func(_, _ int) float32 { return 0 }), Style{})
	assert.Equal(t, image.Rect(0, 0, 20, 5), part.Rect)
	assert.Equal(t, color.RGBA{9, 8, 7, 255}, part.RGBAAt(0, 0))
}

func TestAbsoluteScaleTellsStrength(t *testing.T) {
	grey := color.RGBA{128, 128, 128, 255}
	photo := plain(224, 224, grey)
	strong, weak := spot(0.4), spot(0.02)
	together := Style{}.limit(strong, weak)
	assert.Equal(t, float32(0.4), together)

	absolute, relative := Style{Limit: together}, Style{Limit: together, Scale: Relative}
	assert.Greater(t, distance(Overlay(photo, strong, absolute), 3, 10, grey), 4*distance(Overlay(photo, weak, absolute), 3, 10, grey))
	assert.Equal(t, Overlay(photo, strong, relative).RGBAAt(56, 168), Overlay(photo, weak, relative).RGBAAt(56, 168))
}

func TestEvenAttentionStaysFaint(t *testing.T) {
	even := heatOf(14, 14, func(_, _ int) float32 { return 1.0 / 196 })
	limit := Style{}.limit(even)
	assert.InDelta(t, focus/196.0, limit, 1e-9)
	for _, v := range even.Values {
		assert.InDelta(t, 1.0/focus, Style{}.level(even, limit)(v), 1e-6)
	}
	assert.Zero(t, Style{Scale: Relative}.level(even, limit)(even.Values[0]), "nothing to stretch")
}

func TestStrongerIsBrighter(t *testing.T) {
	for _, m := range []Colormap{Viridis, Inferno} {
		before := -1.0
		for i := range 100 {
			c := Style{Map: m, Opacity: 1}.shade(float64(i) / 99)
			// Over black the cover and the colour both brighten.
			now := lightness(color.RGBA{mix(0, c.R, c.A), mix(0, c.G, c.A), mix(0, c.B, c.A), 255})
			assert.GreaterOrEqual(t, now, before-0.2, "%d", i) // 0.2: rounding to bytes
			before = now
		}
	}
}

// A photograph has millions of pixels: none may cost an allocation, and a picture of it no more memory than its
// own pixels.
func TestDrawingDoesNotAllocatePerPixel(t *testing.T) {
	photo := data.NewRGB(900, 600)
	many := heatOf(14, 14, func(x, y int) float32 { return float32(1+(x*y)%7) / 100 })
	for _, s := range []Style{{}, {Scale: Relative}} {
		overlay := func() { Overlay(photo, many, s) }
		assert.Less(t, testing.AllocsPerRun(3, overlay), 30.0)
		assert.Less(t, allocated(overlay), 4*900*600+1<<19)
	}
	assert.Less(t, testing.AllocsPerRun(3, func() { fit(photo, 100) }), 30.0)
	assert.Less(t, allocated(func() { fit(photo, 100) }), 1<<18)
	row := Row{Title: "a", Panels: []Panel{{Heat: many}, {Heat: many}}}
	small, large := data.NewRGB(90, 60), data.NewRGB(2700, 1800)
	sheet := func(m *data.RGB) func() { return func() { Sheet(m, "title", []Row{row}, Style{Panel: 90}) } }
	assert.InDelta(t, testing.AllocsPerRun(3, sheet(small)), testing.AllocsPerRun(3, sheet(large)), 60)
}

// allocated returns the bytes that do allocates.
func allocated(do func()) int {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	do()
	runtime.ReadMemStats(&after)
	return int(after.TotalAlloc - before.TotalAlloc)
}

// A large picture takes its colours from a table.
func TestShadesOfManyPoints(t *testing.T) {
	for _, s := range []Style{{}, {Map: Jet, Opacity: 1}} {
		few, many := s.shades(1), s.shades(1<<24)
		for i := range 100_001 {
			a, b := few(float64(i)/1e5), many(float64(i)/1e5)
			for c, v := range [4]uint8{a.R, a.G, a.B, a.A} {
				require.InDelta(t, v, [4]uint8{b.R, b.G, b.B, b.A}[c], 1)
			}
		}
	}
}

func TestFitKeepsShape(t *testing.T) {
	assert.Equal(t, image.Rect(0, 0, 100, 50), fit(plain(300, 150, color.White), 100).Rect)
	assert.Equal(t, image.Rect(0, 0, 50, 100), fit(plain(5, 10, color.White), 100).Rect)
	assert.Equal(t, image.Rect(0, 0, 100, 1), fit(plain(1000, 1, color.White), 100).Rect)
	assert.Equal(t, color.RGBA{250, 220, 10, 255}, fit(plain(300, 150, color.RGBA{250, 220, 10, 255}), 100).RGBAAt(50, 25))
}

func FuzzOverlay(f *testing.F) {
	f.Add(uint8(14), uint8(14), uint8(30), uint8(20), uint64(1), float32(0.1), 0.5, true)
	f.Add(uint8(0), uint8(3), uint8(0), uint8(1), uint64(2), float32(-1), -1.0, false)
	f.Fuzz(func(t *testing.T, w, h, pw, ph uint8, seed uint64, limit float32, opacity float64, relative bool) {
		rng := rand.New(rand.NewPCG(seed, 0))
		s := Style{Limit: limit, Opacity: opacity}
		if relative {
			s.Scale = Relative
		}
		for _, signed := range []bool{false, true} {
			s.Signed, s.LogOdds = signed, limit
			share := 1.0
			if signed {
				share = -1
			}
			m := Overlay(plain(int(pw), int(ph), color.White), randomHeat(rng, int(w%32), int(h%32), share), s)
			assert.Equal(t, image.Rect(0, 0, int(pw), int(ph)), m.Rect)
			ColorBar(int(pw), limit, int(w), s)
		}
	})
}

// randomHeat is a map whose values sum to share.
func randomHeat(rng *rand.Rand, w, h int, share float64) heat.Map {
	m := heat.Map{W: w, H: h, Values: make([]float32, w*h)}
	var sum float64
	for i := range m.Values {
		m.Values[i] = float32(math.Pow(rng.Float64(), 6)) // few patches have most of it
		sum += float64(m.Values[i])
	}
	for i := range m.Values {
		m.Values[i] *= float32(share / sum)
	}
	return m
}

func heatOf(w, h int, at func(x, y int) float32) heat.Map {
	m := heat.Map{W: w, H: h}
	for y := range h {
		for x := range w {
			m.Values = append(m.Values, at(x, y))
		}
	}
	return m
}
