package promptcam_test

import (
	"fmt"
	"image"
	"image/color"

	"github.com/promptcam/promptcam/data"
	"github.com/promptcam/promptcam/promptcam"
	"github.com/promptcam/promptcam/promptcam/figure"
	"github.com/promptcam/promptcam/vit"
	"github.com/promptcam/promptcam/vit/heat"
)

// bird is a yellow body with a black wing before a blue sky.
func bird() image.Image {
	m := image.NewRGBA(image.Rect(0, 0, 64, 64))
	for y := range 64 {
		for x := range 64 {
			c := color.RGBA{120, 170, 230, 255}
			if (x-32)*(x-32)+(y-36)*(y-36) < 400 {
				c = color.RGBA{250, 220, 10, 255}
			}
			if x > 36 && x < 50 && y > 30 && y < 44 {
				c = color.RGBA{20, 20, 20, 255}
			}
			m.SetRGBA(x, y, c)
		}
	}
	return m
}

// The whole way from a file to a trait. The checkpoint is a small one with
// random weights; a real one's config comes from vit.Preset or vit.Detect.
func ExampleModel_Explain() {
	config := vit.Config{
		ImageSize: [2]int{32, 32}, PatchSize: 8, Dim: 48, Depth: 3, Heads: 4, Hidden: 192,
		Eps: 1e-6, Std: [3]float32{1, 1, 1},
	}
	model, err := promptcam.LoadOfficial("testdata/golden/dino/model.safetensors", config)
	if err != nil {
		fmt.Println(err)
		return
	}
	pixels := model.Backbone.Config // an official checkpoint sets mean and std to 0.5
	e, err := model.Explain(bird(), data.EvalTransform([2]int{32, 32}, pixels.Mean, pixels.Std))
	if err != nil {
		fmt.Println(err)
		return
	}
	class := e.Predicted()
	best := e.Rank(class, promptcam.BlurPatches).Heads[0].Head
	share := e.Share(class, best)
	fmt.Printf("class %d; head %d matters most, with %.0f %% of its attention on patches\n", class, best, 100*share.Patches)
	overlay := figure.Overlay(bird(), e.Heat(class, best), figure.Style{})
	fmt.Println("a picture of", overlay.Bounds().Size())
	// Output:
	// class 2; head 3 matters most, with 76 % of its attention on patches
	// a picture of (64,64)
}

// What a map is worth can be measured where it is known what it should lie on, here the wing. This
// model knows of none: its weights are random.
func ExampleExplanation_Heat() {
	config := vit.Config{
		ImageSize: [2]int{32, 32}, PatchSize: 8, Dim: 48, Depth: 3, Heads: 4, Hidden: 192,
		Eps: 1e-6, Std: [3]float32{1, 1, 1},
	}
	model, err := promptcam.LoadOfficial("testdata/golden/dino/model.safetensors", config)
	if err != nil {
		fmt.Println(err)
		return
	}
	pixels := model.Backbone.Config
	transform := data.EvalTransform([2]int{32, 32}, pixels.Mean, pixels.Std)
	photo := bird()
	e, err := model.Explain(photo, transform)
	if err != nil {
		fmt.Println(err)
		return
	}
	view := heat.View{Transform: transform, Patch: 8, Size: photo.Bounds().Size()}
	wing := view.Box(data.Box{X: 37, Y: 31, Width: 13, Height: 13})
	heat := e.Heat(2, 3)
	fmt.Printf("%.1f %% of the attention on the wing, which is %.1f %% of the image\n", 100*heat.Mass(wing), 100*wing.Area())
	fmt.Printf("the hottest patch is on it: %v; by chance %.1f %% are\n", heat.Points(wing), 100*wing.Chance())
	// Output:
	// 4.5 % of the attention on the wing, which is 4.8 % of the image
	// the hottest patch is on it: false; by chance 6.2 % are
}
