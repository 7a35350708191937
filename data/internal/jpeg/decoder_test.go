package jpeg

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/jpeg"
	"io"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// sameSamples requires the samples of m to be those of planes, in the blocks that hold any.
func sameSamples(t *testing.T, d *drawing, planes [][]uint8, m *Image) {
	t.Helper()
	require.Equal(t, []int{d.width, d.height, len(d.parts)}, []int{m.Width, m.Height, len(m.Planes)})
	for i, p := range m.Planes {
		require.Equal(t, 8*d.parts[i].across, p.Stride)
		for y := range p.Height {
			require.Equal(t, planes[i][y*p.Stride:][:p.Width], p.Pix[y*p.Stride:][:p.Width], "component %d, row %d", i, y)
		}
	}
}

var samplings = [][]int{
	{1, 1}, {1, 1, 1, 1, 1, 1}, {2, 1, 1, 1, 1, 1}, {1, 2, 1, 1, 1, 1}, {2, 2, 1, 1, 1, 1}, {4, 1, 1, 1, 1, 1}, {4, 2, 1, 1, 1, 1},
	{2, 2, 1, 1, 1, 2}, {2, 2, 2, 1, 1, 2}, {3, 1, 1, 1, 1, 1}, {1, 4, 1, 1, 1, 1}, {2, 4, 1, 1, 1, 1}, {1, 1, 2, 1, 2, 1}, {3, 2, 2, 3, 1, 4}, {2, 2, 2, 2, 2, 2},
	{1, 1, 1, 1, 1, 1, 1, 1}, {2, 2, 1, 1, 1, 1, 2, 2}, {4, 4, 3, 3, 2, 1, 1, 1},
}

// However coefficients are coded, the samples are the same.
func TestEncodings(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	var decoder Decoder
	for _, sampling := range samplings {
		for _, size := range []image.Point{{1, 1}, {8, 8}, {17, 9}, {50, 70}} {
			d := draw(rng, size.X, size.Y, sampling...)
			want := d.planes()
			single := []pass{}
			for k := range 64 { // each coefficient alone, and each bit of it
				for l := 3; l >= 0; l-- {
					for i := range d.parts {
						single = append(single, pass{[]int{i}, k, k, (l + 1) % 4, l})
					}
				}
			}
			for name, file := range map[string][]byte{
				"baseline":          d.baseline(evenCodes(), 0, true),
				"one by one":        d.baseline(skewedCodes(), 0, false),
				"restarts":          d.baseline(skewedCodes(), 3, true),
				"restarts of one":   d.baseline(evenCodes(), 1, false),
				"progressive":       d.progressive(evenCodes(), 0, d.passes(2, 1, 6, 64)),
				"unrefined":         d.progressive(skewedCodes(), 0, d.passes(0, 1, 64)),
				"many refinements":  d.progressive(skewedCodes(), 0, d.passes(5, 1, 2, 3, 10, 40, 64)),
				"progressive, RST":  d.progressive(evenCodes(), 5, d.passes(1, 1, 6, 64)),
				"single bits":       d.progressive(evenCodes(), 0, single),
				"extended":          bytes.Replace(d.baseline(evenCodes(), 0, true), []byte{0xff, sof0}, []byte{0xff, sof1}, 1),
				"without end":       bytes.TrimSuffix(d.baseline(evenCodes(), 0, true), []byte{0xff, eoi}),
				"trailing bytes":    append(d.baseline(evenCodes(), 0, true), "more"...),
				"second image":      append(d.progressive(evenCodes(), 0, d.passes(2, 1, 64)), d.baseline(evenCodes(), 0, true)...),
				"fill bytes":        bytes.ReplaceAll(d.baseline(evenCodes(), 0, false), []byte{0xff, sos}, []byte{0xff, 0xff, 0xff, sos}),
				"bytes in between":  bytes.ReplaceAll(d.progressive(evenCodes(), 0, d.passes(1, 1, 64)), []byte{0xff, sos}, []byte("??\xff\x00\xff\xda")),
				"comments":          bytes.ReplaceAll(d.baseline(evenCodes(), 0, false), []byte{0xff, sos}, []byte("\xff\xfe\x00\x06\xff\xd8\xff\xd9\xff\xe5\x00\x02\xff\xda")),
				"tables once again": bytes.ReplaceAll(d.baseline(evenCodes(), 0, false), []byte{0xff, sos}, append(d.begin(sof0, evenCodes()).file[2:135], 0xff, sos)),
			} {
				t.Run(fmt.Sprint(sampling, size, name), func(t *testing.T) {
					got, err := Size(file)
					require.NoError(t, err)
					require.Equal(t, size, got)
					m, err := decoder.Decode(t.Context(), file)
					require.NoError(t, err)
					sameSamples(t, d, want, m)
				})
			}
		}
	}
}

