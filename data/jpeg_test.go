package data

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/promptcam/promptcam/data/internal/jpeg"
)

// upsampled is the value of a plane at pixel (x, y) by its definition: nine parts of the nearest sample, three of
// each next to it, one of the farthest, or as many as there are; the nearest alone for ratios other than two.
func upsampled(p jpeg.Plane, x, y int) uint8 {
	wide, high := p.MaxH == 2*p.H, p.MaxV == 2*p.V
	at := func(x, y int) int {
		return int(p.Pix[min(max(y, 0), p.Height-1)*p.Stride+min(max(x, 0), p.Width-1)])
	}
	sx, sy := x*p.H/p.MaxH, y*p.V/p.MaxV
	nx, ny := sx-1+2*(x%2), sy-1+2*(y%2)
	switch {
	case wide && high && p.Width > 2:
		return uint8((9*at(sx, sy) + 3*at(nx, sy) + 3*at(sx, ny) + at(nx, ny) + 8 - x%2) / 16)
	case wide && p.MaxV == p.V && p.Width > 2:
		return uint8((3*at(sx, sy) + at(nx, sy) + 1 + x%2) / 4)
	case high && p.MaxH == p.H:
		return uint8((3*at(sx, sy) + at(sx, ny) + 1 + y%2) / 4)
	}
	return uint8(at(sx, sy))
}

// Planes of any sampling factors and every kind of colours, against their definitions.
func TestFromJPEG(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 0))
	var pix []uint8 // memory of the image before
	for _, sampling := range [][]int{
		{1, 1}, {1, 1, 1, 1, 1, 1}, {2, 2, 1, 1, 1, 1}, {2, 2, 1, 1, 1, 2}, {2, 2, 2, 1, 1, 2}, {1, 1, 2, 1, 2, 1}, {1, 1, 2, 2, 1, 2},
		{3, 1, 1, 1, 1, 1}, {1, 4, 1, 1, 1, 1}, {2, 4, 1, 1, 1, 1}, {4, 2, 1, 1, 2, 1}, {3, 2, 2, 1, 1, 1}, {4, 3, 3, 2, 2, 1},
		{1, 1, 1, 1, 1, 1, 1, 1}, {2, 2, 1, 1, 1, 1, 2, 2}, {2, 1, 1, 1, 1, 2, 4, 1},
	} {
		for _, size := range []image.Point{{1, 1}, {2, 3}, {4, 4}, {5, 9}, {7, 2}, {16, 16}, {33, 21}} {
			m := &jpeg.Image{Width: size.X, Height: size.Y}
			maxH, maxV := 1, 1
			for i := 0; i < len(sampling); i += 2 {
				maxH, maxV = max(maxH, sampling[i]), max(maxV, sampling[i+1])
			}
			for i := 0; i < len(sampling); i += 2 {
				p := jpeg.Plane{H: sampling[i], V: sampling[i+1], MaxH: maxH, MaxV: maxV}
				p.Width, p.Height = (size.X*p.H+maxH-1)/maxH, (size.Y*p.V+maxV-1)/maxV
				p.Stride = p.Width + 3
				p.Pix = make([]uint8, p.Stride*p.Height)
				for i := range p.Pix {
					p.Pix[i] = uint8(rng.IntN(256))
				}
				m.Planes = append(m.Planes, p)
			}
			for _, model := range map[int][]jpeg.Model{1: {jpeg.Gray}, 3: {jpeg.YCbCr, jpeg.RGB}, 4: {jpeg.CMYK, jpeg.YCCK}}[len(m.Planes)] {
				t.Run(fmt.Sprint(sampling, size, model), func(t *testing.T) {
					m.Model = model
					got := fromJPEG(m, pix)
					pix = got.Pix
					for y := range size.Y {
						for x := range size.X {
							var v [4]uint8
							for i, p := range m.Planes {
								v[i] = upsampled(p, x, y)
							}
							want := [3]uint8(v[:3])
							switch model {
							case jpeg.Gray:
								want = [3]uint8{v[0], v[0], v[0]}
							case jpeg.YCbCr:
								want = jpegPixel(v[0], v[1], v[2])
							case jpeg.CMYK: // inks are stored inverted
								for i, c := range want {
									want[i] = ink(255-c, uint32(v[3]))
								}
							case jpeg.YCCK:
								for i, c := range jpegPixel(v[0], v[1], v[2]) {
									want[i] = ink(c, uint32(v[3]))
								}
							}
							require.Equal(t, want, [3]uint8(got.row(y)[3*x:]), "(%d, %d)", x, y)
						}
					}
				})
			}
		}
	}
}

// A CMYK file needs no Adobe segment.
func TestCMYKWithoutAdobe(t *testing.T) {
	file, err := os.ReadFile("testdata/cmyk.jpg")
	require.NoError(t, err)
	want, err := DecodeImage(file, "cmyk.jpg")
	require.NoError(t, err)
	at := bytes.Index(file, []byte("\xff\xee\x00\x0eAdobe"))
	require.Positive(t, at)
	got, err := DecodeImage(append(bytes.Clone(file[:at]), file[at+16:]...), "cmyk.jpg")
	require.NoError(t, err)
	assert.Equal(t, want, got)
}

// The error of a JPEG file says whether it is damaged, truncated or of a kind that is not read.
func TestJPEGErrors(t *testing.T) {
	file := jpegOf(t, picture(40, 30))
	frame := bytes.Index(file, []byte{0xff, 0xc0})
	for _, c := range []struct {
		at   int // of the byte that is changed
		to   byte
		want string
	}{
		{1, 0xc9, "arithmetic coding"},
		{1, 0xc3, "lossless coding"},
		{4, 12, "12 bits a sample"},
		{6, 0, "height not in the frame header (DNL)"},
		{11, 0, "damaged JPEG: sampling factors 0x0, want 1 to 4"},
		{5, 0xff, "damaged JPEG: header promises 40x65310 pixels, more than "},
		{5, 1, "truncated JPEG: unexpected EOF"},
	} {
		damaged := bytes.Clone(file)
		damaged[frame+c.at] = c.to
		_, err := DecodeImage(damaged, "a.jpg")
		assert.ErrorContains(t, err, "data: a.jpg: ")
		assert.ErrorContains(t, err, c.want)
		var unsupported jpeg.UnsupportedError
		assert.Equal(t, !strings.Contains(c.want, " JPEG: "), errors.As(err, &unsupported))
	}
}
