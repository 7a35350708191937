package birds

import "slices"

// A Species is a kind of bird that no book lists. Species of a genus share all but one or two
// traits, genera of a family build and, but for one species, bill.
type Species struct {
	Name, Genus, Family string
	Traits              Traits
}

// A genus is the traits its species share, and for each species the one trait of its own.
// The first species has the genus's traits alone.
type genus struct {
	name, family string
	build        uint8
	traits       []mark
	species      []variant
}

// A mark is a trait by its value's name.
type mark struct {
	kind  Kind
	value string
}

// A variant is a species, and the mark that tells it from the first of its genus.
type variant struct {
	name string
	mark mark
}

// genera is the taxonomy. Each kind of trait but build is all that tells some two species apart.
var genera = []genus{
	{"leaflings", "warblers", warbler,
		[]mark{{Back, "olive"}, {Belly, "yellow"}, {WingBars, "two white"}, {LegColour, "pink"}},
		[]variant{{name: "Plain Leafling"}, {"Spectacled Leafling", mark{EyeRing, "white"}}, {"Capped Leafling", mark{Crown, "black"}}}},
	{"reedlings", "warblers", warbler,
		[]mark{{Back, "brown"}, {Belly, "buff"}, {Throat, "white"}, {Crown, "chestnut"}, {LegColour, "pale"}},
		[]variant{{name: "Common Reedling"}, {"Rufous-vented Reedling", mark{Vent, "chestnut"}}, {"Golden Reedling", mark{Belly, "yellow"}}}},
	{"seedcrackers", "finches", finch,
		[]mark{{Back, "grey"}, {Belly, "orange"}, {Crown, "black"}, {Rump, "white"}},
		[]variant{{name: "Dusky Seedcracker"}, {"Red-billed Seedcracker", mark{BillColour, "red"}}, {"Mirror-winged Seedcracker", mark{WingPatch, "white"}}}},
	{"linlets", "finches", finch,
		[]mark{{Back, "cinnamon"}, {Belly, "white"}, {Breast, "streaks"}, {BillColour, "pale"}, {LegColour, "pink"}},
		[]variant{{name: "Streaked Linlet"}, {"White-rumped Linlet", mark{Rump, "white"}}, {"Bar-winged Linlet", mark{WingBars, "two white"}}}},
	{"dellthrushes", "thrushes", thrush,
		[]mark{{Back, "brown"}, {Belly, "white"}, {Breast, "spots"}, {EyeRing, "white"}},
		[]variant{{name: "Spotted Dellthrush"}, {"Collared Dellthrush", mark{Breast, "band"}}, {"Flame-legged Dellthrush", mark{LegColour, "orange"}}}},
	{"gnatkings", "flycatchers", flycatcher,
		[]mark{{Back, "grey"}, {Belly, "yellow"}, {Throat, "white"}},
		[]variant{{name: "Grey Gnatking"}, {"Bibbed Gnatking", mark{Throat, "black"}}, {"White-tailed Gnatking", mark{TailBand, "white"}}}},
	{"bluelings", "tits", tit,
		[]mark{{Back, "blue"}, {Belly, "white"}, {Crown, "black"}, {WingBars, "one white"}},
		[]variant{{name: "Sooty-capped Blueling"}, {"White-cheeked Blueling", mark{Cheek, "white"}}, {"Chestnut-sided Blueling", mark{Flank, "chestnut"}}}},
	{"barkdrummers", "woodpeckers", woodpecker,
		[]mark{{Back, "black"}, {Belly, "white"}, {Crown, "red"}, {WingPatch, "white"}, {Vent, "yellow"}},
		[]variant{{name: "Pied Barkdrummer"}, {"Green Barkdrummer", mark{Back, "green"}}, {"Scythe-billed Barkdrummer", mark{BillShape, "curved"}}}},
}

// trait looks the value's number up.
func (m mark) trait() Trait {
	return Trait{m.kind, uint8(slices.Index(m.kind.Values(), m.value))}
}

// AllSpecies returns all species, those of a genus and of a family one after another.
func AllSpecies() []Species {
	var all []Species
	for _, g := range genera {
		shared := Traits{}.With(Trait{Build, g.build}, Trait{BillShape, builds[g.build].bill})
		for _, m := range g.traits {
			shared = shared.With(m.trait())
		}
		for i, v := range g.species {
			s := Species{v.name, g.name, g.family, shared}
			if i > 0 {
				s.Traits = shared.With(v.mark.trait())
			}
			all = append(all, s)
		}
	}
	return all
}

// Distinguish returns the traits of a that b has not.
func Distinguish(a, b Species) []Trait {
	var traits []Trait
	for _, k := range a.Traits.Diff(b.Traits) {
		traits = append(traits, Trait{k, a.Traits[k]})
	}
	return traits
}
