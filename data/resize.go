package data

import (
	"encoding/binary"
	"fmt"
	"image"
	"math"
	"slices"

	"github.com/promptcam/promptcam/tensor"
)

// Filter is the kernel of Resize.
type Filter int

const (
	Bilinear = Filter(tensor.Triangle) // torchvision's default
	Bicubic  = Filter(tensor.Cubic)
)

var filterNames = [...]string{"bilinear", "bicubic"}

// String returns the filter's name in settings and saved models.
func (f Filter) String() string {
	if f < 0 || int(f) >= len(filterNames) {
		return fmt.Sprintf("Filter(%d)", int(f))
	}
	return filterNames[f]
}

// MarshalText writes a filter by its name.
func (f Filter) MarshalText() ([]byte, error) {
	if f < 0 || int(f) >= len(filterNames) {
		return nil, fmt.Errorf("data: filter %d is unknown", int(f))
	}
	return []byte(filterNames[f]), nil
}

// UnmarshalText reads "bilinear" or "bicubic".
func (f *Filter) UnmarshalText(text []byte) error {
	i := slices.Index(filterNames[:], string(text))
	if i < 0 {
		return fmt.Errorf("data: filter %q is unknown, want bilinear or bicubic", text)
	}
	*f = Filter(i)
	return nil
}

// Resize returns img scaled to w x h pixels, antialiased: where it shrinks, the filter widens with the scale.
// The result is bit for bit that of Pillow's Image.resize (src/libImaging/Resample.c): weights of 22
// fractional bits, columns first, rounded to 8 bits in between. A side that keeps its length is not filtered.
// It panics if w or h is not positive, img is empty, or f is unknown.
func Resize(img *RGB, w, h int, f Filter) *RGB {
	if f != Bilinear && f != Bicubic {
		panic(fmt.Sprintf("data: Resize: filter %d is unknown", int(f)))
	}
	out := NewRGB(max(w, 0), max(h, 0))
	new(scaler).resample(out, img, img.Bounds(), image.Pt(w, h), out.Bounds(), f)
	return out
}

// A scaler resizes images. It keeps its memory, and weights that fit again, for the next one.
type scaler struct {
	across, down taps
	pair         [][3]uint64 // two rows of the image: see join
	middle       RGB         // some rows of the image, scaled in width only
}

// resample scales the part from of img to the given size, as if that part were all there is, and writes the
// pixels window of the result to dst, which is of that size. No others are computed.
func (s *scaler) resample(dst, img *RGB, from image.Rectangle, size image.Point, window image.Rectangle, f Filter) {
	if size.X <= 0 || size.Y <= 0 || from.Empty() {
		panic(fmt.Sprintf("data: Resize: from %dx%d to %dx%d: a side is not positive", from.Dx(), from.Dy(), size.X, size.Y))
	}
	if from.Size() == size {
		from = window.Add(from.Min)
		for y := range dst.H {
			copy(dst.row(y), img.row(from.Min.Y + y)[3*from.Min.X:])
		}
		return
	}
	// A side that keeps its length has the weights 1 and 0.
	s.across.set(from.Dx(), size.X, window.Min.X, window.Max.X, f)
	s.down.set(from.Dy(), size.Y, window.Min.Y, window.Max.Y, f)
	left, width := s.across.span()
	top, height := s.down.span()
	left, top = left+from.Min.X, top+from.Min.Y
	s.pair = slices.Grow(s.pair[:0], width)[:width]
	// The rows in between pass by in a window of those that a row of the result needs and as many more. All of
	// them at once would be too many for a tall image: 700 MB for one of 1 x 1,048,576 pixels.
	s.middle.resize(dst.W, min(height, max(2*s.down.count, leastRows)))
	start, end := 0, 0 // rows in the window
	for y := range dst.H {
		first := s.down.first[y] - s.down.first[0]
		if first+s.down.count > end {
			copy(s.middle.Pix, s.middle.Pix[3*dst.W*min(first-start, end-start):3*dst.W*(end-start)])
			end, start = max(end, first), first
			for stop := min(start+s.middle.H, height); end < stop; end += 2 {
				next := min(end+1, stop-1) // an odd last row twice
				join(s.pair, img.row(top + end)[3*left:], img.row(top + next)[3*left:])
				s.across.rows(s.middle.row(end-start), s.middle.row(next-start), s.pair)
			}
			end = min(start+s.middle.H, height)
		}
		s.down.column(dst.row(y), s.middle.Pix[3*dst.W*(first-start):], 3*dst.W, y)
	}
}

// leastRows are kept of an image that is scaled in width, so that few are moved.
const leastRows = 64

// taps are the source pixels and weights of each target pixel of a line.
type taps struct {
	line   line
	first  []int   // first source pixel per target pixel
	count  int     // source pixels per target pixel, some with weight 0
	weight []int32 // count per target pixel
}

// A line has in pixels and is scaled to out; those from start to before end are wanted.
type line struct {
	in, out, start, end int
	filter              Filter
}

