package figure_test

import (
	"context"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"os"
	"path/filepath"

	"github.com/promptcam/promptcam/promptcam"
	"github.com/promptcam/promptcam/promptcam/figure"
	"github.com/promptcam/promptcam/vit/heat"
)

func yellow() image.Image {
	m := image.NewRGBA(image.Rect(0, 0, 224, 224))
	draw.Draw(m, m.Rect, image.NewUniform(color.RGBA{250, 220, 10, 255}), image.Point{}, draw.Src)
	return m
}

func ExampleMap_Resize() {
	h := heat.Map{W: 2, H: 1, Values: []float32{0, 0.4}}
	fmt.Printf("%.3f\n", h.Resize(4, 1).Values)
	// Output: [0.000 0.081 0.319 0.428]
}

// A photograph stays as it is where a head does not look.
func ExampleOverlay() {
	h := heat.Map{W: 14, H: 14, Values: make([]float32, 196)}
	h.Values[0] = 0.3
	m := figure.Overlay(yellow(), h, figure.Style{Limit: 0.3})
	fmt.Println(m.RGBAAt(0, 0) == color.RGBA{250, 220, 10, 255}, m.RGBAAt(200, 200))
	// Output: false {250 220 10 255}
}

func ExampleReport() {
	folder, err := os.MkdirTemp("", "report")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(folder)

	h := heat.Map{W: 14, H: 14, Values: make([]float32, 196)}
	h.Values[30] = 0.6
	report := figure.Report{
		Title:   "Birds",
		Facts:   []figure.Fact{{Name: "mode", Value: "deep"}},
		Splits:  []figure.SplitResult{{Name: "test", Images: 60, Top1: 0.9, Top5: 1}},
		Classes: []figure.ClassResult{{Name: "Scott Oriole", Images: 30, Correct: 28}, {Name: "Hooded Oriole", Images: 30, Correct: 26}},
		Samples: func(yield func(figure.Sample, error) bool) {
			yield(figure.Sample{Name: "0003.jpg", Photo: yellow(), True: 0, Predicted: 0, Rows: []figure.Row{{
				Title:  "true: Scott Oriole, 61.2 %",
				Panels: []figure.Panel{{Heat: h, Head: 7, Share: promptcam.Share{Patches: 0.6, Prompts: 0.4}, Sufficient: true}},
			}}}, nil)
		},
	}
	err = report.Write(context.Background(), filepath.Join(folder, "index.html"))
	fmt.Println(err)
	// Output: <nil>
}
