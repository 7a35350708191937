package figure_test

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"strings"

	"github.com/promptcam/promptcam/promptcam"
	"github.com/promptcam/promptcam/promptcam/figure"
	"github.com/promptcam/promptcam/vit/heat"
)

func yellow() image.Image {
	m := image.NewRGBA(image.Rect(0, 0, 224, 224))
	draw.Draw(m, m.Rect, image.NewUniform(color.RGBA{250, 220, 10, 255}), image.Point{}, draw.Src)
	return m
}

// A map with a share of the attention on one patch in the upper left.
func corner(share float32) heat.Map {
	h := heat.Map{W: 14, H: 14, Values: make([]float32, 196)}
	h.Values[0] = share
	return h
}

// A photograph stays as it is where a head does not look.
func ExampleOverlay() {
	m := figure.Overlay(yellow(), corner(0.3), figure.Style{Limit: 0.3})
	fmt.Println(m.RGBAAt(0, 0) == color.RGBA{250, 220, 10, 255}, m.RGBAAt(200, 200))
	// Output: false {250 220 10 255}
}

func ExampleColormap() {
	fmt.Println(figure.Viridis(0), figure.Viridis(1))
	// Output: {68 1 84 255} {253 231 37 255}
}

// Each map on its own scale, in the authors' colours.
func ExampleStyle() {
	s := figure.Style{Map: figure.Jet, Scale: figure.Relative, Opacity: 1}
	strong, weak := figure.Overlay(yellow(), corner(0.3), s), figure.Overlay(yellow(), corner(0.01), s)
	fmt.Println(strong.RGBAAt(0, 0) == weak.RGBAAt(0, 0))
	// Output: true
}

// Two heads of one class over one photograph; image/png encodes the sheet in memory, WritePNG to a file.
func ExampleSheet() {
	row := figure.Row{
		Title: "predicted: Scott Oriole, 61.2 %", Blurred: 0.031,
		Panels: []figure.Panel{{Heat: corner(0.3), Head: 7, Sufficient: true}, {Heat: corner(0.1), Head: 2}},
	}
	fmt.Println(figure.Sheet(yellow(), "0003.jpg", []figure.Row{row}, figure.Style{}).Bounds().Size())
	// Output: (752,432)
}

// What tells one class from another is drawn by its sign; promptcam.Explanation.Evidence finds it.
func ExampleEvidence() {
	speaks, against := corner(2.5), heat.Map{W: 14, H: 14, Values: make([]float32, 196)}
	against.Values[195] = -0.5
	evidence := &promptcam.Evidence{
		Question: promptcam.Between(0, 1), Margin: 1.2, Baseline: -0.8,
		Heads: []promptcam.HeadEvidence{{Class: 0, Head: 7, Map: speaks, Sum: 2.5}, {Class: 1, Head: 2, Map: against, Sum: -0.5}},
	}
	row := figure.Evidence("told from Hooded Oriole", evidence, []string{"Scott_Oriole", "Hooded_Oriole"}, 1)
	fmt.Println(row.Note)
	fmt.Println(row.Panels[1].Name, row.Panels[1].Detail)
	fmt.Println(figure.Sheet(yellow(), "0003.jpg", []figure.Row{row}, figure.Style{}).Bounds().Size())
	m := figure.Overlay(yellow(), evidence.Map(), figure.Style{Signed: true, Opacity: 1})
	fmt.Println(m.RGBAAt(0, 0), m.RGBAAt(112, 112))
	// Output:
	// margin +1.2 log odds: −0.8 for what images of Hooded Oriole usually show, +2 by the patches here
	// head 7 of Scott Oriole +2.5, 125 % of all
	// (830,448)
	// {213 94 0 255} {250 220 10 255}
}

func ExampleDisplayName() {
	fmt.Println(figure.DisplayName("036.Northern_Flicker"))
	// Output: Northern Flicker
}

func ExampleClassResult() {
	fmt.Println(figure.ClassResult{Name: "Scott_Oriole", Images: 30, Correct: 27}.Accuracy())
	// Output: 0.9
}

// Where the maps point, if the data set says what is where.
func ExampleTraitTable() {
	report := figure.Report{
		Classes: []figure.ClassResult{{Name: "Scott_Oriole"}},
		Traits: &figure.TraitTable{Trait: "Trait", Head: "Best head", Top: "Top-ranked head", Rows: []figure.TraitRow{{
			Class: 0, Trait: "wing bars", Head: "head 2", Points: heat.Interval{Mean: 0.9, Low: 0.8, High: 1, N: 30}, Chance: 0.05,
			Top: "head 7", TopPoints: heat.Interval{Mean: 0.4, Low: 0.3, High: 0.5, N: 30},
		}}},
	}
	var page bytes.Buffer
	err := report.Write(context.Background(), &page)
	fmt.Println(err, strings.Contains(page.String(), "<td>wing bars</td><td>head 2</td>"))
	// Output: <nil> true
}

func ExampleReport() {
	report := figure.Report{
		Title:   "Birds",
		Facts:   []figure.Fact{{Name: "mode", Value: "deep"}},
		Splits:  []figure.SplitResult{{Name: "test", Images: 60, Top1: 0.9, Top5: 1}},
		Classes: []figure.ClassResult{{Name: "Scott_Oriole", Images: 30, Correct: 28}, {Name: "Hooded_Oriole", Images: 30, Correct: 26}},
		Samples: func(yield func(figure.Sample, error) bool) {
			yield(figure.Sample{Name: "0003.jpg", Photo: yellow(), True: 0, Predicted: 0, Rows: []figure.Row{{
				Title:  "predicted: Scott Oriole, 61.2 %",
				Panels: []figure.Panel{{Heat: corner(0.6), Head: 7, Share: promptcam.Share{Patches: 0.6, Prompts: 0.4}, Sufficient: true}},
			}}}, nil)
		},
	}
	var page bytes.Buffer // WriteFile writes to a file
	err := report.Write(context.Background(), &page)
	fmt.Println(err, strings.Contains(page.String(), "<b>90.0 %</b> of 60 test images are classified correctly (95 % interval 79.9 to 95.3 %)"))
	// Output: <nil> true
}
