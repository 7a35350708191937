package main

import (
	"bytes"
	"fmt"
	"image/color"
	"strconv"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"

	"github.com/promptcam/promptcam/nn/fit"
)

// Blue and vermillion of the Okabe-Ito palette, which colour-blind readers tell apart.
var (
	trainColor = color.RGBA{0x00, 0x72, 0xb2, 255}
	valColor   = color.RGBA{0xd5, 0x5e, 0x00, 255}
)

// drawCurves draws loss, accuracy and learning rate over the epochs, as PNG.
func drawCurves(history fit.History) ([]byte, error) {
	of := func(value func(*fit.Entry) float64) plotter.XYs {
		points := make(plotter.XYs, len(history))
		for i, e := range history {
			points[i] = plotter.XY{X: float64(i + 1), Y: value(e)}
		}
		return points
	}
	loss, accuracy, rate := panel("loss"), panel("accuracy, %"), panel("learning rate")
	accuracy.Y.Max = 100
	accuracy.Legend.Top = false // where curves seldom are
	if err := line(loss, "training", trainColor, of(func(e *fit.Entry) float64 { return e.Loss })); err != nil {
		return nil, err
	}
	if err := line(accuracy, "training", trainColor, of(func(e *fit.Entry) float64 { return 100 * e.Accuracy })); err != nil {
		return nil, err
	}
	if err := line(rate, "", trainColor, of(func(e *fit.Entry) float64 { return e.LR })); err != nil {
		return nil, err
	}
	if _, ok := history[0].Values[valTop1]; ok {
		if err := line(loss, "validation", valColor, of(func(e *fit.Entry) float64 { return e.Values[valLoss] })); err != nil {
			return nil, err
		}
		if err := line(accuracy, "validation", valColor, of(func(e *fit.Entry) float64 { return 100 * e.Values[valTop1] })); err != nil {
			return nil, err
		}
	}
	plots := [][]*plot.Plot{{loss, accuracy, rate}}
	picture := vgimg.NewWith(vgimg.UseWH(30*vg.Centimeter, 9*vg.Centimeter), vgimg.UseDPI(96))
	pad := vg.Points(8)
	tiles := draw.Tiles{Rows: 1, Cols: 3, PadX: 2 * pad, PadTop: pad, PadBottom: pad, PadLeft: pad, PadRight: pad}
	for i, canvas := range plot.Align(plots, tiles, draw.New(picture))[0] {
		plots[0][i].Draw(canvas)
	}
	var file bytes.Buffer
	if _, err := (vgimg.PngCanvas{Canvas: picture}).WriteTo(&file); err != nil {
		return nil, fmt.Errorf("curves: %w", err)
	}
	return file.Bytes(), nil
}

// panel returns an empty plot over epochs.
func panel(title string) *plot.Plot {
	p := plot.New()
	p.Title.Text = title
	p.X.Label.Text = "epoch"
	p.X.Tick.Marker = wholeTicks{}
	p.Y.Min = 0
	p.Legend.Top = true
	for _, f := range []*font.Font{
		&p.Title.TextStyle.Font, &p.X.Label.TextStyle.Font, &p.X.Tick.Label.Font, &p.Y.Tick.Label.Font, &p.Legend.TextStyle.Font,
	} {
		f.Variant = "Sans"
	}
	p.Add(plotter.NewGrid())
	return p
}

// line adds a curve with a dot per epoch, so that a single epoch is seen too.
func line(p *plot.Plot, name string, c color.Color, points plotter.XYs) error {
	curve, dots, err := plotter.NewLinePoints(points)
	if err != nil {
		return fmt.Errorf("curves: %s: %w", p.Title.Text, err)
	}
	curve.Color, dots.Color = c, c
	curve.Width = vg.Points(1.5)
	dots.Shape, dots.Radius = draw.CircleGlyph{}, vg.Points(1.5)
	p.Add(curve, dots)
	if name != "" {
		p.Legend.Add(name, curve)
	}
	return nil
}

// wholeTicks leaves fractions of epochs without a tick.
type wholeTicks struct{}

func (wholeTicks) Ticks(low, high float64) []plot.Tick {
	var whole []plot.Tick
	for _, t := range (plot.DefaultTicks{}).Ticks(low, high) {
		if n := int(t.Value); t.Value == float64(n) {
			if t.Label != "" {
				t.Label = strconv.Itoa(n)
			}
			whole = append(whole, t)
		}
	}
	return whole
}
