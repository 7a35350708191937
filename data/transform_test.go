package data

import (
	"encoding/json"
	"image"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var half = [3]float32{0.5, 0.5, 0.5}

func TestTransformIsAValue(t *testing.T) {
	a := TrainTransform([2]int{224, 224}, half, half)
	a.Filter, a.Area, a.Hue = Bicubic, [2]float64{0.3, 1}, 0.1
	text, err := json.Marshal(a)
	require.NoError(t, err)
	var b Transform
	require.NoError(t, json.Unmarshal(text, &b))
	assert.True(t, a == b, "%s", text)
	assert.Equal(t, 240, a.ResizeWidth)

	text, err = json.Marshal(EvalTransform([2]int{224, 224}, half, half))
	require.NoError(t, err)
	assert.JSONEq(t, `{"Width":224,"Height":224,"Filter":"bilinear","Mean":[0.5,0.5,0.5],"Std":[0.5,0.5,0.5]}`, string(text))
}

// Without a source of randomness Apply is a function of the image.
func TestApplyWithoutRand(t *testing.T) {
	m := picture(50, 40)
	before := picture(50, 40)
	tr := TrainTransform([2]int{28, 28}, half, half)
	tr.Area, tr.Hue, tr.Brightness = [2]float64{0.1, 1}, 0.5, 1
	got := tr.Apply(m, nil)
	assert.Equal(t, Resize(m, 30, 30, Bilinear).crop(1, 1, 28, 28), got)
	assert.Equal(t, before, m)

	// Image already of the right size: still a copy.
	got = EvalTransform([2]int{40, 40}, half, half).Apply(picture(40, 40), nil)
	assert.Equal(t, picture(40, 40), got)
}

func TestShortSide(t *testing.T) {
	tr := Transform{Width: 20, Height: 20, ShortSide: 25}
	// torchvision: sides 25 and int(25*50/40) = 31; the crop starts at round(5.5) = 6 and round(2.5) = 2.
	got := tr.Apply(picture(50, 40), nil)
	assert.Equal(t, Resize(picture(50, 40), 31, 25, Bilinear).crop(6, 2, 20, 20), got)
	got = tr.Apply(picture(40, 50), nil)
	assert.Equal(t, Resize(picture(40, 50), 25, 31, Bilinear).crop(2, 6, 20, 20), got)
}

// Random crops are parts of the resized image, mirrored or not; every place
// and both forms come up.
func TestRandomCropAndFlip(t *testing.T) {
	m := noise(10, 9, 4)
	tr := Transform{Width: 8, Height: 8, ResizeWidth: 10, ResizeHeight: 9, RandomCrop: true, Flip: 0.5}
	rng := newRand(1)
	seen := make(map[[3]int]int)
	for range 600 {
		got := tr.Apply(m, rng)
		found := false
		for y := range 2 {
			for x := range 3 {
				c := m.crop(x, y, 8, 8)
				for f := range 2 {
					if assert.ObjectsAreEqual(c, got) {
						seen[[3]int{x, y, f}]++
						found = true
					}
					mirror(c)
				}
			}
		}
		require.True(t, found)
	}
	assert.Len(t, seen, 12)
	for k, n := range seen {
		assert.InDelta(t, 50, n, 30, "%v", k)
	}
	m2 := noise(7, 3, 5)
	mirror(m2)
	assert.NotEqual(t, noise(7, 3, 5), m2)
	mirror(m2)
	assert.Equal(t, noise(7, 3, 5), m2)
}

func TestRandomResizedCrop(t *testing.T) {
	rng := newRand(2)
	for _, size := range [][2]int{{500, 375}, {1, 1}, {1, 300}, {300, 1}, {5, 4}, {1000, 100}} {
		for _, tr := range []Transform{
			{Area: [2]float64{0.08, 1}},
			{Area: [2]float64{0.3, 0.3}, Aspect: [2]float64{1, 1}},
			{Area: [2]float64{1, 1}, Aspect: [2]float64{0.5, 0.6}},
		} {
			for range 200 {
				r := tr.part(size[0], size[1], rng)
				require.True(t, !r.Empty() && r.In(image.Rect(0, 0, size[0], size[1])), "%v: %v", size, r)
			}
		}
	}
	// The drawn areas spread over the range asked for, and shapes too.
	tr := Transform{Area: [2]float64{0.2, 0.6}}
	low, high, wide, narrow := 1.0, 0.0, 0, 0
	for range 2000 {
		r := tr.part(400, 400, rng)
		w, h := r.Dx(), r.Dy()
		a := float64(w*h) / 160000
		low, high = min(low, a), max(high, a)
		if w > h {
			wide++
		} else if w < h {
			narrow++
		}
		require.True(t, float64(w)/float64(h) > 0.74 && float64(w)/float64(h) < 1.35)
	}
	assert.InDelta(t, 0.2, low, 0.01)
	assert.InDelta(t, 0.6, high, 0.01)
	assert.InDelta(t, wide, narrow, 200)

	m := (Transform{Width: 24, Height: 16, Area: [2]float64{0.08, 1}}).Apply(picture(60, 50), rng)
	assert.Equal(t, [2]int{24, 16}, [2]int{m.W, m.H})
	// A part is resized by itself: pixels outside it have no influence.
	for _, r := range []image.Rectangle{image.Rect(7, 9, 38, 31), image.Rect(7, 9, 31, 31), image.Rect(7, 9, 38, 25), image.Rect(7, 9, 31, 25)} {
		all := image.Rect(0, 0, 24, 16)
		want := Resize(picture(60, 50).crop(r.Min.X, r.Min.Y, r.Dx(), r.Dy()), 24, 16, Bicubic)
		got, part := NewRGB(24, 16), NewRGB(10, 11)
		new(scaler).resample(got, picture(60, 50), r, all.Max, all, Bicubic)
		assert.Equal(t, want, got)
		new(scaler).resample(part, picture(60, 50), r, all.Max, image.Rect(5, 4, 15, 15), Bicubic)
		assert.Equal(t, want.crop(5, 4, 10, 11), part)
	}
}

func TestNormalise(t *testing.T) {
	m := noise(6, 5, 6)
	mean, std := [3]float32{0.485, 0.456, 0.406}, [3]float32{0.229, 0.224, 0.225}
	dst := make([]float32, 3*30)
	EvalTransform([2]int{6, 6}, mean, std).Normalise(dst, m)
	for c := range 3 {
		for i := range 30 {
			want := (float64(m.Pix[3*i+c])/255 - float64(mean[c])) / float64(std[c])
			require.InDelta(t, want, dst[c*30+i], 1e-6)
		}
	}
	(Transform{}).Normalise(dst, m)
	assert.Equal(t, float32(m.Pix[4])/255, dst[30+1])
	assert.Panics(t, func() { (Transform{}).Normalise(dst[1:], m) })
}

// The colour operations against their definitions in float64.
func TestJitter(t *testing.T) {
	grey := func(p []float64) float64 { return 0.299*p[0] + 0.587*p[1] + 0.114*p[2] }
	for _, c := range []struct {
		name string
		got  func(m *RGB, f float32)
		want func(m [][]float64, f float64)
		f    []float32
	}{
		{"brightness", func(m *RGB, f float32) { stretch(m, 0, f) }, func(m [][]float64, f float64) {
			for _, p := range m {
				for c := range p {
					p[c] *= f
				}
			}
		}, []float32{0, 0.4, 1, 1.7, 5}},
		{"contrast", contrast, func(m [][]float64, f float64) {
			mean := 0.0
			for _, p := range m {
				mean += grey(p) / float64(len(m))
			}
			for _, p := range m {
				for c := range p {
					p[c] = mean + f*(p[c]-mean)
				}
			}
		}, []float32{0, 0.4, 1, 1.7}},
		{"saturation", saturate, func(m [][]float64, f float64) {
			for _, p := range m {
				g := grey(p)
				for c := range p {
					p[c] = g + f*(p[c]-g)
				}
			}
		}, []float32{0, 0.4, 1, 1.7}},
		{"hue", turnHue, func(m [][]float64, f float64) {
			for _, p := range m {
				h, s, v := hsv(p)
				copy(p, rgb(h+f-math.Floor(h+f), s, v))
			}
		}, []float32{-0.5, -0.3, 0, 1. / 3, 0.1, 0.5}},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, f := range c.f {
				// Grey and the result are whole levels; the factor scales grey's half level of rounding.
				tolerance := 1.01 + 0.51*math.Abs(float64(f)-1)
				m := noise(40, 30, 7)
				put(m.Pix, 128, 128, 128)
				put(m.Pix[3:], 255, 0, 255)
				put(m.Pix[6:], 0, 0, 0)
				want := make([][]float64, 40*30)
				for i := range want {
					want[i] = []float64{float64(m.Pix[3*i]), float64(m.Pix[3*i+1]), float64(m.Pix[3*i+2])}
				}
				c.want(want, float64(f))
				c.got(m, f)
				for i, p := range want {
					for ch, v := range p {
						require.InDelta(t, min(max(v, 0), 255), m.Pix[3*i+ch], tolerance, "factor %g, pixel %d", f, i)
					}
				}
				if f == 1 && c.name != "hue" || f == 0 && c.name == "hue" {
					original := noise(40, 30, 7)
					require.Equal(t, original.Pix[9:], m.Pix[9:], "factor %g changes nothing", f)
				}
			}
		})
	}

	// All four together: within bounds, deterministic, and different for different sources.
	tr := Transform{Width: 30, Height: 20, Brightness: 0.4, Contrast: 0.4, Saturation: 0.4, Hue: 0.1}
	a, b, c := tr.Apply(picture(30, 20), newRand(1)), tr.Apply(picture(30, 20), newRand(1)), tr.Apply(picture(30, 20), newRand(2))
	assert.Equal(t, a, b)
	assert.NotEqual(t, a, c)
	assert.Equal(t, picture(30, 20), tr.Apply(picture(30, 20), nil))
}

