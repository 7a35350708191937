package birds

import (
	"fmt"
	"hash/crc32"
	"image"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
)

// sum is a checksum of all that an image holds.
func sum(m *Image) uint32 {
	h := crc32.NewIEEE()
	h.Write(m.RGB.Pix)
	for _, mask := range append(m.Parts[:], m.Places[:]...) {
		fmt.Fprint(h, mask.Rect)
		h.Write(mask.Pix)
	}
	return h.Sum32()
}

// others returns the traits that differ from t in kind k alone.
func others(t Traits, k Kind) []Traits {
	var all []Traits
	for v := range kinds[k].values {
		if u := t.With(Trait{k, uint8(v)}); u != t {
			all = append(all, u)
		}
	}
	return all
}

func TestDrawSameBits(t *testing.T) {
	all := AllSpecies()
	var got []uint32
	for i, size := range []int{128, 1024, 96, 224, 77, 32} {
		got = append(got, sum(Draw(all[4*i].Traits, NewScene(uint64(i)), size)))
	}
	rng := rand.New(rand.NewPCG(1, 2))
	h := crc32.NewIEEE()
	for range 100 {
		fmt.Fprint(h, sum(Draw(Random(rng), NewScene(rng.Uint64()), 128)))
	}
	assert.Equal(t, []uint32{0x17e66f07, 0x452615b9, 0x12dfc9fc, 0xa485a843, 0xcdd56205, 0x9621f7d9, 0xd0bcf0f9}, append(got, h.Sum32()))
}

// Drawing one after another leaves nothing behind of the one before.
func TestDrawIsAFunction(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for range 20 {
		bird, scene := Random(rng), NewScene(rng.Uint64())
		first := sum(Draw(bird, scene, 96))
		Draw(Random(rng), NewScene(rng.Uint64()), 96)
		assert.Equal(t, first, sum(Draw(bird, scene, 96)))
	}
}

func TestExchangedTraitStaysInItsPlace(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	changed := make([]int, NumKinds)
	for i := range 24 {
		size := []int{128, 96, 200}[i%3]
		bird, scene := Random(rng), NewScene(rng.Uint64())
		m := Draw(bird, scene, size)
		for k := range NumKinds {
			for _, other := range others(bird, k) {
				n := Draw(other, scene, size)
				near := func(x, y int) bool {
					for dy := -1; dy <= 1; dy++ {
						for dx := -1; dx <= 1; dx++ {
							if m.Places[k].AlphaAt(x+dx, y+dy).A > 0 || n.Places[k].AlphaAt(x+dx, y+dy).A > 0 {
								return true
							}
						}
					}
					return false
				}
				outside := 0
				for i := range size * size {
					if a, b := m.RGB.Pix[3*i:3*i+3], n.RGB.Pix[3*i:3*i+3]; a[0] != b[0] || a[1] != b[1] || a[2] != b[2] {
						changed[k]++
						if !near(i%size, i/size) {
							outside++
						}
					}
				}
				assert.Zero(t, outside, "%v to %v", Trait{k, bird[k]}, Trait{k, other[k]})
			}
		}
	}
	for k, n := range changed {
		assert.NotZero(t, n, Kind(k))
	}
}

// sameInk tells whether exchanging t for u in kind k is no change: black cheeks on a black bird.
func sameInk(t, u Traits, k Kind) bool {
	ground := Back
	if k == Throat || k == Flank || k == Vent {
		ground = Belly
	}
	ink := func(t Traits) colour {
		if t[k] == 0 && k != Back && k != Belly && k != BillColour && k != LegColour {
			return t.colour(ground)
		}
		return t.colour(k)
	}
	return ink(t) == ink(u)
}

// Where a trait is painted, all of its place changes with it.
func TestExchangedTraitFillsItsPlace(t *testing.T) {
	scene := NewScene(3)
	scene.Cover = NoCover
	for _, s := range AllSpecies() {
		m := Draw(s.Traits, scene, 128)
		for k := Back; k < NumKinds; k++ {
			if k == Breast || k == BillShape { // streaks have gaps, and bills have more in common than not
				continue
			}
			for _, other := range others(s.Traits, k) {
				if sameInk(s.Traits, other, k) {
					continue
				}
				if k == WingBars && (s.Traits[k] == oneBar || other[k] == oneBar) {
					continue // the other bar stays
				}
				n := Draw(other, scene, 128)
				same, covered := 0, 0
				for y := range 128 {
					for x := range 128 {
						if m.Places[k].AlphaAt(x, y).A < 200 {
							continue
						}
						covered++
						i := 3 * (128*y + x)
						if m.RGB.Pix[i] == n.RGB.Pix[i] && m.RGB.Pix[i+1] == n.RGB.Pix[i+1] && m.RGB.Pix[i+2] == n.RGB.Pix[i+2] {
							same++
						}
					}
				}
				assert.Less(t, 20*same, covered, "%s: %v to %v", s.Name, Trait{k, s.Traits[k]}, Trait{k, other[k]})
			}
		}
	}
}

func TestMasks(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 8))
	for range 100 {
		m := Draw(Random(rng), NewScene(rng.Uint64()), 128)
		worst, out := 0, 0
		for y := range 128 {
			for x := range 128 {
				bird := int(m.Places[Build].AlphaAt(x, y).A)
				parts := 0
				for _, mask := range m.Parts {
					parts += int(mask.AlphaAt(x, y).A)
				}
				worst = max(worst, parts-bird, bird-parts)
				for _, mask := range m.Places {
					out = max(out, int(mask.AlphaAt(x, y).A)-bird)
				}
			}
		}
		assert.LessOrEqual(t, worst, 8, "the parts make up the bird")
		assert.LessOrEqual(t, out, 8, "the places lie on the bird")
		for _, mask := range append(m.Parts[:], m.Places[:]...) {
			assert.True(t, mask.Rect.In(image.Rect(0, 0, 128, 128)))
		}
	}
}

// What a species is known by is seen in nearly all of its images.
func TestTraitsAreVisible(t *testing.T) {
	const scenes = 50
	for _, s := range AllSpecies() {
		var seen [NumKinds]int
		for i := range scenes {
			m := Draw(s.Traits, NewScene(uint64(i)), 128)
			for k, mask := range m.Places {
				if Visible(mask, 128) {
					seen[k]++
				}
			}
		}
		for k, n := range seen {
			assert.GreaterOrEqual(t, n, 95*scenes/100, "%s: %v", s.Name, Kind(k))
		}
	}
}

func TestDrawPanics(t *testing.T) {
	assert.PanicsWithValue(t, "birds: Draw: size 16 is not from 32 to 1024", func() { Draw(Traits{}, Scene{}, 16) })
	assert.PanicsWithValue(t, "birds: trait of kind 4 has value 9: there is none", func() { Draw(Traits{EyeRing: 9}, Scene{}, 64) })
	assert.PanicsWithValue(t, "birds: trait of kind 17 has value 0: there is none", func() { Traits{}.With(Trait{NumKinds, 0}) })
}
