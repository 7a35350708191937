package data

import (
	"encoding/json"
	"fmt"
	"image"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/promptcam/promptcam/tensor"
	"github.com/promptcam/promptcam/tensor/checkpoint"
)

// shared returns the path of reference data beside the repository, or skips.
func shared(t testing.TB, name string) string {
	path := filepath.Join("..", "..", "shared", name)
	if _, err := os.Stat(path); err != nil {
		t.Skipf("the reference data beside the repository is not here: %v", err)
	}
	return path
}

// Photographs resized by Pillow and torchvision.
func TestResizeEqualsPillow(t *testing.T) {
	f, err := checkpoint.Open(shared(t, "golden/transforms.safetensors"))
	require.NoError(t, err)
	defer f.Close()
	load := func(name string) *RGB {
		v, err := f.Tensor(name)
		require.NoError(t, err)
		m := NewRGB(v.Dim(1), v.Dim(0)) // v is [H, W, 3]
		for i, x := range v.Data() {
			m.Pix[i] = uint8(x)
		}
		return m
	}
	for _, photo := range []string{"0.", "1."} {
		img := load(photo + "rgb")
		for name, tr := range map[string]Transform{
			"bilinear_224x224":           {Width: 224, Height: 224},
			"bilinear_240x240":           {Width: 240, Height: 240},
			"bicubic_224x224":            {Width: 224, Height: 224, Filter: Bicubic},
			"bicubic_96x160":             {Width: 160, Height: 96, Filter: Bicubic},
			"bicubic_short256_center224": {Width: 224, Height: 224, ShortSide: 256, Filter: Bicubic},
		} {
			t.Run(photo+name, func(t *testing.T) {
				equal, largest := difference(t, load(photo+name), tr.Apply(img, nil))
				t.Logf("%.2f %% equal, largest difference %d", 100*equal, largest)
				assert.LessOrEqual(t, largest, 1)
				assert.EqualValues(t, 1, equal, "share of equal values")
			})
		}
	}
}

// Pillow's resize of the drawn picture stands in testdata.
func TestResizeEqualsPillowOnDrawnPicture(t *testing.T) {
	m, err := ReadImage("testdata/lzw.tif")
	require.NoError(t, err)
	for _, f := range []Filter{Bilinear, Bicubic} {
		for _, size := range [][2]int{{20, 14}, {97, 60}, {11, 31}, {45, 50}} {
			want, err := ReadImage(fmt.Sprintf("testdata/%v_%dx%d.png", f, size[0], size[1]))
			require.NoError(t, err)
			assert.Equal(t, want, Resize(m, size[0], size[1], f), "%v to %v", f, size)
		}
	}
}

// The definition in float64: every target pixel is the weighted mean of the
// source pixels under the filter, stretched by the scale where it shrinks.
func resizeFloat(m *RGB, w, h int, f Filter) []float64 {
	weights := func(in, out, i int) []float64 {
		scale := float64(in) / float64(out)
		k := make([]float64, in)
		sum := 0.0
		for j := range k {
			k[j] = tensor.Kernel(f).At((float64(j) + 0.5 - (float64(i)+0.5)*scale) / max(scale, 1))
			sum += k[j]
		}
		for j := range k {
			k[j] /= sum
		}
		return k
	}
	out := make([]float64, 3*w*h)
	for y := range h {
		ky := weights(m.H, h, y)
		for x := range w {
			kx := weights(m.W, w, x)
			for sy := range m.H {
				for sx := range m.W {
					for c := range 3 {
						out[3*(y*w+x)+c] += ky[sy] * kx[sx] * float64(m.row(sy)[3*sx+c])
					}
				}
			}
		}
	}
	return out
}