// Restart intervals may change between scans.
func TestIntervalsChange(t *testing.T) {
	d := draw(rand.New(rand.NewPCG(2, 2)), 60, 40, 2, 2, 1, 1, 1, 1)
	e := d.begin(sof0, evenCodes())
	for i, n := range []int{2, 5, 0} {
		e.restart = n
		e.segment(dri, []byte{0, uint8(n)})
		e.scan(pass{[]int{i}, 0, 63, 0, 0}, false)
	}
	m, err := new(Decoder).Decode(t.Context(), e.end())
	require.NoError(t, err)
	sameSamples(t, d, d.planes(), m)
}

// A component keeps the quantisation table that it begins with.
func TestQuantisationTableOfFirstScan(t *testing.T) {
	d := draw(rand.New(rand.NewPCG(2, 3)), 30, 20, 1, 1)
	e := d.begin(sof2, evenCodes())
	for _, p := range d.passes(1, 1, 64) {
		e.scan(p, true)
		e.segment(dqt, make([]byte, 65))
	}
	m, err := new(Decoder).Decode(t.Context(), e.end())
	require.NoError(t, err)
	sameSamples(t, d, d.planes(), m)
}

// The standard library's encoder and decoder, where they know the sampling: they round otherwise.
func TestAgainstStandardLibrary(t *testing.T) {
	for _, size := range []image.Point{{1, 1}, {40, 30}, {333, 201}} {
		for _, quality := range []int{5, 75, 100} {
			var b bytes.Buffer
			require.NoError(t, jpeg.Encode(&b, photograph(size.X, size.Y), &jpeg.Options{Quality: quality}))
			assert.True(t, compare(t, b.Bytes(), 2))
		}
	}
	rng := rand.New(rand.NewPCG(3, 3))
	for _, sampling := range samplings[:7] {
		d := draw(rng, 70, 45, sampling...)
		assert.True(t, compare(t, d.baseline(evenCodes(), 3, true), 2))
		assert.True(t, compare(t, d.progressive(skewedCodes(), 0, d.passes(2, 1, 6, 64)), 2))
	}
}

// compare reports whether both decoders read a file, and requires that their samples are within tolerance then.
func compare(t *testing.T, file []byte, tolerance int) bool {
	t.Helper()
	got, err := new(Decoder).Decode(t.Context(), file)
	if err != nil {
		require.Nil(t, got)
		return false
	}
	want, err := jpeg.Decode(bytes.NewReader(file))
	if err != nil {
		return false
	}
	require.Equal(t, want.Bounds().Max, image.Pt(got.Width, got.Height))
	plane := func(i int, pix []uint8, stride int) {
		p := got.Planes[i]
		for y := range p.Height {
			for x := range p.Width {
				a, b := int(p.Pix[y*p.Stride+x]), int(pix[y*stride+x])
				if a-b > tolerance || b-a > tolerance {
					require.Equal(t, b, a, "component %d, sample (%d, %d)", i, x, y)
				}
			}
		}
	}
	switch m := want.(type) {
	case *image.Gray:
		plane(0, m.Pix, m.Stride)
	case *image.YCbCr:
		plane(0, m.Y, m.YStride)
		plane(1, m.Cb, m.CStride)
		plane(2, m.Cr, m.CStride)
	}
	return true
}

