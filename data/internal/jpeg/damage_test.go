package jpeg

import (
	"bytes"
	"io"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// lost returns which blocks of an only component differ from the drawing.
func lost(d *drawing, m *Image) (blocks []int) {
	want := d.planes()[0]
	for i := range d.parts[0].blocks {
		p, at := m.Planes[0], 8*(i/d.parts[0].across*m.Planes[0].Stride+i%d.parts[0].across)
		for y := range 8 {
			if !bytes.Equal(want[at+y*p.Stride:][:8], p.Pix[at+y*p.Stride:][:8]) {
				blocks = append(blocks, i)
				break
			}
		}
	}
	return blocks
}

// What becomes of blocks around a damaged restart marker is what libjpeg makes of it.
func TestRestartMarkers(t *testing.T) {
	d := draw(rand.New(rand.NewPCG(1, 9)), 80, 64, 1, 1) // 10 x 8 blocks
	for i := range d.parts[0].blocks {
		d.parts[0].blocks[i][0] = int16(50 + i) // never grey
	}
	const every = 5 // 16 intervals
	interval := func(n ...int) (blocks []int) {
		for _, n := range n {
			for i := range every {
				blocks = append(blocks, n*every+i)
			}
		}
		return blocks
	}
	for name, file := range map[string][]byte{
		"baseline":    d.baseline(evenCodes(), every, true),
		"progressive": d.progressive(evenCodes(), every, []pass{{[]int{0}, 1, 63, 0, 0}, {[]int{0}, 0, 0, 0, 0}}),
	} {
		var markers []int // of the last scan
		for i := bytes.LastIndex(file, []byte{0xff, sos}); i < len(file)-2; i++ {
			if file[i] == 0xff && file[i+1] >= rst0 && file[i+1] <= rst7 {
				markers = append(markers, i)
			}
		}
		require.Len(t, markers, 15)
		ahead := func(n int) func(int) []byte {
			return func(i int) []byte {
				f := bytes.Clone(file)
				f[i+1] = rst0 + (f[i+1]-rst0+byte(n))&7
				return f
			}
		}
		for _, c := range []struct {
			name   string
			damage func(i int) []byte // changes the marker at i
			lost   func(n int) []int  // what the marker before interval n brings with it
		}{
			{"missing", func(i int) []byte { return slices.Delete(bytes.Clone(file), i, i+2) }, func(n int) []int { return interval(n) }},
			{"bytes before it", func(i int) []byte { return slices.Insert(bytes.Clone(file), i, 1, 2, 3) }, func(int) []int { return nil }},
			{"fill bytes before it", func(i int) []byte { return slices.Insert(bytes.Clone(file), i, 0xff, 0xff) }, func(int) []int { return nil }},
			{"three ahead", ahead(3), func(int) []int { return nil }},
			{"four ahead", ahead(4), func(int) []int { return nil }},
			{"three behind", ahead(5), func(int) []int { return nil }},
			{"one behind", ahead(7), func(n int) []int { return interval(n) }},
			{"two behind", ahead(6), func(n int) []int { return interval(n) }},
		} {
			t.Run(name+" "+c.name, func(t *testing.T) {
				for n, i := range markers {
					m, err := new(Decoder).Decode(t.Context(), c.damage(i))
					require.NoError(t, err)
					require.Subset(t, append(c.lost(n+1), -1), append(lost(d, m), -1), "marker %d", n)
				}
			})
		}
	}
}

// A scan may end less than a row of blocks too early if a marker follows; the blocks are grey then.
func TestPrematureEnd(t *testing.T) {
	d := blank(80, 64, 1, 1)
	for i := range d.parts[0].blocks {
		d.parts[0].blocks[i][0] = int16(50 + 300*(i%2)) // 3 or 4 bytes in two blocks
	}
	file := d.baseline(evenCodes(), 0, true)
	for n := 3; n < 60; n++ {
		cut := file[:len(file)-2-n]
		_, err := new(Decoder).Decode(t.Context(), cut)
		require.ErrorIs(t, err, io.ErrUnexpectedEOF)
		m, err := new(Decoder).Decode(t.Context(), append(bytes.Clone(cut), 0xff, eoi))
		if err != nil {
			require.ErrorIs(t, err, io.ErrUnexpectedEOF)
			assert.Greater(t, n, 20)
			return
		}
		blocks := lost(d, m)
		require.NotEmpty(t, blocks)
		require.GreaterOrEqual(t, blocks[0], 70)
		if n > 8 { // the block that the data end in is made of zero bits
			require.EqualValues(t, 128, m.Planes[0].Pix[len(m.Planes[0].Pix)-1])
		}
	}
	t.Fatal("no missing row was noticed")
}
