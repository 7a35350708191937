package figure

import (
	"fmt"
	"image"
	"image/color"
	"math"
	"strconv"

	"golang.org/x/image/font"
)

// ColorBar draws the colours of an absolute scale up to limit, as they look over a mid-grey photograph, with
// ticks in percent of a head's attention per patch and a note on a uniform map over that many patches. With
// Style.Signed it is the scale of evidence, from -limit to limit, with ticks in log odds. Under the Relative scale
// the ends are each map's own. It is width pixels wide and 52 high.
func ColorBar(width int, limit float32, patches int, s Style) *image.RGBA {
	const attention = "share of a head's attention on one patch"
	switch {
	case s.Signed:
		return s.bar(width, limit, "what one patch adds to the log odds: orange is for, blue against")
	case patches > 0:
		return s.bar(width, limit, fmt.Sprintf("%s; spread evenly over %d: %s", attention, patches, percent(1/float64(patches))))
	}
	return s.bar(width, limit, attention)
}

// bar is ColorBar with a note for the Absolute scale.
func (s Style) bar(width int, limit float32, note string) *image.RGBA {
	const side, top, bottom = 10, 2, 16 // side: room for half a tick's label
	bar := image.NewRGBA(image.Rect(0, 0, max(width, 2*side+2), barH))
	fill(bar, bar.Rect, color.White)
	span := bar.Rect.Dx() - 2*side - 1
	least := 0.0 // of the scale, up to 1
	if s.Signed {
		least = -1
	}
	for x := range span + 1 {
		fill(bar, image.Rect(side+x, top, side+x+1, bottom), s.overGrey(least+(1-least)*float64(x)/float64(span)))
	}
	t := newText(bar)
	tick := func(at float64, label string) {
		x := int(math.Round((at - least) / (1 - least) * float64(span)))
		fill(bar, image.Rect(side+x, bottom, side+x+1, bottom+4), ink)
		w := font.MeasureString(t.small, label).Round()
		t.write(min(max(0, side+x-w/2), bar.Rect.Dx()-w), bottom+15, bar.Rect.Dx(), label, t.small, ink)
	}
	switch {
	case s.Signed && s.Scale == Relative:
		tick(-1, "most against")
		tick(0, "0")
		tick(1, "most for")
	case s.Scale == Relative:
		tick(0, "least")
		tick(1, "most")
	default:
		for _, v := range ticks(float64(limit)) {
			at := 0.0
			if v > 0 {
				at = v / float64(limit)
			}
			if !s.Signed {
				tick(at, percent(v))
			} else if tick(at, plus(v)); v > 0 {
				tick(-at, plus(-v))
			}
		}
	}
	if s.Scale == Relative {
		note = "each map's own range: compare shapes, not strengths"
	}
	t.write(side, barH-5, bar.Rect.Dx()-side, note, t.small, faded)
	return bar
}

// plus writes log odds with their sign and three significant digits.
func plus(x float64) string {
	text := strconv.FormatFloat(math.Abs(x), 'g', 3, 64)
	if math.Abs(x) >= 100 {
		text = strconv.FormatFloat(math.Abs(x), 'f', 0, 64)
	}
	switch {
	case text == "0":
		return text
	case x < 0:
		return "−" + text // the sign, as wide as the plus
	}
	return "+" + text
}

// percent writes a share with two significant digits.
func percent(share float64) string {
	return strconv.FormatFloat(100*share, 'g', 2, 64) + " %"
}

// ticks returns three to six round values from 0 to at most limit.
func ticks(limit float64) []float64 {
	if !(limit > 0) || math.IsInf(limit, 0) {
		return []float64{0}
	}
	unit := math.Pow(10, math.Floor(math.Log10(limit)))
	step := unit
	switch n := limit / unit; {
	case n < 2:
		step = unit / 2
	case n >= 5:
		step = 2 * unit
	}
	var at []float64
	for i := 0; float64(i)*step <= limit*(1+1e-6); i++ {
		at = append(at, float64(i)*step)
	}
	return at
}