// Without Huffman tables those of T.81 are meant, which the standard library's encoder writes.
func TestStandardTables(t *testing.T) {
	for _, m := range []image.Image{photograph(50, 40), image.NewGray(image.Rect(0, 0, 9, 9))} {
		var b bytes.Buffer
		require.NoError(t, jpeg.Encode(&b, m, nil))
		var want, got Decoder
		file := b.Bytes()
		at := bytes.Index(file, []byte{0xff, dht})
		n := 2 + int(file[at+2])<<8 + int(file[at+3])
		with, err := want.Decode(t.Context(), file)
		require.NoError(t, err)
		without, err := got.Decode(t.Context(), append(bytes.Clone(file[:at]), file[at+n:]...))
		require.NoError(t, err)
		assert.Equal(t, with, without)
	}
}

// The transform is its definition, rounded.
func TestInverse(t *testing.T) {
	rng := rand.New(rand.NewPCG(4, 4))
	wrong := 0
	for n := range 2000 {
		var b block
		for range 1 + n%20 {
			b[rng.IntN(64)>>(n%3)] = int32(rng.NormFloat64() * 200)
		}
		var got [64]uint8
		want := definition(&b)
		inverse(&b, got[:], 8)
		for i := range got {
			exact := min(max(want[i], 0), 255)
			require.InDelta(t, exact, got[i], 0.6, "%d", n) // T.83 and IEEE 1180 allow a level
			if math.Round(exact) != float64(got[i]) {
				wrong++
			}
		}
	}
	assert.Less(t, wrong, 2000*64/50)
	for dc := int32(-1300); dc < 1300; dc++ {
		var a, b [64]uint8
		inverse(&block{dc}, a[:], 8)
		flat(dc, b[:], 8)
		require.Equal(t, a, b)
	}
}

// definition is the inverse transform of T.81, A.3.3, with the samples' middle.
func definition(b *block) (samples [64]float64) {
	for y := range 8 {
		for x := range 8 {
			sum := 0.0
			for v := range 8 {
				for u := range 8 {
					c := float64(b[8*v+u]) / 4
					if u == 0 {
						c *= math.Sqrt2 / 2
					}
					if v == 0 {
						c *= math.Sqrt2 / 2
					}
					sum += c * math.Cos(float64((2*x+1)*u)*math.Pi/16) * math.Cos(float64((2*y+1)*v)*math.Pi/16)
				}
			}
			samples[8*y+x] = sum + 128
		}
	}
	return samples
}

// Which colours the planes have.
func TestModel(t *testing.T) {
	jfif := append([]byte("\xff\xe0\x00\x10JFIF\x00"), make([]byte, 9)...)
	adobe := func(transform uint8) []byte {
		return append(append([]byte("\xff\xee\x00\x0eAdobe"), make([]byte, 6)...), transform)
	}
	join := func(parts ...[]byte) []byte { return bytes.Join(parts, nil) }
	for _, c := range []struct {
		want  Model
		ids   string
		extra []byte
	}{
		{Gray, "\x01", nil},
		{Gray, "\x01", adobe(1)},
		{YCbCr, "\x01\x02\x03", nil},
		{YCbCr, "\x00\x01\x02", nil},
		{YCbCr, "\x01\x02\x03", jfif},
		{YCbCr, "\x01\x02\x03", adobe(1)},
		{YCbCr, "RGB", jfif},
		{YCbCr, "RGB", adobe(1)},
		{YCbCr, "\x01\x02\x03", join(jfif, adobe(0))},
		{RGB, "RGB", nil},
		{RGB, "\x01\x02\x03", adobe(0)},
		{CMYK, "\x01\x02\x03\x04", nil},
		{CMYK, "CMYK", nil},
		{CMYK, "\x01\x02\x03\x04", adobe(0)},
		{YCCK, "\x01\x02\x03\x04", adobe(2)},
	} {
		var sampling []int
		for range c.ids {
			sampling = append(sampling, 1, 1)
		}
		d := draw(rand.New(rand.NewPCG(5, 5)), 9, 9, sampling...)
		for i := range d.parts {
			d.parts[i].id = c.ids[i]
		}
		file := d.baseline(evenCodes(), 0, true)
		m, err := new(Decoder).Decode(t.Context(), join(file[:2], c.extra, file[2:]))
		require.NoError(t, err)
		assert.Equal(t, c.want, m.Model, "%q %q", c.ids, c.extra)
	}
}

