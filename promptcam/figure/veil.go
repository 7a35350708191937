package figure

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"html/template"
	"image"
	"image/color"
	"math"
	"strings"

	"github.com/promptcam/promptcam/vit/heat"
)

// veil draws a map alone, in transparent colours, for the browser to stretch over the photograph. With 4
// points per patch and 128 colours it takes two or three kilobytes, an overlay twenty.
func (s Style) veil(h heat.Map, limit float32) *image.Paletted {
	const points, colours = 4, 128
	palette := make(color.Palette, colours)
	for i := range palette {
		// Opacity grows with the root of t, so squares make its steps even; even steps of t would show as
		// blotches where there is little attention.
		t := float64(i) / (colours - 1)
		palette[i] = s.shade(t * t)
	}
	m := image.NewPaletted(image.Rect(0, 0, max(1, h.W*points), max(1, h.H*points)), palette)
	if len(h.Values) == 0 {
		return m
	}
	large := h.Resize(h.W*points, h.H*points)
	level := s.level(large, limit)
	for i, v := range large.Values {
		m.Pix[i] = uint8(math.Sqrt(level(v))*(colours-1) + 0.5)
	}
	return m
}

// gradient is the colour bar as a CSS background.
func (s Style) gradient() template.CSS {
	const stops = 24
	css := make([]string, stops+1)
	for i := range css {
		c := s.overGrey(float64(i) / stops)
		css[i] = fmt.Sprintf("#%02x%02x%02x", c.R, c.G, c.B)
	}
	return template.CSS("linear-gradient(to right," + strings.Join(css, ",") + ")")
}

// dataURI returns the attribute name="data:...". The template would write each plus of base64 as five
// characters.
func dataURI(name, kind string, file []byte) template.HTMLAttr {
	return template.HTMLAttr(name + `="data:` + kind + ";base64," + base64.StdEncoding.EncodeToString(file) + `"`)
}

func pictureType(file []byte) (string, error) {
	switch start := file[:min(len(file), 1024)]; {
	case bytes.HasPrefix(start, []byte("\x89PNG")):
		return "image/png", nil
	case bytes.HasPrefix(start, []byte("\xff\xd8")):
		return "image/jpeg", nil
	case bytes.Contains(start, []byte("<svg")):
		return "image/svg+xml", nil
	default:
		return "", fmt.Errorf("curves: a file that starts with %q, want PNG, JPEG or SVG", file[:min(len(file), 8)])
	}
}
