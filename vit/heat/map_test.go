package heat

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// random is a map whose values sum to share.
func random(rng *rand.Rand, w, h int, share float64) Map {
	m := Map{W: w, H: h, Values: make([]float32, w*h)}
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

func mapOf(w, h int, at func(x, y int) float32) Map {
	m := Map{W: w, H: h}
	for y := range h {
		for x := range w {
			m.Values = append(m.Values, at(x, y))
		}
	}
	return m
}

func sum(h Map) (sum float64) {
	for _, v := range h.Values {
		sum += float64(v)
	}
	return sum
}

func TestMapExtremes(t *testing.T) {
	h := Map{W: 3, H: 2, Values: []float32{0.1, 0, 0.2, 0.05, 0.3, 0.1}}
	low, high := h.Range()
	assert.Equal(t, []float32{0, 0.3}, []float32{low, high})
	low, high = Map{}.Range()
	assert.Equal(t, []float32{0, 0}, []float32{low, high})
	peak := func(h Map) [2]int {
		x, y := h.Peak()
		return [2]int{x, y}
	}
	assert.Equal(t, [2]int{1, 1}, peak(h))
	assert.Equal(t, [2]int{2, 0}, peak(Map{W: 3, H: 2, Values: []float32{0.1, 0, 0.2, 0.05, 0.2, 0.1}}), "the first of equals")
	assert.Equal(t, [2]int{-1, -1}, peak(Map{}))
	assert.Equal(t, [2]int{-1, -1}, peak(Map{W: 2, H: 1, Values: []float32{1, float32(math.NaN())}}))
	assert.Panics(t, func() { Map{W: 2, H: 2, Values: make([]float32, 3)}.Range() })
	assert.Panics(t, func() { h.Resize(0, 4) })
	assert.Panics(t, func() { Map{}.Resize(4, 4) })
}

// The 16 neighbours of each point, weighted by the Catmull-Rom polynomials of
// the distance to the left and upper one, in float64.
func TestResizeEqualsDirectSum(t *testing.T) {
	weights := func(f float64) [4]float64 {
		return [4]float64{
			(-f*f*f + 2*f*f - f) / 2,
			(3*f*f*f - 5*f*f + 2) / 2,
			(-3*f*f*f + 4*f*f + f) / 2,
			(f*f*f - f*f) / 2,
		}
	}
	rng := rand.New(rand.NewPCG(1, 2))
	for _, size := range [][4]int{{14, 14, 224, 224}, {7, 5, 31, 17}, {14, 14, 15, 14}, {1, 1, 6, 4}, {2, 3, 9, 9}, {16, 16, 518, 300}} {
		w, h, ow, oh := size[0], size[1], size[2], size[3]
		in := random(rng, w, h, 0.7)
		got := in.Resize(ow, oh)
		require.Len(t, got.Values, ow*oh)
		for y := range oh {
			sy := (float64(y)+0.5)*float64(h)/float64(oh) - 0.5
			wy := weights(sy - math.Floor(sy))
			for x := range ow {
				sx := (float64(x)+0.5)*float64(w)/float64(ow) - 0.5
				wx := weights(sx - math.Floor(sx))
				var want float64
				for j := range 4 {
					for i := range 4 {
						px := min(max(int(math.Floor(sx))-1+i, 0), w-1)
						py := min(max(int(math.Floor(sy))-1+j, 0), h-1)
						want += wy[j] * wx[i] * float64(in.Values[py*w+px])
					}
				}
				require.InDelta(t, max(0, want), got.Values[y*ow+x], 1e-7, "%v at %d, %d", size, x, y)
			}
		}
	}
}

func TestResizeProperties(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))

	t.Run("a constant stays", func(t *testing.T) {
		flat := mapOf(14, 9, func(_, _ int) float32 { return 0.005 })
		for _, size := range [][2]int{{224, 224}, {15, 9}, {5, 3}} {
			for _, v := range flat.Resize(size[0], size[1]).Values {
				require.InDelta(t, 0.005, v, 1e-9)
			}
		}
	})
	t.Run("the same size is the same map", func(t *testing.T) {
		h := random(rng, 14, 14, 1)
		assert.InDeltaSlice(t, h.Values, h.Resize(14, 14).Values, 1e-9)
	})
	t.Run("a ramp stays a ramp inside", func(t *testing.T) {
		ramp := mapOf(12, 12, func(x, y int) float32 { return 0.1 + 0.01*float32(x) + 0.02*float32(y) })
		const k = 8
		big := ramp.Resize(12*k, 12*k)
		for y := 2 * k; y < 10*k; y++ { // two patches from the edge, which is repeated
			for x := 2 * k; x < 10*k; x++ {
				want := 0.1 + 0.01*((float64(x)+0.5)/k-0.5) + 0.02*((float64(y)+0.5)/k-0.5)
				require.InDelta(t, want, big.Values[y*big.W+x], 1e-7)
			}
		}
	})
	t.Run("the peak stays in its patch", func(t *testing.T) {
		for range 50 {
			h := random(rng, 14, 14, 0.1)
			px, py := rng.IntN(14), rng.IntN(14)
			h.Values[py*14+px] = 0.8
			x, y := h.Resize(14*16, 14*16).Peak()
			assert.Equal(t, [2]int{px, py}, [2]int{x / 16, y / 16})
		}
	})
	t.Run("the mean is kept", func(t *testing.T) {
		// Away from the edges every patch weighs the same; the clamp adds a little.
		h := mapOf(14, 14, func(x, y int) float32 {
			return float32(0.01 * math.Exp(-0.1*(math.Pow(float64(x)-6, 2)+math.Pow(float64(y)-7, 2))))
		})
		assert.InEpsilon(t, sum(h), sum(h.Resize(224, 224))/256, 1e-3)
	})
	t.Run("never negative", func(t *testing.T) {
		low, _ := random(rng, 14, 14, 1).Resize(224, 200).Range()
		assert.GreaterOrEqual(t, low, float32(0))
	})
	t.Run("mirrored in, mirrored out", func(t *testing.T) {
		h := random(rng, 9, 6, 1)
		mirror := func(h Map) Map {
			return mapOf(h.W, h.H, func(x, y int) float32 { return h.Values[y*h.W+h.W-1-x] })
		}
		assert.InDeltaSlice(t, mirror(h.Resize(50, 40)).Values, mirror(h).Resize(50, 40).Values, 1e-8)
	})
}

