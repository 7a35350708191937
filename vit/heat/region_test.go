package heat

import (
	"image"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/promptcam/promptcam/data"
)

// transforms scale, stretch and crop a photograph to 24k x 16k pixels.
func transforms(k int) map[string]data.Transform {
	return map[string]data.Transform{
		"stretch": {Width: 24 * k, Height: 16 * k},
		"resize":  {Width: 24 * k, Height: 16 * k, ResizeWidth: 30 * k, ResizeHeight: 20 * k},
		"short":   {Width: 24 * k, Height: 16 * k, ShortSide: 25 * k},
		"bicubic": {Width: 24 * k, Height: 16 * k, ShortSide: 24 * k, Filter: data.Bicubic},
	}
}

func TestRegionOfAMaskIsTheTransformsMean(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for name, tr := range transforms(1) {
		for _, size := range []image.Point{{50, 33}, {24, 16}, {20, 41}} {
			masks := []*image.Gray{image.NewGray(image.Rectangle{Max: size}), image.NewGray(image.Rectangle{Max: size})}
			union := data.NewRGB(size.X, size.Y)
			for i, m := range masks {
				for range 3 { // boxes
					x, y := rng.IntN(size.X-3), rng.IntN(size.Y-3)
					for j := range 9 * (1 + i) {
						m.Pix[min(len(m.Pix)-1, (y+j%3)*size.X+x+j/3)] = uint8(rng.IntN(256))
					}
				}
			}
			for i := range masks[0].Pix {
				for c := range 3 {
					union.Pix[3*i+c] = max(masks[0].Pix[i], masks[1].Pix[i])
				}
			}
			v := View{tr, 8, size}
			both := v.Masks(masks...)
			one := v.Masks(masks[0])
			other := v.Masks(masks[1])
			assert.Equal(t, [2]int{3, 2}, [2]int{both.W, both.H})
			seen := tr.Apply(union, nil)
			for p := range 6 {
				var sum float64
				for i := range 64 {
					x, y := p%3*8+i%8, p/3*8+i/8
					sum += float64(seen.Pix[3*(y*24+x)]) / 255 / 64
				}
				// The union of what is scaled is not quite what is scaled of the union.
				assert.InDelta(t, sum, both.Cover[p], 0.05, "%s %v patch %d", name, size, p)
				assert.Equal(t, one.On[p] || other.On[p], both.On[p])
			}
			assert.Equal(t, v.Masks(masks[0], masks[0]), one)
		}
	}
	assert.PanicsWithValue(t, "heat: View.Masks: a mask of (3,3) pixels, want the photograph's (4,4)", func() {
		View{transforms(1)["stretch"], 8, image.Pt(4, 4)}.Masks(image.NewGray(image.Rect(0, 0, 3, 3)))
	})
}

// A disc and a box are what the masks are that one would draw of them in the photograph.
func TestRegionOfAPointAndABox(t *testing.T) {
	size := image.Pt(200, 160)
	point, radius := data.Point{X: 90.5, Y: 70, Visible: true}, 21.
	box := data.Box{X: 60, Y: 30, Width: 75, Height: 100}
	disc, filled := image.NewGray(image.Rectangle{Max: size}), image.NewGray(image.Rectangle{Max: size})
	for i := range disc.Pix {
		x, y := float64(i%size.X)+0.5, float64(i/size.X)+0.5
		if (x-point.X)*(x-point.X)+(y-point.Y)*(y-point.Y) <= radius*radius {
			disc.Pix[i] = 255
		}
		if x > 60 && x < 135 && y > 30 && y < 130 {
			filled.Pix[i] = 255
		}
	}
	for name, tr := range transforms(4) {
		v := View{tr, 16, size}
		for what, pair := range map[string][2]Region{
			"disc": {v.Masks(disc), v.Discs(radius, point, data.Point{X: 10, Y: 10})},
			"box":  {v.Masks(filled), v.Box(box)},
		} {
			require.Greater(t, pair[0].Area(), 0.01)
			assert.InDelta(t, pair[0].Area(), pair[1].Area(), 0.004, "%s %s", name, what)
			assert.InDeltaSlice(t, pair[0].Cover, pair[1].Cover, 0.06, "%s %s", name, what)
		}
	}
	v := View{data.Transform{Width: 200, Height: 160}, 40, size}
	assert.Equal(t, v.Masks(disc), v.Discs(radius, point), "pixel by pixel where nothing is scaled")
	assert.Equal(t, v.Masks(filled), v.Box(box))
	assert.True(t, v.Discs(radius, data.Point{X: 10, Y: 10}).Hidden(), "not visible")
	assert.Zero(t, v.Box(data.Box{X: -1e6, Y: 1e6, Width: 1, Height: 1}).Area())
	assert.Equal(t, 1., v.Box(data.Box{X: -1e6, Y: -1e6, Width: 2e6, Height: 2e6}).Area())
}

