package tensor

import (
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestKernel(t *testing.T) {
	assert.InDelta(t, 0.5625, Cubic.At(0.5), 1e-15)
	assert.InDelta(t, -0.0625, Cubic.At(-1.5), 1e-15)
	assert.False(t, math.Signbit(Triangle.At(1)))
	for _, k := range []Kernel{Triangle, Cubic} {
		for x := -3.0; x <= 3; x++ {
			assert.Equal(t, map[bool]float64{true: 1, false: 0}[x == 0], k.At(x), "an interpolating kernel")
		}
	}
}

var resamplings = []struct{ in, out int }{{14, 224}, {14, 9}, {37, 16}, {16, 37}, {1, 4}, {5, 1}, {3, 3}, {500, 224}}

func TestResamplingWeights(t *testing.T) {
	for _, c := range resamplings {
		for _, k := range []Kernel{Triangle, Cubic} {
			for _, edge := range []Edge{Cut, Repeat} {
				r := Resampling{In: c.in, Out: c.out, Kernel: k, Edge: edge}
				for i := range c.out {
					first, n := r.Span(i)
					weights := r.Weights(nil, i)
					require.Len(t, weights, n)
					var sum float64
					for _, w := range weights {
						sum += w
					}
					require.InDelta(t, 1, sum, 1e-12, "%+v, point %d", r, i)
					if edge == Cut {
						require.True(t, first >= 0 && first+n <= c.in, "%+v, point %d", r, i)
					}
					mirrorFirst, mirrorN := r.Span(c.out - 1 - i)
					mirror := r.Weights(nil, c.out-1-i)
					for j, w := range weights {
						at := c.in - 1 - (first + j) - mirrorFirst
						if at < 0 || at >= mirrorN { // rounding may leave out a weight of 0
							require.InDelta(t, 0, w, 1e-12)
							continue
						}
						require.InDelta(t, mirror[at], w, 1e-12, "%+v, point %d", r, i)
					}
				}
			}
		}
	}
}

// Where the kernel stays inside the line, the edge does not matter; elsewhere Cut's weights
// are Repeat's without those beyond the ends, renormalised.
func TestEdges(t *testing.T) {
	for _, c := range resamplings {
		cut := Resampling{In: c.in, Out: c.out, Kernel: Cubic, Edge: Cut}
		repeat := Resampling{In: c.in, Out: c.out, Kernel: Cubic, Edge: Repeat}
		for i := range c.out {
			first, n := cut.Span(i)
			from, _ := repeat.Span(i)
			inside := repeat.Weights(nil, i)[first-from:][:n]
			var sum float64
			for _, w := range inside {
				sum += w
			}
			for j, w := range cut.Weights(nil, i) {
				require.InDelta(t, inside[j]/sum, w, 1e-12)
			}
		}
	}
}

func TestResamplingOfNothing(t *testing.T) {
	assert.PanicsWithValue(t, "tensor: Resampling: from 0 samples to 4", func() { Resampling{Out: 4}.Span(0) })
}
