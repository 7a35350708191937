package measure_test

import (
	"context"
	"fmt"
	"image"
	"math/rand/v2"
	"os"

	"github.com/promptcam/promptcam/data"
	"github.com/promptcam/promptcam/data/birds"
	"github.com/promptcam/promptcam/promptcam"
	"github.com/promptcam/promptcam/promptcam/measure"
	"github.com/promptcam/promptcam/promptcam/measure/drawn"
	"github.com/promptcam/promptcam/vit"
	"github.com/promptcam/promptcam/vit/heat"
)

func check(err error) {
	if err != nil {
		panic(err)
	}
}

// untrained returns a model of three species with random weights. It knows of no traits.
func untrained(classes []string) *promptcam.Model {
	rng := rand.New(rand.NewPCG(1, 2))
	b, err := vit.New(vit.Config{
		Name: "tiny", ImageSize: [2]int{32, 32}, PatchSize: 8, Dim: 24, Depth: 2, Heads: 3, Hidden: 48, Eps: 1e-6, Std: [3]float32{1, 1, 1},
	}, rng)
	check(err)
	m, err := promptcam.New(b, promptcam.Config{Mode: promptcam.Last, Classes: 3, PatchesOnly: true}, rng)
	check(err)
	m.Classes = classes
	return m
}

// flock draws four test images of each of three species.
func flock() (set *data.Set, notes *data.Annotations, remove func()) {
	dir, err := os.MkdirTemp("", "")
	check(err)
	dir += "/birds"
	check(birds.Write(context.Background(), dir, birds.Config{Species: birds.AllSpecies()[:3], Train: 1, Test: 4, Size: 32, Seed: 7}))
	set, err = data.Open(dir, data.Options{TestShare: 0.2, Seed: 1})
	check(err)
	notes, err = data.OpenAnnotations(dir)
	check(err)
	return set, notes, func() { os.RemoveAll(dir) }
}

// Where the maps of a model are, over the test images of a folder with annotations.
func ExampleRegions() {
	set, notes, remove := flock()
	defer remove()
	model := untrained(set.Classes)
	loader, err := data.NewLoader(set.FS, set.Test, data.LoaderConfig{Transform: model.Transform, Batch: 4})
	check(err)
	regions := measure.NewRegions(notes, set.FS, set.Test, model)
	explanations := model.Explanations(context.Background(), loader)
	images, err := measure.LocalizeAll(explanations, regions.Of, promptcam.BlurPatches)
	check(err)
	scores := measure.ScoreTraits(images, len(model.Classes), regions.Target, heat.DefaultBootstrap())
	fmt.Println(model.Classes[0], "differs in", regions.Traits(0))
	for _, region := range []int{measure.Trait, measure.Bird} {
		s := scores.Best[region]
		fmt.Printf("%s: %d of %d maps point at it; a random patch does in %.0f %%\n",
			regions.Names[region], int(s.Points.Mean*float64(s.Points.N)+0.5), s.Points.N, 100*s.Chance)
	}
	// Output:
	// 001.Plain_Leafling differs in [crown eye ring]
	// trait: 1 of 12 maps point at it; a random patch does in 8 %
	// bird: 9 of 12 maps point at it; a random patch does in 44 %
}

// What exchanging the one trait that tells two species apart does to the scores.
func ExampleSwap() {
	set, notes, remove := flock()
	defer remove()
	model := untrained(set.Classes)
	pairs, _ := drawn.Pairs(set.FS, notes, set.Classes, set.Test, 10)
	outcomes, err := measure.Swap(context.Background(), model, pairs, nil)
	check(err)
	score := measure.ScoreSwaps(outcomes, heat.DefaultBootstrap())
	fmt.Printf("%d of %d predictions move to the other species\n", int(score.Moved.Mean*float64(score.Moved.N)+0.5), score.Moved.N)
	// Output:
	// 0 of 16 predictions move to the other species
}