// Just short of red, -3e-8 + 6 sixths of the circle are 6 in float32.
func TestTurnHueUpToTheFullCircle(t *testing.T) {
	m := flat(1, 1, 200, 0, 100) // half a sixth short of red
	turnHue(m, math.Nextafter32(1./12, 0))
	assert.Equal(t, []uint8{200, 0, 0}, m.Pix)
}

// hsv and rgb are the textbook's (Smith 1978).
func hsv(p []float64) (h, s, v float64) {
	high, low := max(p[0], p[1], p[2]), min(p[0], p[1], p[2])
	if high == low {
		return 0, 0, high
	}
	d := high - low
	switch high {
	case p[0]:
		h = math.Mod((p[1]-p[2])/d+6, 6)
	case p[1]:
		h = (p[2]-p[0])/d + 2
	default:
		h = (p[0]-p[1])/d + 4
	}
	return h / 6, d / high, high
}

func rgb(h, s, v float64) []float64 {
	f := func(n float64) float64 {
		k := math.Mod(n+6*h, 6)
		return v - v*s*max(0, min(k, 4-k, 1))
	}
	return []float64{f(5), f(3), f(1)}
}

func TestValidate(t *testing.T) {
	ok := TrainTransform([2]int{224, 224}, half, half)
	require.NoError(t, ok.Validate())
	nan := math.NaN()
	for _, c := range []struct {
		change func(*Transform)
		want   string
	}{
		{func(t *Transform) { t.Width = 0 }, "data: transform: result of 0x224 pixels: both sides must be positive"},
		{func(t *Transform) { t.Width, t.Height = 1<<20, 1<<20 }, "data: transform: result of 1048576x1048576 pixels: more than 178956970"},
		{func(t *Transform) { t.ShortSide = 256 }, "data: transform: resize to 240x240 and short side 256 exclude each other"},
		{func(t *Transform) { t.ResizeHeight = 0 }, "data: transform: cannot cut 224x224 pixels from a resize to 240x0"},
		{func(t *Transform) { t.ResizeWidth, t.ResizeHeight, t.ShortSide = 0, 0, 200 }, "data: transform: cannot cut 224x224 pixels from a resize to short side 200"},
		{func(t *Transform) { t.Area = [2]float64{0.5, 2} }, "data: transform: area from 0.5 to 2: want shares of the image, 0 < smallest <= largest <= 1"},
		{func(t *Transform) { t.Area = [2]float64{nan, 1} }, "data: transform: area from NaN to 1: want shares of the image, 0 < smallest <= largest <= 1"},
		{func(t *Transform) { t.Aspect = [2]float64{2, 1} }, "data: transform: aspect from 2 to 1: want 0 < narrowest <= widest"},
		{func(t *Transform) { t.Flip = 1.5 }, "data: transform: flip 1.5 is not a probability"},
		{func(t *Transform) { t.Hue = 0.7 }, "data: transform: hue 0.7: want 0 to 0.5"},
		{func(t *Transform) { t.Contrast = -1 }, "data: transform: contrast -1: want a finite number, not negative"},
		{func(t *Transform) { t.Filter = 9 }, "data: transform: filter 9 is unknown"},
		{func(t *Transform) { t.Std[1] = 0 }, "data: transform: mean [0.5 0.5 0.5], std [0.5 0 0.5]: want finite numbers, and std positive"},
		{func(t *Transform) { t.Mean[1] = float32(nan) }, "data: transform: mean [0.5 NaN 0.5], std [0.5 0.5 0.5]: want finite numbers, and std positive"},
	} {
		tr := ok
		c.change(&tr)
		assert.EqualError(t, tr.Validate(), c.want)
		assert.Panics(t, func() { tr.Apply(picture(9, 9), nil) })
	}
}

// An image of one pixel and a very long one pass through every transform.
func TestApplyToOddSizes(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	for _, m := range []*RGB{picture(1, 1), picture(1, 200), picture(200, 1), picture(3, 5)} {
		for _, tr := range []Transform{
			EvalTransform([2]int{16, 16}, half, half), TrainTransform([2]int{16, 16}, half, half),
			{Width: 16, Height: 12, ShortSide: 16, Filter: Bicubic},
			{Width: 16, Height: 12, Area: [2]float64{0.08, 1}, Filter: Bicubic, Contrast: 1, Hue: 0.5},
		} {
			got := tr.Apply(m, rng)
			assert.Equal(t, [2]int{tr.Width, tr.Height}, [2]int{got.W, got.H})
		}
	}
}
