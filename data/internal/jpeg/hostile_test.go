package jpeg

import (
	"bytes"
	"context"
	"encoding/binary"
	"image"
	"io"
	"math/rand/v2"
	"runtime"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// allocated is how many bytes do takes from the heap, returned ones too.
func allocated(do func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	do()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// A counted is a context that counts how often it is asked: once for each segment and for at most atOnce blocks.
type counted struct {
	context.Context
	n int
}

func (c *counted) Err() error {
	c.n++
	return nil
}

// blank is a grey or coloured picture without coefficients.
func blank(w, h int, sampling ...int) *drawing {
	d := draw(rand.New(rand.NewPCG(1, 1)), w, h, sampling...)
	for i := range d.parts {
		clear(d.parts[i].blocks)
	}
	return d
}

// Files made to cost much for their length: memory and blocks stay in proportion to it.
func TestHostileFiles(t *testing.T) {
	// resize changes the size in the frame header.
	resize := func(file []byte, frame byte, w, h int) []byte {
		at := bytes.Index(file, []byte{0xff, frame})
		binary.BigEndian.PutUint16(file[at+5:], uint16(h))
		binary.BigEndian.PutUint16(file[at+7:], uint16(w))
		return file
	}
	emptyScans := func(d *drawing, n int) []byte {
		e := d.begin(sof2, evenCodes())
		for range n {
			e.segment(sos, []byte{1, 1, 0, 1, 63, 0})
			e.file = append(e.file, 0xe0, 0x7f, 0xfc) // 24,575 blocks without coefficients
		}
		return e.end()
	}
	bands := make([]int, 64)
	for i := range bands {
		bands[i] = 1 + i
	}
	flat := blank(2000, 2000, 1, 1)
	colour := blank(700, 700, 1, 1, 1, 1, 1, 1)
	low := blank(16, 16, 4, 4, 4, 4, 4, 4, 4, 4)
	var refinements []pass // of every coefficient alone
	refinements = append(refinements, flat.passes(0, bands...)[0])
	for k := 1; k < 64; k++ {
		for l := 13; l >= 0; l-- {
			refinements = append(refinements, pass{[]int{0}, k, k, (l + 1) % 14, l})
		}
	}
	insert := func(file []byte, segments []byte) []byte {
		return bytes.Join([][]byte{file[:2], segments, file[2:]}, nil)
	}
	tables := flat.begin(sof0, skewedCodes()).file[154:]
	restarts := flat.begin(sof0, evenCodes())
	restarts.every(1)
	restarts.segment(sos, []byte{1, 1, 0, 0, 63, 0})
	for i := range 62500 {
		restarts.file = append(restarts.file, 0xff, rst0+byte(i%8))
	}
	long := bytes.TrimSuffix(restarts.end(), []byte{0xff, eoi})
	for _, c := range []struct {
		name  string
		data  []byte
		want  error
		bytes int // at most this much memory
		polls int // and at most so many segments and times atOnce blocks
	}{
		{"large frame", resize(flat.baseline(evenCodes(), 0, true), sof0, 65535, 65535), FormatError("header promises 65535x65535 pixels"), 100_000, 2},
		{"large frame of empty scans", resize(emptyScans(flat, 9000), sof2, 13376, 13376), FormatError("header promises 13376x13376 pixels"), 100_000, 2},
		{"scans of no coefficients", emptyScans(blank(1000, 1000, 1, 1), 3000), FormatError("scan of coefficients out of turn"), 1_000_000, 30},
		{"every coefficient alone", colour.progressive(evenCodes(), 0, colour.passes(0, bands...)), nil, 5_000_000, 4000},
		{"refinements of nothing", flat.progressive(evenCodes(), 0, refinements), FormatError("too many scans that hold next to nothing"), 2_000_000, 30_000},
		{"tables again and again", insert(flat.baseline(evenCodes(), 0, true), bytes.Repeat(tables, 3000)), nil, 5_000_000, 3100},
		{"many comments", insert(flat.baseline(evenCodes(), 0, true), bytes.Repeat([]byte{0xff, 0xfe, 0, 2}, 500_000)), nil, 5_000_000, 500_100},
		{"many restart markers without segments", insert(flat.baseline(evenCodes(), 0, true), bytes.Repeat([]byte{0xff, rst0}, 500_000)), nil, 5_000_000, 500_100},
		{"restart markers alone", long, nil, 5_000_000, 62_600},
		{"fill bytes", append(long[:len(long)-2], bytes.Repeat([]byte{0xff}, 2_000_000)...), io.ErrUnexpectedEOF, 5_000_000, 62_600},
		{"a low picture", resize(low.baseline(evenCodes(), 0, true), sof0, 65535, 16), nil, 20_000_000, 100},
		{"a low progressive picture", resize(low.progressive(evenCodes(), 0, low.passes(1, 1, 64)), sof2, 65535, 16), io.ErrUnexpectedEOF, 20_000_000, 100},
	} {
		t.Run(c.name, func(t *testing.T) {
			ctx := &counted{Context: t.Context()}
			var err error
			memory := allocated(func() { _, err = new(Decoder).Decode(ctx, c.data) })
			t.Logf("%d bytes: %d bytes of memory, %d polls: %v", len(c.data), memory, ctx.n, err)
			assert.LessOrEqual(t, int(memory), c.bytes)
			assert.LessOrEqual(t, ctx.n, c.polls)
			if c.want == nil {
				assert.NoError(t, err)
			} else {
				assert.ErrorContains(t, err, c.want.Error())
			}
		})
	}
}

// Blocks take memory for AC coefficients only where they have some.
func TestSparseBlocks(t *testing.T) {
	empty, full := blank(1600, 1600, 1, 1), blank(1600, 1600, 1, 1)
	for i := range full.parts[0].blocks {
		full.parts[0].blocks[i][1] = 1
	}
	taken := func(d *drawing) uint64 {
		file := d.progressive(evenCodes(), 0, d.passes(0, 1, 64))
		return allocated(func() {
			m, err := new(Decoder).Decode(t.Context(), file)
			require.NoError(t, err)
			sameSamples(t, d, d.planes(), m)
		})
	}
	planes := allocated(func() { empty.planes() })
	assert.Less(t, taken(empty)-planes, uint64(3_100_000)) // a plane of 2.56 MB and 6 bytes a block
	assert.Greater(t, taken(full), uint64(8_000_000))
}

// No bytes make the decoder panic or take more memory than their number allows.
func FuzzDecode(f *testing.F) {
	rng := rand.New(rand.NewPCG(9, 9))
	for _, sampling := range samplings {
		d := draw(rng, 20, 20, sampling...)
		f.Add(d.baseline(evenCodes(), 2, true))
		f.Add(d.progressive(skewedCodes(), 0, d.passes(2, 1, 6, 64)))
	}
	var decoder Decoder
	f.Fuzz(func(t *testing.T, data []byte) {
		size, err := Size(data)
		if err != nil || size.X*size.Y > 1<<21 {
			return
		}
		var m *Image
		taken := allocated(func() { m, err = decoder.Decode(t.Context(), data) })
		// Each bit may stand for a block of 64 samples or of 136 bytes of coefficients; a last row needs no bit.
		require.Less(t, taken, uint64(10_000_000+len(data)*8*(64+8+136)))
		if err != nil {
			require.Nil(t, m)
			return
		}
		require.Equal(t, size, image.Pt(m.Width, m.Height))
		for _, p := range m.Planes {
			require.GreaterOrEqual(t, p.Stride, p.Width)
			require.GreaterOrEqual(t, len(p.Pix), (p.Height-1)*p.Stride+p.Width)
		}
	})
}

// Any picture, sampling and sequence of scans is decoded exactly, and as the standard library does up to rounding.
func FuzzEncodings(f *testing.F) {
	f.Add(uint64(1), uint8(20), uint8(30), uint32(0x221111), uint8(0), uint8(0x12))
	f.Add(uint64(2), uint8(9), uint8(50), uint32(0x43214312), uint8(3), uint8(0x25))
	f.Fuzz(func(t *testing.T, seed uint64, w, h uint8, factors uint32, restart, script uint8) {
		var sampling []int
		for ; factors > 0 && len(sampling) < 8; factors >>= 8 {
			sampling = append(sampling, 1+int(factors>>4&3), 1+int(factors&3))
		}
		if len(sampling)/2 != 3 && len(sampling)/2 != 4 {
			sampling = []int{1, 1}
		}
		d := draw(rand.New(rand.NewPCG(seed, 0)), 1+int(w), 1+int(h), sampling...)
		var file []byte
		if low, width := int(script>>4&7), 1+int(script&15); script&0x80 == 0 {
			var bands []int
			for k := 1; k < 64; k += width {
				bands = append(bands, k)
			}
			file = d.progressive(evenCodes(), int(restart), d.passes(low, append(bands, 64)...))
		} else {
			file = d.baseline(skewedCodes(), int(restart), script&1 == 0)
		}
		m, err := new(Decoder).Decode(t.Context(), file)
		require.NoError(t, err)
		sameSamples(t, d, d.planes(), m)
		compare(t, file, 3)
	})
}
