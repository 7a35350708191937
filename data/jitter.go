package data

import "math/rand/v2"

// jitter changes the colours of m in place by random factors in random order,
// as torchvision's ColorJitter does with Pillow's operations.
func (t Transform) jitter(m *RGB, rng *rand.Rand) {
	if t.Brightness == 0 && t.Contrast == 0 && t.Saturation == 0 && t.Hue == 0 {
		return
	}
	factor := func(spread float64) float32 {
		low := max(0, 1-spread)
		return float32(low + rng.Float64()*(1+spread-low))
	}
	for _, step := range rng.Perm(4) {
		switch {
		case step == 0 && t.Brightness > 0:
			stretch(m, 0, factor(t.Brightness))
		case step == 1 && t.Contrast > 0:
			contrast(m, factor(t.Contrast))
		case step == 2 && t.Saturation > 0:
			saturate(m, factor(t.Saturation))
		case step == 3 && t.Hue > 0:
			turnHue(m, float32((2*rng.Float64()-1)*t.Hue))
		}
	}
}

// luma is Pillow's grey: 0.299 R + 0.587 G + 0.114 B in 16-bit fixed point.
func luma(r, g, b uint8) uint8 {
	return uint8((19595*uint32(r) + 38470*uint32(g) + 7471*uint32(b) + 1<<15) >> 16)
}

// blend moves from a to b by factor f, beyond b for f > 1, and drops the fraction, as Pillow's Image.blend
// does.
func blend(a, b uint8, f float32) uint8 {
	v := float32(a) + float32(f*(float32(b)-float32(a)))
	return uint8(min(max(v, 0), 255))
}

// stretch scales every value's distance from another by f.
func stretch(m *RGB, from uint8, f float32) {
	var table [256]uint8
	for v := range table {
		table[v] = blend(from, uint8(v), f)
	}
	for i, v := range m.Pix {
		m.Pix[i] = table[v]
	}
}

// contrast scales every value's distance from the image's mean grey by f.
func contrast(m *RGB, f float32) {
	sum := 0
	for i := 0; i+2 < len(m.Pix); i += 3 {
		sum += int(luma(m.Pix[i], m.Pix[i+1], m.Pix[i+2]))
	}
	stretch(m, uint8(float64(sum)/float64(max(1, m.W*m.H))+0.5), f)
}

// saturate scales every value's distance from its own pixel's grey by f.
func saturate(m *RGB, f float32) {
	for i := 0; i+2 < len(m.Pix); i += 3 {
		p := m.Pix[i : i+3 : i+3]
		grey := luma(p[0], p[1], p[2])
		p[0], p[1], p[2] = blend(grey, p[0], f), blend(grey, p[1], f), blend(grey, p[2], f)
	}
}

// turnHue adds turn, in circles, to every pixel's hue in the HSV model. Pillow
// rounds hue and saturation to 8 bits on the way; here they stay exact.
func turnHue(m *RGB, turn float32) {
	if turn < 0 {
		turn++
	}
	for i := 0; i+2 < len(m.Pix); i += 3 {
		p := m.Pix[i : i+3 : i+3]
		high, low := max(p[0], p[1], p[2]), min(p[0], p[1], p[2])
		if high == low {
			continue
		}
		r, g, b, span := float32(p[0]), float32(p[1]), float32(p[2]), float32(high-low)
		var hue float32 // in sixths of a circle
		switch high {
		case p[0]:
			hue = (g - b) / span
		case p[1]:
			hue = (b-r)/span + 2
		default:
			hue = (r-g)/span + 4
		}
		hue += 6 * turn // -1 to 11
		switch {
		case hue < 0:
			hue += 6
		case hue >= 6:
			hue -= 6
		}
		sector := min(int(hue), 5) // the sum with 6 may round up to 6
		part := hue - float32(sector)
		middle := float32(low) + float32(span*part) // rises in even sectors
		if sector%2 == 1 {
			middle = float32(high) - float32(span*part)
		}
		at := &hues[sector]
		p[at[0]], p[at[1]], p[at[2]] = high, uint8(middle+0.5), low
	}
}

// hues are the channels with the highest, the middle and the lowest value, by sixths of the circle.
var hues = [6][3]uint8{{0, 1, 2}, {1, 0, 2}, {1, 2, 0}, {2, 1, 0}, {2, 0, 1}, {0, 2, 1}}
