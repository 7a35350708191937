// Package curves draws training curves with gonum/plot. It is a package of its own so that other programs
// need not build gonum/plot.
package curves

import (
	"bytes"
	"errors"
	"fmt"
	"image/color"
	"io"
	"math"
	"strconv"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"
	"gonum.org/v1/plot/vg/vgsvg"
)

// Panel is one pair of axes: epochs from 1, values from 0.
type Panel struct {
	Title  string
	Max    float64  // end of the vertical axis, unless a value is larger
	Series []Series // at most 8 have colours of their own

	LegendAtBottom bool // on the right; otherwise it is at the top right
}

// Series is one curve.
type Series struct {
	Name   string    // in the legend; "" leaves it out
	Points []float64 // by epoch; the curve skips NaN
}

// palette is Okabe and Ito's, which colour-blind readers tell apart: blue, vermillion, bluish green, reddish
// purple, orange, sky blue, black, yellow.
var palette = [...]color.RGBA{
	{0x00, 0x72, 0xb2, 255}, {0xd5, 0x5e, 0x00, 255}, {0x00, 0x9e, 0x73, 255}, {0xcc, 0x79, 0xa7, 255},
	{0xe6, 0x9f, 0x00, 255}, {0x56, 0xb4, 0xe9, 255}, {0x00, 0x00, 0x00, 255}, {0xf0, 0xe4, 0x42, 255},
}

// The size of a panel, at 96 pixels per inch: 378 x 340 pixels.
const (
	panelWidth, panelHeight = 10 * vg.Centimeter, 9 * vg.Centimeter
	pad                     = 8 // points
)

// PNG writes the panels side by side as one picture. No panels and an infinite point are errors.
func PNG(w io.Writer, panels ...Panel) error {
	width, height := size(panels)
	picture := vgimg.NewWith(vgimg.UseWH(width, height), vgimg.UseDPI(96))
	if err := drawPanels(picture, panels, color.White); err != nil {
		return err
	}
	if _, err := (vgimg.PngCanvas{Canvas: picture}).WriteTo(w); err != nil {
		return fmt.Errorf("curves: %w", err)
	}
	return nil
}

// SVG writes the panels as PNG does, as a drawing without a background. Its axes and text are black on bright
// pages and light on dark ones.
func SVG(w io.Writer, panels ...Panel) error {
	width, height := size(panels)
	picture := vgsvg.New(width, height)
	if err := drawPanels(picture, panels, nil); err != nil {
		return err
	}
	var text bytes.Buffer
	if _, err := picture.WriteTo(&text); err != nil {
		return fmt.Errorf("curves: %w", err)
	}
	_, body, _ := strings.Cut(text.String(), "<svg ")
	body = strings.Replace(body, ">", `><style>svg { color: #1d1d1f; } @media (prefers-color-scheme: dark) { svg { color: #ececea; } } text { fill: currentColor; }</style>`, 1)
	// The library writes black and its fonts' own name.
	body = strings.NewReplacer("#000000", "currentColor", "font-family:Liberation Sans", "font-family:Liberation Sans,Arial,sans-serif").Replace(body)
	if _, err := io.WriteString(w, "<svg "+body); err != nil {
		return fmt.Errorf("curves: %w", err)
	}
	return nil
}

func size(panels []Panel) (width, height vg.Length) {
	return panelWidth * vg.Length(max(1, len(panels))), panelHeight
}

func drawPanels(canvas vg.CanvasSizer, panels []Panel, background color.Color) error {
	if len(panels) == 0 {
		return errors.New("curves: no panels")
	}
	var plots []*plot.Plot
	for _, p := range panels {
		drawn, err := p.plot()
		if err != nil {
			return fmt.Errorf("curves: %s: %w", p.Title, err)
		}
		drawn.BackgroundColor = background
		plots = append(plots, drawn)
	}
	tiles := draw.Tiles{
		Rows: 1, Cols: len(plots), PadX: vg.Points(2 * pad),
		PadTop: vg.Points(pad), PadBottom: vg.Points(pad), PadLeft: vg.Points(pad), PadRight: vg.Points(pad),
	}
	for i, c := range plot.Align([][]*plot.Plot{plots}, tiles, draw.New(canvas))[0] {
		plots[i].Draw(c)
	}
	return nil
}

func (panel Panel) plot() (*plot.Plot, error) {
	p := plot.New()
	p.Title.Text, p.X.Label.Text = panel.Title, "epoch"
	p.Y.Min, p.Y.Max = 0, panel.Max
	p.X.Tick.Marker = wholeTicks{}
	p.Legend.Top = !panel.LegendAtBottom
	for _, f := range []*font.Font{
		&p.Title.TextStyle.Font, &p.X.Label.TextStyle.Font, &p.X.Tick.Label.Font, &p.Y.Tick.Label.Font, &p.Legend.TextStyle.Font,
	} {
		f.Variant = "Sans"
	}
	p.Add(plotter.NewGrid())
	for i, s := range panel.Series {
		if err := s.addTo(p, palette[i%len(palette)]); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// addTo draws the series with a dot per epoch, so that a single epoch is visible too.
func (s Series) addTo(p *plot.Plot, c color.Color) error {
	var points plotter.XYs
	for i, v := range s.Points {
		if !math.IsNaN(v) {
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
	line.Color, dots.Color = c, c
	line.Width = vg.Points(1.5)
	dots.Shape, dots.Radius = draw.CircleGlyph{}, vg.Points(1.5)
	p.Add(line, dots)
	if s.Name != "" {
		p.Legend.Add(s.Name, line)
	}
	return nil
}

// wholeTicks puts no ticks at fractions of epochs.
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
