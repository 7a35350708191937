package heat_test

import (
	"fmt"
	"image"

	"github.com/promptcam/promptcam/data"
	"github.com/promptcam/promptcam/vit/heat"
)

func ExampleMap_Resize() {
	h := heat.Map{W: 2, H: 1, Values: []float32{0, 0.4}}
	fmt.Printf("%.3f\n", h.Resize(4, 1).Values)
	// Output: [0.000 0.081 0.319 0.428]
}

// Of signed evidence, each sign has a part of its own.
func ExampleMap_Positive() {
	h := heat.Map{W: 2, H: 2, Values: []float32{3, 1, 0, -2}}
	fmt.Println(h.Positive().Values, h.Negative().Values)
	fmt.Println(h.Positive().Focus(1))
	// Output:
	// [3 1 0 0] [0 0 0 2]
	// 0.75
}

// The model sees the whole photograph, stretched to 32x32 pixels: 2 rows of 2 patches. The
// bird's bill, known from the data set, is in the upper left.
func ExampleView() {
	view := heat.View{Transform: data.Transform{Width: 32, Height: 32}, Patch: 16, Size: image.Pt(64, 64)}
	bill := view.Box(data.Box{X: 0, Y: 0, Width: 32, Height: 16})
	fmt.Println(bill.Cover, bill.On)
	// Output: [0.5 0 0 0] [true false false false]
}

// The pointing game, and the share of the attention on a region against that of a uniform map.
func ExampleRegion() {
	bill := heat.Region{W: 2, H: 2, Cover: []float64{0.5, 0, 0, 0}, On: []bool{true, false, false, false}}
	h := heat.Map{W: 2, H: 2, Values: []float32{0.5, 0.25, 0.25, 0}}
	fmt.Println(h.Points(bill), "by chance:", bill.Chance())
	fmt.Println(h.Mass(bill), "uniform:", bill.Area())
	// Output:
	// true by chance: 0.25
	// 0.25 uniform: 0.125
}

// 45 of 50 maps hit their trait.
func ExampleBootstrap() {
	hits := make([]float64, 50)
	for i := range 45 {
		hits[i] = 1
	}
	fmt.Println(heat.DefaultBootstrap().Mean(hits))
	// Output: 90.0 % (82.0 to 98.0 %)
}

// An interval without values prints as a dash.
func ExampleInterval() {
	fmt.Println(heat.Interval{}, heat.Interval{Mean: 0.931, Low: 0.904, High: 0.956, N: 320})
	// Output: – 93.1 % (90.4 to 95.6 %)
}