// What a file lacks, breaks or uses decides the error.
func TestErrors(t *testing.T) {
	d := draw(rand.New(rand.NewPCG(6, 6)), 60, 40, 2, 2, 1, 1, 1, 1)
	file := d.baseline(evenCodes(), 0, true)
	scans := d.passes(2, 1, 6, 64)
	progressive := d.progressive(evenCodes(), 0, scans)
	frame := bytes.Index(file, []byte{0xff, sof0})
	with := func(at int, b byte) []byte {
		changed := bytes.Clone(file)
		changed[at] = b
		return changed
	}
	order := func(change func(s []pass) []pass) []byte {
		return d.progressive(evenCodes(), 0, change(append([]pass{}, scans...)))
	}
	turn := FormatError("scan of coefficients out of turn")
	parameters := FormatError("bad parameters of a progressive scan")
	for _, c := range []struct {
		name string
		want error
		data []byte
	}{
		{"nothing", io.ErrUnexpectedEOF, nil},
		{"one byte", io.ErrUnexpectedEOF, file[:1]},
		{"text", FormatError("no start-of-image marker"), []byte("text")},
		{"start alone", io.ErrUnexpectedEOF, file[:2]},
		{"start and end", FormatError("no picture before the end-of-image marker"), []byte{0xff, soi, 0xff, eoi}},
		{"two starts", FormatError("two start-of-image markers"), append([]byte{0xff, soi}, file...)},
		{"unknown marker", FormatError("unknown marker 0x05"), []byte{0xff, soi, 0xff, 5, 0, 2}},
		{"long segment", io.ErrUnexpectedEOF, []byte{0xff, soi, 0xff, dqt, 9, 9}},
		{"short segment", FormatError("bad length of a segment"), []byte{0xff, soi, 0xff, dqt, 0, 1}},
		{"no frame", FormatError("scan before the frame header"), []byte{0xff, soi, 0xff, sos, 0, 3, 0}},
		{"no scan", io.ErrUnexpectedEOF, append(d.begin(sof0, evenCodes()).file, bytes.Repeat([]byte{0xff, 0xfe, 0, 2}, 99)...)},
		{"no scan before the end", io.ErrUnexpectedEOF, append(d.begin(sof0, evenCodes()).end(), make([]byte, 99)...)},
		{"lossless", UnsupportedError("lossless coding"), with(frame+1, 0xc3)},
		{"hierarchical", UnsupportedError("hierarchical coding"), with(frame+1, 0xc5)},
		{"arithmetic", UnsupportedError("arithmetic coding"), with(frame+1, 0xc9)},
		{"progressive arithmetic", UnsupportedError("arithmetic coding"), with(frame+1, 0xca)},
		{"JPEG-LS", UnsupportedError("JPEG-LS"), with(frame+1, 0xf7)},
		{"12 bits", UnsupportedError("12 bits a sample"), with(frame+4, 12)},
		{"height later", UnsupportedError("height not in the frame header (DNL)"), with(frame+6, 0)},
		{"no width", FormatError("width 0"), with(frame+8, 0)},
		{"two components", UnsupportedError("2 components"), append(append(bytes.Clone(file[:frame]), 0xff, sof0, 0, 14, 8, 0, 40, 0, 60, 2, 1, 0x11, 0, 2, 0x11, 0), file[frame+19:]...)},
		{"frame's length", FormatError("bad length of the frame header"), with(frame+9, 4)},
		{"sampling 5x1", FormatError("sampling factors 5x1, want 1 to 4"), with(frame+11, 0x51)},
		{"sampling 1x0", FormatError("sampling factors 1x0, want 1 to 4"), with(frame+11, 0x10)},
		{"table 4", FormatError("bad number of a quantisation table"), with(frame+12, 4)},
		{"table 1", FormatError("no quantisation table"), with(frame+12, 1)},
		{"same name", FormatError("two components of one name"), with(frame+13, 1)},
		{"two frames", FormatError("two frame headers"), append(append(bytes.Clone(file[:frame+19]), file[frame:frame+19]...), file[frame+19:]...)},
		{"too large", FormatError("header promises 60x65320 pixels, more than "), with(frame+5, 0xff)},
		{"too many codes", FormatError("bad Huffman table: more codes than there are bits for"), []byte("\xff\xd8\xff\xc4\x00\x16\x00\x03" + string(make([]byte, 15)) + "\x01\x02\x03")},
		{"large difference", FormatError("bad Huffman table"), []byte("\xff\xd8\xff\xc4\x00\x14\x00\x01" + string(make([]byte, 15)) + "\x10")},
		{"unfinished table", FormatError("bad Huffman table"), []byte("\xff\xd8\xff\xc4\x00\x13\x00\x01" + string(make([]byte, 15)))},
		{"half table", FormatError("quantisation table is too short"), []byte("\xff\xd8\xff\xdb\x00\x04\x00\x01")},
		{"half file", io.ErrUnexpectedEOF, file[:len(file)/2]},
		{"half file with an end", io.ErrUnexpectedEOF, append(bytes.Clone(file[:len(file)/2]), 0xff, eoi)},
		{"half progressive file", io.ErrUnexpectedEOF, progressive[:len(progressive)/2]},
		{"cut between scans", io.ErrUnexpectedEOF, bytes.TrimSuffix(order(func(s []pass) []pass { return s[:4] }), []byte{0xff, eoi})},
		{"scan again", turn, order(func(s []pass) []pass { return append(s[:3], s[2]) })},
		{"first DC scan again", turn, order(func(s []pass) []pass { return append(s[:1], s[0]) })},
		{"refining scan again", turn, order(func(s []pass) []pass { return append(s[:8], s[7], s[7]) })},
		{"refining scan without a first", turn, order(func(s []pass) []pass { return append(s[:1], s[7]) })},
		{"overlapping bands", turn, order(func(s []pass) []pass { s[2].from--; return s })},
		{"skipped bit", parameters, order(func(s []pass) []pass { s[7].low--; return s })},
		{"low bit 14", parameters, order(func(s []pass) []pass { s[1].low = 14; return s })},
		{"AC with DC", parameters, order(func(s []pass) []pass { s[0].to = 5; return s })},
		{"two components' AC", parameters, order(func(s []pass) []pass { s[1].parts = []int{0, 1}; return s })},
	} {
		t.Run(c.name, func(t *testing.T) {
			m, err := new(Decoder).Decode(t.Context(), c.data)
			assert.Nil(t, m)
			assert.IsType(t, c.want, err)
			assert.ErrorContains(t, err, c.want.Error())
		})
	}
	for n := range len(file) - 4 {
		_, err := new(Decoder).Decode(t.Context(), file[:n])
		require.Error(t, err)
	}
}

