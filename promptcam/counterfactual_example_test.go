package promptcam_test

import (
	"fmt"
	"image"

	"github.com/promptcam/promptcam/promptcam"
)

// The fewest patches that make the image another species, where its prompts read there what they do on average in
// this image. The model has random weights and no Reference of what they usually read.
func ExampleExplanation_Counterfactual() {
	model := open()
	e, err := model.Explain(bird())
	check(err)
	c := e.Counterfactual(e.Question(), 5)
	fmt.Println(model.Classes[e.Predicted()], "to", model.Classes[c.Winner()], "by patches", c.Patches)
	// Output: Hooded Oriole to Baltimore Oriole by patches [5 14 6 13]
}

// The fewest patches of another photograph that do so.
func ExampleExplanation_CounterfactualFrom() {
	model := open()
	e, err := model.Explain(bird())
	check(err)
	donor, err := model.Explain(image.NewGray(image.Rect(0, 0, 32, 32)))
	check(err)
	c := e.CounterfactualFrom(donor, promptcam.Between(e.Predicted(), e.Top(2)[1]), 5)
	fmt.Println(model.Classes[e.Predicted()], "to", model.Classes[c.Winner()], "by patches", c.From, "in the place of", c.Patches)
	// Output: Hooded Oriole to Baltimore Oriole by patches [10] in the place of [14]
}
