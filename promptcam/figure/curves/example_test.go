package curves_test

import (
	"bytes"
	"fmt"
	"image/png"
	"math"

	"github.com/promptcam/promptcam/promptcam/figure/curves"
)

// Two panels; the second has a value for every other epoch only.
func ExamplePNG() {
	var file bytes.Buffer
	err := curves.PNG(&file,
		curves.Panel{Title: "loss", Series: []curves.Series{
			{Name: "training", Points: []float64{2.1, 1.2, 0.7, 0.5}},
			{Name: "validation", Points: []float64{2.2, 1.4, 1.0, 0.9}},
		}},
		curves.Panel{Title: "accuracy, %", Max: 100, LegendAtBottom: true, Series: []curves.Series{
			{Points: []float64{math.NaN(), 61, math.NaN(), 84}},
		}},
	)
	if err != nil {
		fmt.Println(err)
		return
	}
	config, err := png.DecodeConfig(&file)
	fmt.Println(config.Width, config.Height, err)
	// Output: 756 340 <nil>
}
