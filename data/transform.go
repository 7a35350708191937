package data

import (
	"fmt"
	"image"
	"math"
	"math/rand/v2"
)

// Transform says how a photograph becomes the network's input. It is a value: comparable, and saved as JSON
// with a model. The steps, in order; a zero field leaves its step out:
//
//  1. Area: a random part of the image (torchvision's RandomResizedCrop), or
//     ResizeWidth x ResizeHeight, or ShortSide (aspect ratio kept), or else
//     straight to Width x Height;
//  2. a Width x Height crop of that, random if RandomCrop, else central;
//  3. a mirror image left to right with probability Flip;
//  4. Brightness, Contrast, Saturation, Hue in random order (torchvision's
//     ColorJitter);
//  5. Mean and Std, by Normalise.
//
// Without a random source (evaluation) step 1 ignores Area, crops are central, and steps 3 and 4 do nothing.
type Transform struct {
	Width, Height             int
	ResizeWidth, ResizeHeight int        `json:",omitzero"`
	ShortSide                 int        `json:",omitzero"`
	RandomCrop                bool       `json:",omitzero"`
	Area                      [2]float64 `json:",omitzero"` // smallest and largest share of the image, such as 0.08 and 1
	Aspect                    [2]float64 `json:",omitzero"` // narrowest and widest shape of that part; zero means 3/4 and 4/3
	Flip                      float64    `json:",omitzero"`
	Brightness                float64    `json:",omitzero"` // each of the three scales by a factor within 1 +- this
	Contrast                  float64    `json:",omitzero"`
	Saturation                float64    `json:",omitzero"`
	Hue                       float64    `json:",omitzero"` // turns the hue by at most this share of the circle, 0 to 0.5
	Filter                    Filter
	Mean, Std                 [3]float32 // of red, green, blue in units of full brightness; a zero Std means no division
}

// TrainTransform returns the authors' augmentation for images of size, height and width: resize to 15/14 of
// it (240 for 224), a random crop, a random mirror image.
func TrainTransform(size [2]int, mean, std [3]float32) Transform {
	t := EvalTransform(size, mean, std)
	t.ResizeHeight, t.ResizeWidth = size[0]*15/14, size[1]*15/14
	t.RandomCrop, t.Flip = true, 0.5
	return t
}

// EvalTransform returns the authors' evaluation: straight to size, height and
// width, whatever the aspect ratio.
func EvalTransform(size [2]int, mean, std [3]float32) Transform {
	return Transform{Width: size[1], Height: size[0], Mean: mean, Std: std}
}

// Validate returns an error that names the first field that makes no sense.
func (t Transform) Validate() error {
	fail := func(format string, args ...any) error {
		return fmt.Errorf("data: transform: "+format, args...)
	}
	exact := t.ResizeWidth != 0 || t.ResizeHeight != 0
	switch {
	case t.Width <= 0 || t.Height <= 0:
		return fail("result of %dx%d pixels: both sides must be positive", t.Width, t.Height)
	case t.Width > MaxPixels/t.Height:
		return fail("result of %dx%d pixels: more than %d", t.Width, t.Height, MaxPixels)
	case exact && t.ShortSide != 0:
		return fail("resize to %dx%d and short side %d exclude each other", t.ResizeWidth, t.ResizeHeight, t.ShortSide)
	case exact && (t.ResizeWidth < t.Width || t.ResizeHeight < t.Height || t.ResizeWidth > MaxPixels/t.ResizeHeight):
		return fail("cannot cut %dx%d pixels from a resize to %dx%d", t.Width, t.Height, t.ResizeWidth, t.ResizeHeight)
	case t.ShortSide != 0 && (t.ShortSide < max(t.Width, t.Height) || t.ShortSide > MaxPixels/t.ShortSide):
		return fail("cannot cut %dx%d pixels from a resize to short side %d", t.Width, t.Height, t.ShortSide)
	case t.Area != [2]float64{} && !(0 < t.Area[0] && t.Area[0] <= t.Area[1] && t.Area[1] <= 1):
		return fail("area from %g to %g: want shares of the image, 0 < smallest <= largest <= 1", t.Area[0], t.Area[1])
	case t.Aspect != [2]float64{} && !(0 < t.Aspect[0] && t.Aspect[0] <= t.Aspect[1] && t.Aspect[1] < math.Inf(1)):
		return fail("aspect from %g to %g: want 0 < narrowest <= widest", t.Aspect[0], t.Aspect[1])
	case !(t.Flip >= 0 && t.Flip <= 1):
		return fail("flip %g is not a probability", t.Flip)
	case !(t.Hue >= 0 && t.Hue <= 0.5):
		return fail("hue %g: want 0 to 0.5", t.Hue)
	}
	for _, f := range []struct {
		name string
		v    float64
	}{{"brightness", t.Brightness}, {"contrast", t.Contrast}, {"saturation", t.Saturation}} {
		if !(f.v >= 0 && f.v < math.Inf(1)) {
			return fail("%s %g: want a finite number, not negative", f.name, f.v)
		}
	}
	if t.Filter != Bilinear && t.Filter != Bicubic {
		return fail("filter %d is unknown", int(t.Filter))
	}
	for c := range 3 {
		m, s := float64(t.Mean[c]), float64(t.Std[c])
		if math.IsNaN(m) || math.IsInf(m, 0) || !(s >= 0 && s < math.Inf(1)) || s == 0 && t.Std != [3]float32{} {
			return fail("mean %v, std %v: want finite numbers, and std positive", t.Mean, t.Std)
		}
	}
	return nil
}

