package birds

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestTaxonomy(t *testing.T) {
	all := AllSpecies()
	assert.Len(t, all, 24)
	names, birds := map[string]bool{}, map[Traits]bool{}
	family := map[string]string{}
	builds := map[string]uint8{}
	for _, s := range all {
		names[s.Name], birds[s.Traits] = true, true
		if f, ok := family[s.Genus]; ok {
			assert.Equal(t, f, s.Family, "the genus %s has one family", s.Genus)
		}
		family[s.Genus] = s.Family
		if b, ok := builds[s.Family]; ok {
			assert.Equal(t, b, s.Traits[Build], "the family %s has one build", s.Family)
		}
		builds[s.Family] = s.Traits[Build]
	}
	assert.Len(t, names, len(all), "no two names are equal")
	assert.Len(t, birds, len(all), "no two birds are equal")
	assert.Len(t, family, 8)
	assert.Len(t, builds, 6)
	seen := map[uint8]bool{}
	for _, b := range builds {
		seen[b] = true
	}
	assert.Len(t, seen, 6, "no two families have one build")
}

func TestOneTraitTellsLookAlikes(t *testing.T) {
	single := map[Kind]int{}
	genera := map[string]bool{}
	for _, a := range AllSpecies() {
		for _, b := range AllSpecies() {
			d := a.Traits.Diff(b.Traits)
			switch {
			case len(d) == 1:
				single[d[0]]++
				genera[a.Genus] = true
			case a.Genus == b.Genus:
				assert.LessOrEqual(t, len(d), 2)
			case a.Family != b.Family:
				assert.Contains(t, d, Build)
			}
		}
	}
	assert.Len(t, genera, 8, "every genus has look-alikes")
	for k := Back; k < NumKinds; k++ {
		assert.NotZero(t, single[k], "%v is all that tells some two species apart", k)
	}
}

// distinguish returns the traits of a that b does not have.
func distinguish(a, b Species) (traits []Trait) {
	for _, k := range a.Traits.Diff(b.Traits) {
		traits = append(traits, Trait{k, a.Traits[k]})
	}
	return traits
}

func TestDiff(t *testing.T) {
	all := AllSpecies()
	assert.Equal(t, []Trait{{EyeRing, 1}}, distinguish(all[1], all[0]))
	assert.Equal(t, []Trait{{EyeRing, 0}}, distinguish(all[0], all[1]))
	assert.Equal(t, "eye ring: white", distinguish(all[1], all[0])[0].String())
	assert.Empty(t, distinguish(all[1], all[1]))
	for _, a := range all {
		for _, b := range all {
			assert.Equal(t, a.Traits, b.Traits.With(distinguish(a, b)...))
		}
	}
}

func TestWithout(t *testing.T) {
	all := AllSpecies()
	assert.Equal(t, all[0].Traits, all[1].Traits.Without(EyeRing))
	assert.Equal(t, Traits{}, all[5].Traits.Without(all[5].Traits.Diff(Traits{})...))
}

func TestRandomReachesEveryTrait(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	seen := map[Trait]int{}
	for range 1000 {
		for k, v := range Random(rng) {
			seen[Trait{Kind(k), v}]++
		}
	}
	for k := range NumKinds {
		for v, name := range k.Values() {
			assert.Greater(t, seen[Trait{k, uint8(v)}], 40, "%v: %s", k, name)
		}
	}
}
