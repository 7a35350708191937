package birds

import "slices"

// A Species is an invented kind of bird. Species of a genus share all but one or two traits, genera of a
// family share build and, except one species, bill.
type Species struct {
	Name, Genus, Family string
	Traits              Traits
}

// A genus is the traits that its species share and, for each species but the first, one trait of its own.
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

// A variant is a species, and the mark that distinguishes it from the first of its genus.
type variant struct {
	name string
	mark mark
}

// genera is the taxonomy. For each kind of trait but build, some two species differ in it alone.
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

// trait looks up the value's number.
func (m mark) trait() Trait {
	return Trait{m.kind, uint8(slices.Index(m.kind.Values(), m.value))}
}

// AllSpecies returns all species, grouped by family and genus.
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
