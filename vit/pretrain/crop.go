package pretrain

import (
	"math"
	"math/rand/v2"

	"github.com/promptcam/promptcam/data"
	"github.com/promptcam/promptcam/tensor"
)

// crop makes a view of an image: a random part, mirrored or not, with its colours jittered, then, in this
// order and each with a probability, grey, blurred and solarised. It is DINO's augmentation, which is BYOL's
// (Grill et al., arXiv 2006.07733, appendix B).
type crop struct {
	data.Transform
	grey, blur, solarize float64
}

// colourful is the probability that the colours are jittered at all.
const colourful = 0.8

// draw writes a view of img to dst, [3, S, S].
func (c crop) draw(dst *tensor.Tensor, img *data.RGB, rng *rand.Rand) {
	t := c.Transform
	t.Height, t.Width = dst.Dim(1), dst.Dim(2)
	if rng.Float64() >= colourful {
		t.Brightness, t.Contrast, t.Saturation, t.Hue = 0, 0, 0, 0
	}
	m := t.Apply(img, rng)
	if rng.Float64() < c.grey {
		grey(m)
	}
	if rng.Float64() < c.blur {
		// DINO blurs views of 224 pixels by 0.1 to 2 pixels.
		blur(m, (0.1+float64(1.9*rng.Float64()))*float64(m.W)/224)
	}
	if rng.Float64() < c.solarize {
		solarize(m)
	}
	c.Normalise(dst.Data(), m)
}

// grey removes the colours, by the weights of ITU-R 601-2 in thousandths, as Pillow does.
func grey(m *data.RGB) {
	for i := 0; i < len(m.Pix); i += 3 {
		p := m.Pix[i : i+3 : i+3]
		v := uint8((299*int(p[0]) + 587*int(p[1]) + 114*int(p[2]) + 500) / 1000)
		p[0], p[1], p[2] = v, v, v
	}
}

// solarize inverts the values from 128 on.
func solarize(m *data.RGB) {
	for i, v := range m.Pix {
		if v >= 128 {
			m.Pix[i] = 255 - v
		}
	}
}

// blur is a Gaussian filter of this deviation in pixels, cut off at three. Edges are repeated outwards.
func blur(m *data.RGB, deviation float64) {
	reach := int(math.Ceil(3 * deviation))
	weights := make([]float64, 2*reach+1)
	var sum float64
	for i := range weights {
		x := float64(i-reach) / deviation
		weights[i] = math.Exp(-x * x / 2)
		sum += weights[i]
	}
	for i := range weights {
		weights[i] /= sum
	}
	out := make([]uint8, len(m.Pix))
	filter := func(lines, n, line, step int) { // lines of n pixels
		for l := range lines {
			for i := range n {
				for c := range 3 {
					v := 0.5
					for j, w := range weights {
						at := min(max(i+j-reach, 0), n-1)
						v += float64(w * float64(m.Pix[3*(l*line+at*step)+c]))
					}
					out[3*(l*line+i*step)+c] = uint8(v)
				}
			}
		}
		copy(m.Pix, out)
	}
	filter(m.H, m.W, m.W, 1)
	filter(m.W, m.H, 1, m.W)
}