// A canceled is a context that ends when it is asked for the nth time.
type canceled struct {
	context.Context
	n int
}

func (c *canceled) Err() error {
	if c.n--; c.n < 0 {
		return context.Canceled
	}
	return nil
}

func TestContext(t *testing.T) {
	d := draw(rand.New(rand.NewPCG(7, 7)), 700, 700, 2, 2, 1, 1, 1, 1)
	for name, file := range map[string][]byte{
		"baseline":    d.baseline(evenCodes(), 0, true),
		"one by one":  d.baseline(evenCodes(), 0, false),
		"progressive": d.progressive(evenCodes(), 0, d.passes(2, 1, 6, 64)),
	} {
		t.Run(name, func(t *testing.T) {
			n := 0
			for {
				_, err := new(Decoder).Decode(&canceled{t.Context(), n}, file)
				if err == nil {
					break
				}
				require.ErrorIs(t, err, context.Canceled)
				n++
			}
			assert.Greater(t, n, 44*44*6/atOnce)
		})
	}
}

// A decoder takes its memory for planes once.
func TestMemoryIsKept(t *testing.T) {
	d := draw(rand.New(rand.NewPCG(8, 8)), 900, 900, 2, 2, 1, 1, 1, 1)
	file := d.baseline(evenCodes(), 0, true)
	var decoder Decoder
	decode := func() {
		_, err := decoder.Decode(t.Context(), file)
		require.NoError(t, err)
	}
	decode()
	assert.Less(t, allocated(decode), uint64(30_000))
}