// What predictions rest on: how far their margin over the runner-up falls without the five patches that the
// top-ranked head looks at most, against five random ones. Of random weights there is nothing to see.
func ExampleDrop() {
	set, _, remove := flock()
	defer remove()
	model := untrained(set.Classes)
	loader, err := data.NewLoader(set.FS, set.Test, data.LoaderConfig{Transform: model.Transform, Batch: 4})
	check(err)
	choose := func(e *promptcam.Explanation) (measure.Removal, error) {
		best := e.Top(2)
		ranking := e.Rank(best[0], promptcam.BlurPatches)
		hottest := e.Heat(best[0], ranking.Heads[0].Head).Strongest(5)
		random := rand.New(rand.NewPCG(1, uint64(e.Index))).Perm(16)[:len(hottest)]
		return measure.Removal{Class: best[0], Rival: best[1], Patches: [][]int{hottest, random}}, nil
	}
	images, err := measure.Drop(context.Background(), model, loader, choose, nil)
	check(err)
	more := measure.CompareDrops(images, 0, 1, heat.DefaultBootstrap()).Margin
	fmt.Printf("%d images; the hottest patches matter more than random ones: %v\n", more.N, more.Low > 0)
	// Output:
	// 12 images; the hottest patches matter more than random ones: false
}

// The patches of the largest values, but none that speaks against the class.

// How often the five patches that the evidence names decide, against five random ones. Flips makes each Flip from an
// Explanation.
func ExampleScoreFlips() {
	score := measure.ScoreFlips([]measure.Flip{
		{Class: 0, Predicted: 0, Strongest: true}, {Class: 0, Predicted: 0, Strongest: true},
		{Class: 1, Predicted: 1, Strongest: true}, {Class: 1, Predicted: 1},
		{Class: 1, Predicted: 0, Strongest: true, Random: true}, // wrong anyway
	}, heat.DefaultBootstrap())
	fmt.Printf("%.0f %% of %d correct predictions flip, %.0f %% by random patches\n", 100*score.Strongest.Mean, score.Strongest.N, 100*score.Random.Mean)
	// Output: 75 % of 4 correct predictions flip, 0 % by random patches
}

// Where the smallest change lies that flips a prediction. Of random weights no few patches do so.
func ExampleMinimalEdit() {
	model := untrained([]string{"Orchard Oriole", "Scott Oriole", "Hooded Oriole"})
	photo := birds.Draw(birds.AllSpecies()[0].Traits, birds.NewScene(1), 64).RGB
	e, err := model.Explain(photo)
	check(err)
	view := heat.View{Transform: model.Transform, Patch: model.Backbone.Config.PatchSize, Size: image.Pt(photo.W, photo.H)}
	throat := view.Box(data.Box{X: 24, Y: 10, Width: 16, Height: 16})
	edit := measure.MinimalEdit(e, e.Predicted(), e.LookAlike(e.Predicted()), throat, 10)
	fmt.Println("flips:", edit.Flips, "- by patches on the throat:", edit.Touches)
	// Output: flips: false - by patches on the throat: false
}

// A drawn bird and its counterfactual.
func ExamplePair() {
	set, notes, remove := flock()
	defer remove()
	pairs, n := drawn.Pairs(set.FS, notes, set.Classes, set.Test, 10)
	for pair, err := range pairs {
		check(err)
		fmt.Printf("the first of %d: %s drawn as %s\n", n, set.Classes[pair.Class], set.Classes[pair.Other])
		break
	}
	// Output:
	// the first of 16: 001.Plain_Leafling drawn as 002.Spectacled_Leafling
}

// One photograph whose class is known, and where the bird is in it.
func ExampleLocalization() {
	model := untrained([]string{"Orchard Oriole", "Scott Oriole", "Hooded Oriole"})
	photo := birds.Draw(birds.AllSpecies()[0].Traits, birds.NewScene(1), 64).RGB
	e, err := model.Explain(photo)
	check(err)
	e.Label = 1
	view := heat.View{Transform: model.Transform, Patch: model.Backbone.Config.PatchSize, Size: image.Pt(photo.W, photo.H)}
	bird := view.Box(data.Box{X: 12, Y: 10, Width: 40, Height: 44})
	l := measure.Localize(e, []heat.Region{bird}, promptcam.BlurPatches)
	fmt.Printf("head %d: %.0f %% of its attention to patches on the bird, which is %.0f %% of the image\n", l.Top, 100*l.Heads[l.Top].Mass[0], 100*l.Area[0])
	// Output:
	// head 0: 43 % of its attention to patches on the bird, which is 43 % of the image
}