// Patches of 4x4 pixels: 16, 8, 1 and 0 of them are covered; of a thin thing 1, 1 and 0.
func TestWhichPatchesAreOnARegion(t *testing.T) {
	v := View{data.Transform{Width: 16, Height: 4}, 4, image.Pt(16, 4)}
	wide, thin := image.NewGray(image.Rect(0, 0, 16, 4)), image.NewGray(image.Rect(0, 0, 16, 4))
	for y := range 4 {
		for x := range 6 {
			wide.Pix[y*16+x] = 255
		}
	}
	wide.Pix[8], thin.Pix[8], thin.Pix[15] = 255, 255, 140
	r := v.Masks(wide)
	assert.Equal(t, []float64{1, 0.5, 1. / 16, 0}, r.Cover)
	assert.Equal(t, []bool{true, true, false, false}, r.On, "a sixteenth is its edge")
	assert.Equal(t, 25./64, r.Area())
	assert.Equal(t, 0.5, r.Chance())
	assert.Equal(t, []bool{false, false, true, true}, r.Outside().On)
	assert.Equal(t, []float64{0, 0.5, 15. / 16, 1}, r.Outside().Cover)

	assert.Equal(t, []bool{false, false, true, true}, v.Masks(thin).On, "half as much as the fullest")
	assert.Equal(t, []bool{true, true, true, true}, v.Masks(wide, thin).On, "each mask by itself")
	assert.True(t, v.Masks().Hidden())
	assert.False(t, v.Masks(thin).Hidden())
}

func TestMassAndPoints(t *testing.T) {
	h := Map{W: 2, H: 2, Values: []float32{0.125, 0.25, 0, 0.125}}
	r := Region{W: 2, H: 2, Cover: []float64{1, 0.5, 1, 0}, On: []bool{true, false, true, false}}
	assert.Equal(t, 0.5, h.Mass(r), "(1/8 + 1/8) / (1/2)")
	assert.False(t, h.Points(r))
	assert.True(t, h.Points(r.Outside()))
	assert.InDelta(t, 1, h.Mass(r)+h.Mass(r.Outside()), 1e-15)

	even := Map{W: 2, H: 2, Values: []float32{1, 1, 1, 1}}
	assert.Equal(t, r.Area(), even.Mass(r))
	assert.True(t, even.Points(r), "the first of equals")
	spoilt := Map{W: 2, H: 2, Values: []float32{1, float32(math.NaN()), 0, 0}}
	assert.False(t, spoilt.Points(r))
	assert.True(t, math.IsNaN(spoilt.Mass(r)))
	assert.Zero(t, Map{W: 2, H: 2, Values: make([]float32, 4)}.Mass(r))
	assert.PanicsWithValue(t, "heat: Map.Mass: a region of 2x2 patches, the map has 4x1", func() { Map{W: 4, H: 1, Values: h.Values}.Mass(r) })
	assert.PanicsWithValue(t, "heat: Map.Points: a region of 0x0 patches, the map has 0x0", func() { Map{}.Points(Region{}) })
}