// signed is a map of evidence.
func signed(rng *rand.Rand, w, h int) Map {
	return mapOf(w, h, func(_, _ int) float32 { return float32(rng.NormFloat64()) })
}

func negated(h Map) Map {
	return mapOf(h.W, h.H, func(x, y int) float32 { return -h.Values[y*h.W+x] })
}

func TestParts(t *testing.T) {
	h := Map{W: 3, H: 1, Values: []float32{1, 0, -2}}
	assert.Equal(t, []float32{1, 0, 0}, h.Positive().Values)
	assert.Equal(t, []float32{0, 0, 2}, h.Negative().Values)
	rng := rand.New(rand.NewPCG(7, 8))
	for range 20 {
		h := signed(rng, 5, 4)
		assert.Equal(t, h.Negative(), negated(h).Positive())
		for i, v := range h.Values {
			assert.Equal(t, v, h.Positive().Values[i]-h.Negative().Values[i])
			assert.Zero(t, min(h.Positive().Values[i], h.Negative().Values[i]))
		}
	}
}

func TestFocus(t *testing.T) {
	h := Map{W: 4, H: 1, Values: []float32{1, 6, 0, 3}}
	for n, want := range []float64{0, 0.6, 0.9, 1, 1, 1} {
		assert.InDelta(t, want, h.Focus(n), 1e-12, "%d", n)
	}
	assert.Zero(t, Map{W: 2, H: 1, Values: []float32{0, 0}}.Focus(1))
	assert.Zero(t, Map{}.Focus(1))
}

// The positive and the negative part are resized apart, so neither throws a halo of the other sign.
func TestResizeOfSignedMaps(t *testing.T) {
	rng := rand.New(rand.NewPCG(9, 10))
	for _, size := range [][4]int{{14, 14, 224, 224}, {7, 5, 31, 17}, {14, 14, 5, 3}, {1, 1, 4, 4}, {12, 12, 12, 12}} {
		h := signed(rng, size[0], size[1])
		got := h.Resize(size[2], size[3])
		positive, negative := h.Positive().Resize(size[2], size[3]), h.Negative().Resize(size[2], size[3])
		for i, v := range got.Values {
			require.Equal(t, positive.Values[i]-negative.Values[i], v)
		}
		assert.Equal(t, negated(got), negated(h).Resize(size[2], size[3]), "neither sign is preferred")
	}
	t.Run("a peak has no halo", func(t *testing.T) {
		peak := mapOf(9, 9, func(x, y int) float32 {
			switch [2]int{x, y} {
			case [2]int{2, 4}:
				return 1
			case [2]int{8, 8}:
				return -0.5
			}
			return 0
		})
		big := peak.Resize(90, 90)
		for y := range 90 {
			for x := range 90 {
				if min(x, y) < 60 { // far from the negative one
					require.GreaterOrEqual(t, big.Values[y*90+x], float32(0), "%d, %d", x, y)
				}
			}
		}
		x, y := negated(big).Peak()
		assert.Equal(t, [2]int{8, 8}, [2]int{x / 10, y / 10})
	})
	t.Run("attention keeps its bits beside a signed map", func(t *testing.T) {
		h := random(rng, 14, 14, 1)
		withOne := mapOf(14, 14, func(x, y int) float32 { return h.Values[y*14+x] })
		withOne.Values[195] = -1e-9 // far from the upper left
		a, b := h.Resize(224, 224), withOne.Resize(224, 224)
		assert.Equal(t, a.Values[:224*100], b.Values[:224*100])
	})
}

func TestStrongest(t *testing.T) {
	h := Map{W: 3, H: 2, Values: []float32{0.1, -5, 0.4, 0, 0.4, float32(math.NaN())}}
	assert.Equal(t, []int{2}, h.Strongest(1), "the first of equals")
	assert.Equal(t, []int{2, 4, 0}, h.Strongest(3))
	assert.Equal(t, []int{2, 4, 0}, h.Strongest(5), "only what is positive")
	assert.Empty(t, h.Strongest(0))
	assert.Empty(t, Map{W: 1, H: 1, Values: []float32{-1}}.Strongest(5))
}
