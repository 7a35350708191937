package birds

import (
	"fmt"
	"math/rand/v2"
)

// A Kind is one way in which birds differ, at a place of its own on the bird: the colour of the crown, the
// ring around the eye. Its values are numbered from 0, the absence of a mark or, if every bird has a value,
// the plainest.
type Kind uint8

// The kinds of traits. Build is the shape of the whole bird, Back and Belly are the ground colours under the
// marks; the others are small.
const (
	Build Kind = iota
	Back
	Belly
	Crown
	EyeRing
	Cheek
	Throat
	Breast
	Flank
	WingBars
	WingPatch
	Rump
	Vent
	TailBand
	BillShape
	BillColour
	LegColour
	NumKinds
)

// Traits has one value of each kind. Compare Traits with ==.
type Traits [NumKinds]uint8

// A Trait is one value of one kind, "white eye ring".
type Trait struct {
	Kind  Kind
	Value uint8
}

// A look is a value's name and its colour, if it has one.
type look struct {
	name   string
	colour colour
}

// kinds names each kind and its values.
var kinds = [NumKinds]struct {
	name   string
	values []look
}{
	Build: {"build", []look{
		warbler: {name: "warbler"}, finch: {name: "finch"}, thrush: {name: "thrush"},
		flycatcher: {name: "flycatcher"}, tit: {name: "tit"}, woodpecker: {name: "woodpecker"}}},
	Back: {"back", []look{
		{"olive", olive}, {"brown", brown}, {"grey", slate}, {"blue", blue}, {"green", green}, {"black", black}, {"cinnamon", cinnamon}}},
	Belly:   {"belly", []look{{"white", white}, {"yellow", yellow}, {"buff", buff}, {"orange", orange}, {"grey", grey}}},
	Crown:   {"crown", []look{{name: "none"}, {"black", black}, {"red", red}, {"yellow", yellow}, {"white", white}, {"chestnut", chestnut}}},
	EyeRing: {"eye ring", []look{{name: "none"}, {"white", white}, {"yellow", yellow}, {"red", red}}},
	Cheek:   {"cheek", []look{{name: "none"}, {"black", black}, {"white", white}, {"chestnut", chestnut}}},
	Throat:  {"throat", []look{{name: "none"}, {"black", black}, {"yellow", yellow}, {"red", red}, {"white", white}}},
	Breast: {"breast", []look{
		plainBreast: {name: "none"}, streakedBreast: {"streaks", black}, spottedBreast: {"spots", black},
		bandedBreast: {"band", black}, pinnedBreast: {"central spot", black}}},
	Flank:      {"flank", []look{{name: "none"}, {"chestnut", chestnut}, {"yellow", yellow}, {"black", black}}},
	WingBars:   {"wing bars", []look{noBars: {name: "none"}, oneBar: {"one white", white}, twoBars: {"two white", white}, yellowBars: {"two yellow", yellow}}},
	WingPatch:  {"wing patch", []look{{name: "none"}, {"white", white}, {"yellow", yellow}, {"red", red}}},
	Rump:       {"rump", []look{{name: "none"}, {"yellow", yellow}, {"white", white}, {"red", red}}},
	Vent:       {"vent", []look{{name: "none"}, {"chestnut", chestnut}, {"yellow", yellow}, {"black", black}}},
	TailBand:   {"tail band", []look{{name: "none"}, {"white", white}, {"yellow", yellow}, {"chestnut", chestnut}}},
	BillShape:  {"bill shape", []look{thin: {name: "thin"}, stout: {name: "stout"}, conical: {name: "conical"}, hooked: {name: "hooked"}, chisel: {name: "chisel"}, curved: {name: "curved"}}},
	BillColour: {"bill colour", []look{{"dark", charcoal}, {"yellow", billYellow}, {"red", billRed}, {"pale", ivory}}},
	LegColour:  {"leg colour", []look{{"dark", charcoal}, {"orange", legOrange}, {"pink", pink}, {"pale", ivory}}},
}

// String is the kind's name, "eye ring".
func (k Kind) String() string { return kinds[k].name }

// Values are the names of the kind's values.
func (k Kind) Values() []string {
	names := make([]string, len(kinds[k].values))
	for i, v := range kinds[k].values {
		names[i] = v.name
	}
	return names
}

// String names kind and value, "eye ring: white".
func (t Trait) String() string { return t.Kind.String() + ": " + kinds[t.Kind].values[t.Value].name }

// check panics if the kind has no such value.
func (t Trait) check() {
	if t.Kind >= NumKinds || int(t.Value) >= len(kinds[t.Kind].values) {
		panic(fmt.Sprintf("birds: trait of kind %d has value %d: there is none", t.Kind, t.Value))
	}
}

// With returns t with the given traits in place of its own. It panics if a trait has a value that its kind
// does not have.
func (t Traits) With(traits ...Trait) Traits {
	for _, u := range traits {
		u.check()
		t[u.Kind] = u.Value
	}
	return t
}

// Without returns t with value 0 for the given kinds: without these marks.
func (t Traits) Without(kinds ...Kind) Traits {
	for _, k := range kinds {
		t[k] = 0
	}
	return t
}

// Diff returns the kinds in which t and u differ, in order.
func (t Traits) Diff(u Traits) []Kind {
	var d []Kind
	for k := range NumKinds {
		if t[k] != u[k] {
			d = append(d, k)
		}
	}
	return d
}

// colour is the colour of t's value of kind k, black if it has none.
func (t Traits) colour(k Kind) colour { return kinds[k].values[t[k]].colour }

// Random combines traits at random: each value of a kind is equally likely, but half of the birds lack any
// one mark, and four in nine have the bill of their build.
func Random(rng *rand.Rand) Traits {
	var t Traits
	for k := range NumKinds {
		n := len(kinds[k].values)
		switch {
		case kinds[k].values[0].name != "none":
			t[k] = uint8(rng.IntN(n))
		case rng.IntN(2) == 1:
			t[k] = uint8(1 + rng.IntN(n-1))
		}
	}
	if rng.IntN(3) == 0 {
		t[BillShape] = builds[t[Build]].bill
	}
	return t
}

// A colour is red, green and blue in sRGB.
type colour [3]uint8

// The colours of plumage. Each remains distinct in the warmest and in the dimmest light of a Scene.
var (
	black      = colour{38, 36, 40}
	charcoal   = colour{58, 56, 62}
	slate      = colour{104, 118, 136}
	grey       = colour{176, 180, 186}
	white      = colour{240, 239, 234}
	ivory      = colour{232, 214, 178}
	buff       = colour{226, 194, 148}
	brown      = colour{128, 98, 70}
	cinnamon   = colour{188, 128, 80}
	chestnut   = colour{142, 60, 34}
	olive      = colour{126, 132, 72}
	green      = colour{82, 134, 76}
	blue       = colour{78, 116, 176}
	yellow     = colour{242, 204, 52}
	orange     = colour{238, 142, 52}
	red        = colour{204, 46, 40}
	pink       = colour{232, 150, 142}
	billYellow = colour{240, 190, 40}
	billRed    = colour{214, 62, 34}
	legOrange  = colour{236, 124, 30}
)
