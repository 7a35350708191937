package main

import (
	"bytes"
	"fmt"
	"image/color"
	"math"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"

	"github.com/promptcam/promptcam/vit/pretrain"
)

// Blue, vermillion and green of the Okabe-Ito palette, which colour-blind readers tell apart.
var (
	firstColor  = color.RGBA{0x00, 0x72, 0xb2, 255}
	secondColor = color.RGBA{0xd5, 0x5e, 0x00, 255}
	thirdColor  = color.RGBA{0x00, 0x9e, 0x73, 255}
)

// curve is a value over the epochs that have it.
type curve struct {
	name  string
	color color.Color
	of    func(e pretrain.Epoch) (value float64, ok bool)
}

// drawCurves draws, as PNG, the loss, of about most at the beginning, with the teacher's entropy,
// the k-NN accuracy and the learning rate.
func drawCurves(history []pretrain.Epoch, most float64) ([]byte, error) {
	taught := func(f func(e pretrain.Epoch) float64) func(pretrain.Epoch) (float64, bool) { // of DINO's teacher
		return func(e pretrain.Epoch) (float64, bool) { return f(e), e.Spread > 0 }
	}
	always := func(f func(e pretrain.Epoch) float64) func(pretrain.Epoch) (float64, bool) {
		return func(e pretrain.Epoch) (float64, bool) { return f(e), true }
	}
	of := func(a *pretrain.Accuracy, share func(*pretrain.Accuracy) float64) (float64, bool) {
		if a == nil {
			return 0, false
		}
		return 100 * share(a), true
	}
	panels := []struct {
		title  string
		most   float64
		curves []curve
	}{
		{"loss", 1.3 * most, []curve{ // with room for the legend above
			{"loss", firstColor, always(func(e pretrain.Epoch) float64 { return e.Loss })},
			{"teacher's entropy", secondColor, taught(func(e pretrain.Epoch) float64 { return e.Entropy })},
			{"of a whole batch", thirdColor, taught(func(e pretrain.Epoch) float64 { return e.Spread })},
		}},
		{"k-NN accuracy, %", 100, []curve{
			{"class token", firstColor, func(e pretrain.Epoch) (float64, bool) {
				return of(e.KNN, func(a *pretrain.Accuracy) float64 { return a.Class })
			}},
			{"and mean patch", secondColor, func(e pretrain.Epoch) (float64, bool) {
				return of(e.KNN, func(a *pretrain.Accuracy) float64 { return a.Patches })
			}},
		}},
		{"learning rate", 0, []curve{{"", firstColor, always(func(e pretrain.Epoch) float64 { return e.LR })}}},
	}
	var plots []*plot.Plot
	for _, p := range panels {
		drawn := panel(p.title, p.most)
		for _, c := range p.curves {
			if err := c.addTo(drawn, history); err != nil {
				return nil, fmt.Errorf("curves: %s: %w", p.title, err)
			}
		}
		plots = append(plots, drawn)
	}
	picture := vgimg.NewWith(vgimg.UseWH(30*vg.Centimeter, 9*vg.Centimeter), vgimg.UseDPI(96))
	pad := vg.Points(8)
	tiles := draw.Tiles{Rows: 1, Cols: len(plots), PadX: 2 * pad, PadTop: pad, PadBottom: pad, PadLeft: pad, PadRight: pad}
	for i, canvas := range plot.Align([][]*plot.Plot{plots}, tiles, draw.New(picture))[0] {
		plots[i].Draw(canvas)
	}
	var file bytes.Buffer
	if _, err := (vgimg.PngCanvas{Canvas: picture}).WriteTo(&file); err != nil {
		return nil, fmt.Errorf("curves: %w", err)
	}
	return file.Bytes(), nil
}

// panel returns an empty plot over epochs, from 0 to at least most.
func panel(title string, most float64) *plot.Plot {
	p := plot.New()
	p.Title.Text, p.X.Label.Text = title, "epoch"
	p.Y.Min, p.Y.Max = 0, most
	p.X.Tick.Marker = wholeTicks{}
	p.Legend.Top = true
	for _, f := range []*font.Font{
		&p.Title.TextStyle.Font, &p.X.Label.TextStyle.Font, &p.X.Tick.Label.Font, &p.Y.Tick.Label.Font, &p.Legend.TextStyle.Font,
	} {
		f.Variant = "Sans"
	}
	p.Add(plotter.NewGrid())
	return p
}

// wholeTicks leaves fractions of epochs without a tick.
type wholeTicks struct{}

func (wholeTicks) Ticks(low, high float64) (whole []plot.Tick) {
	for _, t := range (plot.DefaultTicks{}).Ticks(low, high) {
		if t.Value == math.Trunc(t.Value) {
			whole = append(whole, t)
		}
	}
	return whole
}

// addTo adds the curve with a dot per epoch, so that a single epoch is seen too.
func (c curve) addTo(p *plot.Plot, history []pretrain.Epoch) error {
	var points plotter.XYs
	for i, e := range history {
		if v, ok := c.of(e); ok {
			points = append(points, plotter.XY{X: float64(i + 1), Y: v})
		}
	}
	if len(points) == 0 {
		return nil
	}
	line, dots, err := plotter.NewLinePoints(points)
	if err != nil {
		return err
	}
	line.Color, dots.Color = c.color, c.color
	line.Width = vg.Points(1.5)
	dots.Shape, dots.Radius = draw.CircleGlyph{}, vg.Points(1.5)
	p.Add(line, dots)
	if c.name != "" {
		p.Legend.Add(c.name, line)
	}
	return nil
}