func TestResize(t *testing.T) {
	sizes := [][4]int{{20, 15, 10, 10}, {9, 31, 30, 12}, {7, 5, 7, 11}, {7, 5, 3, 5}, {1, 1, 4, 3}, {40, 2, 1, 1}, {13, 11, 12, 10}}
	for _, f := range []Filter{Bilinear, Bicubic} {
		for _, s := range sizes {
			t.Run(fmt.Sprint(f, s), func(t *testing.T) {
				m := noise(s[0], s[1], 3)
				got := Resize(m, s[2], s[3], f)
				require.Equal(t, [2]int{s[2], s[3]}, [2]int{got.W, got.H})
				for i, want := range resizeFloat(m, s[2], s[3], f) {
					want = min(max(want, 0), 255)
					// Half a level per pass, and what clipping between the passes takes from an overshoot.
					tolerance := 1.01
					if f == Bicubic {
						tolerance = 12
					}
					require.InDelta(t, want, float64(got.Pix[i]), tolerance)
				}

				_, largest := difference(t, flat(s[2], s[3], 255, 0, 77), Resize(flat(s[0], s[1], 255, 0, 77), s[2], s[3], f))
				assert.Zero(t, largest, "a constant image stays constant")

				same := Resize(m, s[0], s[1], f)
				assert.Equal(t, m, same)
				assert.NotSame(t, &m.Pix[0], &same.Pix[0])

				before := noise(s[0], s[1], 3)
				assert.Equal(t, before, m, "the source does not change")
			})
		}
	}
	assert.Panics(t, func() { Resize(picture(3, 3), 0, 3, Bilinear) })
	assert.Panics(t, func() { Resize(NewRGB(0, 3), 3, 3, Bilinear) })
	assert.PanicsWithValue(t, "data: Resize: filter 9 is unknown", func() { Resize(picture(3, 3), 3, 3, 9) })
}

// resizePlain is Pillow's arithmetic as one would write it down: the scaler's
// without its two sums to a word.
func resizePlain(m *RGB, w, h int, f Filter) *RGB {
	pass := func(m *RGB, out int, f Filter) *RGB { // scales the width, and turns the image
		in := m.W
		scale := float64(in) / float64(out)
		support := tensor.Kernel(f).Radius() * max(scale, 1)
		result := NewRGB(m.H, out)
		for i := range out {
			centre := (float64(i) + 0.5) * scale
			first, end := max(0, int(centre-support+0.5)), min(in, int(centre+support+0.5))
			sum := 0.0
			for j := first; j < end; j++ {
				sum += tensor.Kernel(f).At((float64(j) - centre + 0.5) * (1 / max(scale, 1)))
			}
			for y := range m.H {
				for c := range 3 {
					total := int32(1 << 21)
					for j := first; j < end; j++ {
						k := tensor.Kernel(f).At((float64(j)-centre+0.5)*(1/max(scale, 1))) / sum
						total += int32(m.row(y)[3*j+c]) * int32(math.Trunc(k*(1<<22)+math.Copysign(0.5, k)))
					}
					result.row(i)[3*y+c] = clip(total >> 22)
				}
			}
		}
		return result
	}
	return pass(pass(m, w, f), h, f)
}

// One scaler, used for images, parts and windows of all sizes, gives the
// pixels of plain arithmetic.
func TestScaler(t *testing.T) {
	var s scaler
	rng := rand.New(rand.NewPCG(8, 0))
	side := func(n int) (start, end int) { // a part of n pixels
		start = rng.IntN(n)
		return start, start + 1 + rng.IntN(n-start)
	}
	part := func(w, h int) image.Rectangle {
		x0, x1 := side(w)
		y0, y1 := side(h)
		return image.Rect(x0, y0, x1, y1)
	}
	for range 300 {
		m := noise(1+rng.IntN(40), 1+rng.IntN(40), rng.Uint64())
		if rng.IntN(2) == 0 { // nothing but black and white
			for i, v := range m.Pix {
				m.Pix[i] = v >> 7 * 255
			}
		}
		f, from, size := Filter(rng.IntN(2)), part(m.W, m.H), image.Pt(1+rng.IntN(50), 1+rng.IntN(50))
		if rng.IntN(4) == 0 {
			size.X = from.Dx()
		}
		if rng.IntN(4) == 0 {
			size.Y = from.Dy()
		}
		window := part(size.X, size.Y)
		want := resizePlain(m.crop(from.Min.X, from.Min.Y, from.Dx(), from.Dy()), size.X, size.Y, f)
		got := NewRGB(window.Dx(), window.Dy())
		s.resample(got, m, from, size, window, f)
		require.Equal(t, want.crop(window.Min.X, window.Min.Y, got.W, got.H), got, "%v of %dx%d to %v, %v of that, %v", from, m.W, m.H, size, window, f)
	}
}