// Apply returns the Width x Height picture that the network is to see, before
// Normalise. With a nil rng the result depends on img alone. Apply does not
// change img. It panics if the transform is not valid or img is empty.
func (t Transform) Apply(img *RGB, rng *rand.Rand) *RGB {
	if err := t.Validate(); err != nil {
		panic(err)
	}
	out := NewRGB(t.Width, t.Height)
	t.apply(out, img, rng, new(scaler))
	return out
}

// apply is Apply into out, which is of the right size, for a valid transform.
func (t Transform) apply(out, img *RGB, rng *rand.Rand, s *scaler) {
	t.place(out, img, rng, s)
	if rng == nil {
		return
	}
	if t.Flip > 0 && rng.Float64() < t.Flip {
		mirror(out)
	}
	t.jitter(out, rng)
}

// place does steps 1 and 2: everything that moves pixels but the mirror.
func (t Transform) place(out, img *RGB, rng *rand.Rand, s *scaler) {
	if rng != nil && t.Area != [2]float64{} {
		s.resample(out, img, t.part(img.W, img.H, rng), image.Pt(t.Width, t.Height), out.Bounds(), t.Filter)
		return
	}
	size, corner := t.Frame(img.W, img.H)
	if rng != nil && t.RandomCrop {
		corner = image.Pt(rng.IntN(size.X-t.Width+1), rng.IntN(size.Y-t.Height+1))
	}
	s.resample(out, img, img.Bounds(), size, out.Bounds().Add(corner), t.Filter)
}

// Frame returns, without a random source, the size to which an image of w x h pixels is scaled, and the
// corner from which the result, Width x Height, is cut.
func (t Transform) Frame(w, h int) (size, corner image.Point) {
	size = image.Pt(t.Width, t.Height)
	switch {
	case t.ResizeWidth != 0:
		size = image.Pt(t.ResizeWidth, t.ResizeHeight)
	case t.ShortSide != 0 && w <= h:
		size = image.Pt(t.ShortSide, int(float64(t.ShortSide)*float64(h)/float64(w)))
	case t.ShortSide != 0:
		size = image.Pt(int(float64(t.ShortSide)*float64(w)/float64(h)), t.ShortSide)
	}
	// Halves go to the even number, as in Python's round, which torchvision uses.
	corner.X = int(math.RoundToEven(float64(size.X-t.Width) / 2))
	corner.Y = int(math.RoundToEven(float64(size.Y-t.Height) / 2))
	return size, corner
}

// part draws the part of a w x h image that a random resized crop keeps, with torchvision's rule: ten tries
// for a random area and shape, then the largest central part of an allowed shape.
func (t Transform) part(w, h int, rng *rand.Rand) image.Rectangle {
	aspect := t.Aspect
	if aspect == [2]float64{} {
		aspect = [2]float64{3. / 4, 4. / 3}
	}
	low, high := math.Log(aspect[0]), math.Log(aspect[1])
	for range 10 {
		area := float64(w) * float64(h) * (t.Area[0] + rng.Float64()*(t.Area[1]-t.Area[0]))
		shape := math.Exp(low + rng.Float64()*(high-low))
		pw, ph := math.RoundToEven(math.Sqrt(area*shape)), math.RoundToEven(math.Sqrt(area/shape))
		if pw >= 1 && pw <= float64(w) && ph >= 1 && ph <= float64(h) {
			x, y := rng.IntN(w-int(pw)+1), rng.IntN(h-int(ph)+1)
			return image.Rect(x, y, x+int(pw), y+int(ph))
		}
	}
	partW, partH := w, h
	switch shape := float64(w) / float64(h); {
	case shape < aspect[0]:
		partH = min(h, max(1, int(math.RoundToEven(float64(w)/aspect[0]))))
	case shape > aspect[1]:
		partW = min(w, max(1, int(math.RoundToEven(float64(h)*aspect[1]))))
	}
	x, y := (w-partW)/2, (h-partH)/2
	return image.Rect(x, y, x+partW, y+partH)
}

// mirror swaps left and right in place.
func mirror(m *RGB) {
	for y := range m.H {
		row := m.row(y)
		for i, j := 0, len(row)-3; i < j; i, j = i+3, j-3 {
			a, b := row[i:i+3:i+3], row[j:j+3:j+3]
			a[0], a[1], a[2], b[0], b[1], b[2] = b[0], b[1], b[2], a[0], a[1], a[2]
		}
	}
}

// Normalise writes (v/255 - Mean)/Std of each channel of img to dst, [3, H, W], with PyTorch's float32
// roundings. It panics unless dst has 3*img.W*img.H elements.
func (t Transform) Normalise(dst []float32, img *RGB) {
	n := img.W * img.H
	if len(dst) != 3*n {
		panic(fmt.Sprintf("data: Normalise: %d elements for an image of %dx%d, want %d", len(dst), img.W, img.H, 3*n))
	}
	var table [3][256]float32
	for c := range table {
		for v := range table[c] {
			x := float32(float32(v)/255) - t.Mean[c]
			if t.Std != [3]float32{} {
				x /= t.Std[c]
			}
			table[c][v] = x
		}
	}
	r, g, b := dst[:n], dst[n:2*n], dst[2*n:]
	p := img.Pix[:3*n]
	for i := range r {
		v := p[3*i : 3*i+3 : 3*i+3]
		r[i], g[i], b[i] = table[0][v[0]], table[1][v[1]], table[2][v[2]]
	}
}
