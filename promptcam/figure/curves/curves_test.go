package curves

import (
	"bytes"
	"encoding/xml"
	"image"
	"image/color"
	"image/png"
	"io"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func drawn(t *testing.T, panels ...Panel) image.Image {
	var file bytes.Buffer
	require.NoError(t, PNG(&file, panels...))
	m, err := png.Decode(&file)
	require.NoError(t, err)
	return m
}

// count returns how many pixels have colour c.
func count(m image.Image, c color.RGBA) (n int) {
	for y := range m.Bounds().Dy() {
		for x := range m.Bounds().Dx() {
			if color.RGBAModel.Convert(m.At(x, y)) == c {
				n++
			}
		}
	}
	return n
}

func TestSeriesHaveTheirColours(t *testing.T) {
	nan := math.NaN()
	m := drawn(t, Panel{Title: "loss", Series: []Series{
		{Name: "one", Points: []float64{3, 2, 1}},
		{Name: "no point", Points: []float64{nan, nan, nan}},
		{Name: "gap", Points: []float64{1, nan, 2}},
	}})
	assert.Positive(t, count(m, palette[0]))
	assert.Zero(t, count(m, palette[1]), "neither a curve nor a line in the legend")
	assert.Positive(t, count(m, palette[2]))
	assert.Positive(t, count(drawn(t, Panel{Series: []Series{{Points: []float64{0.5}}}}), palette[0]), "a single epoch")
}

func TestPanelsStandSideBySide(t *testing.T) {
	one := drawn(t, Panel{}).Bounds().Size()
	three := drawn(t, Panel{}, Panel{Title: "accuracy", Max: 100, LegendAtBottom: true}, Panel{}).Bounds().Size()
	assert.Equal(t, one.Y, three.Y)
	assert.InDelta(t, 3*one.X, three.X, 2)
}

func TestTicksAreWholeEpochs(t *testing.T) {
	for _, last := range []float64{1.5, 2, 3, 7, 450} {
		for _, tick := range (wholeTicks{}).Ticks(1, last) {
			assert.Equal(t, math.Trunc(tick.Value), tick.Value)
		}
	}
}

func TestPNGErrors(t *testing.T) {
	assert.EqualError(t, PNG(io.Discard), "curves: no panels")
	assert.ErrorContains(t, PNG(io.Discard, Panel{Title: "loss", Series: []Series{{Points: []float64{math.Inf(1)}}}}), "curves: loss: ")
}

// A drawing has no background, and its text and axes have the page's colour.
func TestSVG(t *testing.T) {
	var file bytes.Buffer
	require.NoError(t, SVG(&file, Panel{Title: "loss <1>", Series: []Series{{Name: "training", Points: []float64{3, 2, 1}}}}, Panel{Title: "accuracy"}))
	d := xml.NewDecoder(bytes.NewReader(file.Bytes()))
	for {
		_, err := d.Token()
		if err == io.EOF {
			break
		}
		require.NoError(t, err)
	}
	text := file.String()
	assert.True(t, strings.HasPrefix(text, "<svg "))
	for _, want := range []string{"loss &lt;1&gt;", ">accuracy<", ">epoch<", ">training<", "stroke:#0072B2", "stroke:currentColor", "prefers-color-scheme: dark"} {
		assert.Contains(t, text, want)
	}
	for _, wrong := range []string{"#000000", "#FFFFFF", "#ffffff"} {
		assert.NotContains(t, text, wrong)
	}
	assert.EqualError(t, SVG(&file), "curves: no panels")
	assert.ErrorContains(t, SVG(&file, Panel{Title: "loss", Series: []Series{{Points: []float64{math.Inf(1)}}}}), "loss")
}