// The halves of a word hold sums from -base to 1023 - base whole pixel levels.
func TestWeightsFitTheirHalves(t *testing.T) {
	var line taps
	for _, f := range []Filter{Bilinear, Bicubic} {
		for in := 1; in < 100; in++ {
			for out := 1; out < 100; out++ {
				line.set(in, out, 0, out, f)
				for i, first := range line.first {
					low, high, sum := 0, 0, 0
					for _, k := range line.weight[i*line.count:][:line.count] {
						low, high, sum = low+int(min(k, 0)), high+int(max(k, 0)), sum+int(k)
					}
					if first < 0 || first+line.count > in || 255*low < -base<<precision || 255*high > (1023-base)<<precision {
						require.Fail(t, "outside", "%v from %d to %d, pixel %d: from %d on, weights %d to %d", f, in, out, i, first, low, high)
					}
					if sum < 1<<precision-in || sum > 1<<precision+in {
						require.Fail(t, "not one", "%v from %d to %d, pixel %d: the weights' sum is %d", f, in, out, i, sum)
					}
				}
			}
		}
	}
}

// Hard black and white edges overshoot by the most: values must be clipped at
// both ends, never wrap around.
func TestBicubicOvershoot(t *testing.T) {
	m := NewRGB(32, 32)
	for y := range m.H {
		for x := range m.W {
			if (x/8+y/8)%2 == 0 {
				put(m.row(y)[3*x:], 255, 255, 255)
			}
		}
	}
	big := Resize(m, 128, 128, Bicubic)
	for y := range 128 {
		for x := range 128 {
			if dx, dy := x%32, y%32; dx > 8 && dx < 23 && dy > 8 && dy < 23 {
				want := uint8(0)
				if (x/32+y/32)%2 == 0 {
					want = 255
				}
				require.InDelta(t, want, big.row(y)[3*x], 3, "(%d, %d)", x, y)
			}
		}
	}
}

func TestFilterText(t *testing.T) {
	for _, f := range []Filter{Bilinear, Bicubic} {
		text, err := json.Marshal(f)
		require.NoError(t, err)
		var back Filter
		require.NoError(t, json.Unmarshal(text, &back))
		assert.Equal(t, f, back)
	}
	var f Filter
	assert.EqualError(t, f.UnmarshalText([]byte("cubic")), `data: filter "cubic" is unknown, want bilinear or bicubic`)
	_, err := Filter(7).MarshalText()
	assert.EqualError(t, err, "data: filter 7 is unknown")
	assert.Equal(t, "Filter(7)", Filter(7).String())
}

// Rows in between pass by in a window, which changes no bit: the result is that of scaling all rows in width
// first, and then each column.
func TestResizeWindow(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 1))
	for range 60 {
		img := noise(1+rng.IntN(40), 1+rng.IntN(700), rng.Uint64())
		w, h := 1+rng.IntN(50), 1+rng.IntN(300)
		f := Filter(rng.IntN(2))
		var down taps
		down.set(img.H, h, 0, h, f)
		wide, want := Resize(img, w, img.H, f), NewRGB(w, h)
		for y := range h {
			down.column(want.row(y), wide.Pix[3*w*down.first[y]:], 3*w, y)
		}
		require.Equal(t, want, Resize(img, w, h, f), "%dx%d to %dx%d, %v", img.W, img.H, w, h, f)
	}
}

// A tall or wide image costs memory in proportion to its longest side, not to that times the result's.
func TestResizeOfLongImages(t *testing.T) {
	for _, size := range []image.Point{{1, 1 << 15}, {1 << 15, 1}, {3, 1 << 15}} {
		img := NewRGB(size.X, size.Y)
		got := allocated(func() { Resize(img, 224, 224, Bicubic) })
		require.Less(t, got, 64*max(size.X, size.Y)+1<<20, "%v", size)
	}
}
