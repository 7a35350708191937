package birds_test

import (
	"fmt"
	"image"
	"math/rand/v2"

	"github.com/promptcam/promptcam/data/birds"
)

// A species, its look-alike, and the same bird without what tells them apart.
func Example() {
	all := birds.AllSpecies()
	plain, spectacled := all[0], all[1]
	fmt.Println(spectacled.Name, "differs in", spectacled.Traits.Diff(plain.Traits))

	scene := birds.NewScene(7)
	bird := birds.Draw(spectacled.Traits, scene, 128)
	erased := birds.Draw(spectacled.Traits.Without(birds.EyeRing), scene, 128)
	place := bird.Places[birds.EyeRing].Bounds()
	changed, outside := 0, 0
	for y := range 128 {
		for x := range 128 {
			if bird.RGB.At(x, y) != erased.RGB.At(x, y) {
				changed++
				if !image.Pt(x, y).In(place) {
					outside++
				}
			}
		}
	}
	fmt.Println(changed > 0, outside) // something changed, nothing outside the ring's box
	// Output:
	// Spectacled Leafling differs in [eye ring]
	// true 0
}

func ExampleRandom() {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 2 {
		bird := birds.Random(rng)
		m := birds.Draw(bird, birds.NewScene(rng.Uint64()), 96)
		fmt.Println(m.RGB.Bounds(), birds.Trait{Kind: birds.Back, Value: bird[birds.Back]})
	}
	// Output:
	// (0,0)-(96,96) back: green
	// (0,0)-(96,96) back: black
}
