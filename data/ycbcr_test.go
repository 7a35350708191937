package data

import (
	"fmt"
	"image"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// jpegPixel is libjpeg's conversion of one pixel, in the words of jdcolor.c.
func jpegPixel(y, cb, cr uint8) [3]uint8 {
	l, b, r := int32(y)<<16+1<<15, int32(cb)-128, int32(cr)-128
	return [3]uint8{clip((l + 91881*r) >> 16), clip((l - 22554*b - 46802*r) >> 16), clip((l + 116130*b) >> 16)}
}

// Every pair of Cb and Cr, with every fifth Y.
func TestJPEGRow(t *testing.T) {
	ys, cbs, crs, dst := make([]uint8, 256), make([]uint8, 256), make([]uint8, 256), make([]uint8, 3*256)
	for y := 0; y < 256; y += 5 {
		for cb := range 256 {
			for cr := range 256 {
				ys[cr], cbs[cr], crs[cr] = uint8(y), uint8(cb), uint8(cr)
			}
			jpegRow(dst, ys, cbs, crs)
			for cr := range 256 {
				want := jpegPixel(uint8(y), uint8(cb), uint8(cr))
				if want != [3]uint8(dst[3*cr:]) {
					require.Equal(t, want, [3]uint8(dst[3*cr:]), "Y %d, Cb %d, Cr %d", y, cb, cr)
				}
			}
		}
	}
}

// chroma is the chroma of the pixel (x, y) of m, interpolated by its
// definition: of the four samples around the pixel, nine parts of the nearest,
// three of each next to it, one of the farthest.
func chroma(m *image.YCbCr, plane []uint8, x, y int) uint8 {
	x0, y0 := m.Rect.Min.X, m.Rect.Min.Y
	w, h := m.Rect.Dx(), m.Rect.Dy()
	wide := m.SubsampleRatio == image.YCbCrSubsampleRatio420 || m.SubsampleRatio == image.YCbCrSubsampleRatio422
	high := m.SubsampleRatio == image.YCbCrSubsampleRatio420 || m.SubsampleRatio == image.YCbCrSubsampleRatio440
	if wide && ((w+1)/2 <= 2 || x0%2 != 0) || high && y0%2 != 0 || !wide && !high {
		return plane[m.COffset(x0+x, y0+y)]
	}
	// A pixel two to the left or right of x lies in the next sample, if there is one.
	nextX, nextY := x, y
	if wide {
		nextX = min(max(x-1+2*(x%2), 0), w-1)
	}
	if high {
		nextY = min(max(y-1+2*(y%2), 0), h-1)
	}
	at := func(x, y int) int { return int(plane[m.COffset(x0+x, y0+y)]) }
	sum := 3*(3*at(x, y)+at(x, nextY)) + 3*at(nextX, y) + at(nextX, nextY)
	switch {
	case wide && high:
		return uint8((sum + 8 - x%2) >> 4)
	case wide:
		return uint8((sum + 4 + 4*(x%2)) >> 4)
	default:
		return uint8((sum + 4 + 4*(y%2)) >> 4)
	}
}

func TestFromYCbCr(t *testing.T) {
	rng := rand.New(rand.NewPCG(9, 0))
	var pix []uint8 // memory of the image before
	for ratio := image.YCbCrSubsampleRatio444; ratio <= image.YCbCrSubsampleRatio410; ratio++ {
		for _, size := range []image.Point{{1, 1}, {2, 5}, {3, 2}, {4, 4}, {5, 3}, {6, 1}, {7, 7}, {8, 2}, {9, 9}, {15, 6}, {16, 16}, {17, 5}, {18, 3}, {40, 1}, {33, 12}} {
			for _, origin := range []image.Point{{0, 0}, {1, 0}, {0, 1}, {6, 4}} {
				t.Run(fmt.Sprint(ratio, size, origin), func(t *testing.T) {
					m := image.NewYCbCr(image.Rectangle{origin, origin.Add(size)}, ratio)
					for _, plane := range [][]uint8{m.Y, m.Cb, m.Cr} {
						for i := range plane {
							plane[i] = uint8(rng.IntN(256))
						}
					}
					got := fromYCbCr(m, jpegRange, pix)
					pix = got.Pix
					require.Equal(t, image.Rectangle{Max: size}, got.Bounds())
					for y := range size.Y {
						for x := range size.X {
							want := jpegPixel(m.Y[m.YOffset(origin.X+x, origin.Y+y)], chroma(m, m.Cb, x, y), chroma(m, m.Cr, x, y))
							require.Equal(t, want, [3]uint8(got.row(y)[3*x:]), "(%d, %d)", x, y)
						}
					}
				})
			}
		}
	}
	assert.Equal(t, image.Point{}, fromYCbCr(&image.YCbCr{}, jpegRange, nil).Bounds().Max)
}