func ExampleOutcome() {
	o := measure.Outcome{
		Class: 0, Other: 1,
		Before: promptcam.Prediction{Class: 0, Predicted: 0, Scores: []float32{2, 1}},
		After:  promptcam.Prediction{Class: 1, Predicted: 1, Scores: []float32{1, 3}},
	}
	fmt.Println(o.Recognised(), o.Moved())
	// Output: true true
}

// twoHeads are the scores of two heads on four images of one class.
func twoHeads() *measure.TraitScores {
	var images []measure.Localization
	for i := range 4 {
		heads := []measure.Hits{{Mass: []float64{0.05}, Points: []bool{i == 0}}, {Mass: []float64{0.4}, Points: []bool{true}}}
		images = append(images, measure.Localization{
			Index: i, Places: measure.Places{Area: []float64{0.05}, Chance: []float64{0.1}, Hidden: []bool{false}},
			Heads: heads, Token: heads[:1], Mean: heads[0],
		})
	}
	return measure.ScoreTraits(images, 1, measure.Trait, heat.DefaultBootstrap())
}

func ExampleTraitScores() {
	scores := twoHeads()
	fmt.Printf("%.0f %% of the best head's attention is on the trait; the class token's best head has %.0f %%\n",
		100*scores.Best[measure.Trait].Mass.Mean, 100*scores.TokenBest[measure.Trait].Mass.Mean)
	// Output:
	// 40 % of the best head's attention is on the trait; the class token's best head has 5 %
}

func ExampleClassTraits() {
	fmt.Println("best head:", twoHeads().Classes[0].BestHead)
	// Output:
	// best head: 1
}

func ExampleRegionScore() {
	s := twoHeads().Best[measure.Trait]
	fmt.Printf("points at the trait in %v, by chance %.0f %%\n", s.Points, 100*s.Chance)
	// Output:
	// points at the trait in 100.0 % (100.0 to 100.0 %), by chance 10 %
}

// The map of one head on two regions, the left and the right half of an image.
func ExampleHits() {
	e, err := untrained([]string{"Orchard Oriole", "Scott Oriole", "Hooded Oriole"}).Explain(image.NewGray(image.Rect(0, 0, 32, 32)))
	check(err)
	e.Label = 1
	view := heat.View{Transform: data.EvalTransform([2]int{32, 32}, [3]float32{}, [3]float32{1, 1, 1}), Patch: 8, Size: image.Pt(32, 32)}
	left := view.Box(data.Box{Width: 16, Height: 32})
	hits := measure.Localize(e, []heat.Region{left, left.Outside()}, promptcam.BlurPatches).Heads[0]
	fmt.Printf("%.0f %% of the attention to patches is on either half; the hottest patch is on one: %v\n",
		100*(hits.Mass[0]+hits.Mass[1]), hits.Points[0] != hits.Points[1])
	// Output:
	// 100 % of the attention to patches is on either half; the hottest patch is on one: true
}

func ExampleSwapScore() {
	scored := func(a, b float32) promptcam.Prediction {
		p := promptcam.Prediction{Scores: []float32{a, b}}
		if b > a {
			p.Predicted = 1
		}
		return p
	}
	score := measure.ScoreSwaps([]measure.Outcome{
		{Class: 0, Other: 1, Before: scored(2, 0), After: scored(0, 2)},
		{Class: 0, Other: 1, Before: scored(3, 0), After: scored(1, 0)},
	}, heat.DefaultBootstrap())
	fmt.Printf("%.0f %% moved; the log odds changed by %.0f\n", 100*score.Moved.Mean, score.Margin.Mean)
	// Output: 50 % moved; the log odds changed by 3
}