// set makes t the taps of such a line.
func (t *taps) set(in, out, start, end int, f Filter) {
	l := line{in, out, start, end, f}
	if t.line == l {
		return
	}
	r := tensor.Resampling{In: in, Out: out, Kernel: tensor.Kernel(f)}
	n := end - start
	t.line, t.count = l, 0
	t.first = slices.Grow(t.first[:0], n)[:n]
	for i := range t.first {
		from, pixels := r.Span(start + i)
		t.first[i], t.count = from, max(t.count, pixels)
	}
	t.weight = slices.Grow(t.weight[:0], n*t.count)[:n*t.count]
	clear(t.weight)
	values := make([]float64, 0, t.count)
	for i, from := range t.first {
		t.first[i] = min(from, in-t.count)
		weight := t.weight[i*t.count+from-t.first[i]:]
		values = r.Weights(values[:0], start+i)
		for j, v := range values {
			weight[j] = int32(math.Trunc(v*(1<<precision) + math.Copysign(0.5, v)))
		}
	}
}

// span returns the first source pixel that is needed and how many.
func (t *taps) span() (first, n int) {
	return t.first[0], t.first[len(t.first)-1] + t.count - t.first[0]
}

// The products of weights and pixels are summed two by two: the halves of a uint64 are two sums, and one
// multiplication serves both. A half is a number of precision fractional bits and never negative, because it
// starts at base, far enough above what negative weights can take away: it lends or borrows nothing from the
// other half.
const (
	precision = 32 - 8 - 2 // Pillow's: 8 bits of pixel and 2 bits of overshoot
	both      = 1<<32 + 1  // times a number: that number in both halves
	mask      = 0xff * both
	base      = 256 // enough for colours made of YCbCr too, which go from -227 to 481
	begin     = (base<<precision + 1<<(precision-1)) * both
)

// limit[v] is v - base, limited to 0..255.
var limit = func() (table [1 << (32 - precision)]uint8) {
	for v := range table {
		table[v] = clip(int32(v) - base)
	}
	return table
}()

// finish returns the pixels' values of two sums.
func finish(sums uint64) (low, high uint8) {
	return limit[uint32(sums)>>precision], limit[sums>>(32+precision)]
}

// join writes the channels of the pixels of two rows side by side.
func join(pair [][3]uint64, a, b []uint8) {
	for x := range pair {
		p, q := a[3*x:3*x+3:3*x+3], b[3*x:3*x+3:3*x+3]
		v := &pair[x]
		v[0] = uint64(p[0]) | uint64(q[0])<<32
		v[1] = uint64(p[1]) | uint64(q[1])<<32
		v[2] = uint64(p[2]) | uint64(q[2])<<32
	}
}

// rows scales two rows, joined from the first pixel that is needed on.
func (t *taps) rows(a, b []uint8, pair [][3]uint64) {
	weights, start := t.weight, t.first[0]
	for i, from := range t.first {
		red, green, blue := sumPixels(weights[:t.count], pair[from-start:])
		weights = weights[t.count:]
		p, q := a[3*i:3*i+3:3*i+3], b[3*i:3*i+3:3*i+3]
		p[0], q[0] = finish(red)
		p[1], q[1] = finish(green)
		p[2], q[2] = finish(blue)
	}
}

// sumPixels returns the weighted sums of the channels of joined pixels. Inlined,
// its sums would not stay in registers.
//
//go:noinline
func sumPixels(weights []int32, pair [][3]uint64) (red, green, blue uint64) {
	red, green, blue = begin, begin, begin
	pair = pair[:len(weights)]
	for j, w := range weights {
		v, k := &pair[j], uint64(w)
		red += v[0] * k
		green += v[1] * k
		blue += v[2] * k
	}
	return red, green, blue
}

// column computes row i of the scaled image from rows stride apart, from the first that it needs.
func (t *taps) column(dst, src []uint8, stride, i int) {
	weights := t.weight[i*t.count:][:t.count]
	x := 0
	for ; x+8 <= len(dst); x += 8 {
		s04, s15, s26, s37 := sumBytes(weights, src[x:], stride)
		d := dst[x : x+8 : x+8]
		d[0], d[4] = finish(s04)
		d[1], d[5] = finish(s15)
		d[2], d[6] = finish(s26)
		d[3], d[7] = finish(s37)
	}
	for ; x < len(dst); x++ {
		sum := uint64(begin)
		for j, k := range weights {
			sum += uint64(src[j*stride+x]) * uint64(k)
		}
		dst[x], _ = finish(sum)
	}
}

// sumBytes returns the weighted sums of eight columns, 0 and 4 together and so
// on, of rows stride apart. Inlined, they would not stay in registers.
//
//go:noinline
func sumBytes(weights []int32, src []uint8, stride int) (s04, s15, s26, s37 uint64) {
	s04, s15, s26, s37 = begin, begin, begin, begin
	at := 0
	for _, w := range weights {
		v, k := binary.LittleEndian.Uint64(src[at:]), uint64(w)
		s04 += (v & mask) * k
		s15 += (v >> 8 & mask) * k
		s26 += (v >> 16 & mask) * k
		s37 += (v >> 24 & mask) * k
		at += stride
	}
	return s04, s15, s26, s37
}
