package vit

import (
	"encoding/json"
	"math/rand/v2"
	"os"
	"runtime"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/promptcam/promptcam/tensor"
	"github.com/promptcam/promptcam/tensor/tensortest"
)

// The numbers are PyTorch's; see testdata/README.md.
func TestResizePosEmbedEqualsPyTorch(t *testing.T) {
	raw, err := os.ReadFile("testdata/posembed.json")
	require.NoError(t, err)
	var cases []struct {
		Old, New [2]int
		Channels int
		In, Out  []float32
	}
	require.NoError(t, json.Unmarshal(raw, &cases))
	require.NotEmpty(t, cases)
	for _, c := range cases {
		from, to := [2]int{c.Old[0], c.Old[1]}, [2]int{c.New[0], c.New[1]}
		for prefix := range 2 {
			in := make([]float32, prefix*c.Channels)
			for i := range in {
				in[i] = float32(100 + i)
			}
			pos := tensor.FromSlice(append(in, c.In...), 1, prefix+from[0]*from[1], c.Channels)
			got := resizePosEmbed(pos, prefix, from, to)
			require.Equal(t, []int{1, prefix + to[0]*to[1], c.Channels}, got.Shape())
			assert.Equal(t, in, got.Data()[:len(in)], "the class row stays")
			assert.InDeltaSlice(t, c.Out, got.Data()[len(in):], 2e-6, "%v to %v", from, to)
		}
	}
}

func TestResizePosEmbedToItsOwnGridChangesNothing(t *testing.T) {
	pos := tensor.New(1, 1+3*5, 2)
	for i := range pos.Data() {
		pos.Data()[i] = float32(i*i) / 7
	}
	assert.Equal(t, pos.Data(), resizePosEmbed(pos, 1, [2]int{3, 5}, [2]int{3, 5}).Data())
}

// From tall to wide, PyTorch's order of the two passes would take from[0]·to[1] rows of memory.
func TestResizePosEmbedTakesMemoryInProportion(t *testing.T) {
	pos := tensortest.Random(rand.New(rand.NewPCG(1, 2)), 1, 4000, 1)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	got := resizePosEmbed(pos, 0, [2]int{4000, 1}, [2]int{1, 4000})
	runtime.ReadMemStats(&after)
	assert.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(4<<20))
	mean := tensor.New(1, 1, 1)
	mean.Fill(resizePosEmbed(pos, 0, [2]int{4000, 1}, [2]int{1, 1}).Data()[0])
	tensortest.Close(t, resizePosEmbed(mean, 0, [2]int{1, 1}, [2]int{1, 4000}), got, 1e-6)
}

func TestBicubicTapsSumToOneAndMirror(t *testing.T) {
	for _, c := range [][2]int{{14, 9}, {37, 16}, {16, 37}, {1, 4}, {5, 1}} {
		all := bicubicTaps(c[0], c[1])
		for i, taps := range all {
			var sum float64
			for j, w := range taps.weights {
				sum += float64(w)
				mirror := all[len(all)-1-i]
				assert.InDelta(t, w, mirror.weights[len(mirror.weights)-1-j], 1e-5)
			}
			assert.InDelta(t, 1, sum, 1e-6)
		}
	}
}

func TestResampleWeightsAreThoseOfLoad(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, c := range [][2][2]int{{{12, 12}, {6, 6}}, {{3, 5}, {3, 5}}, {{3, 5}, {7, 2}}, {{4, 4}, {9, 9}}} {
		from, to := c[0], c[1]
		pos := tensortest.Random(rng, 1, from[0]*from[1], 3)
		want := resizePosEmbed(pos, 0, from, to)
		weights := ResampleWeights(from, to)
		tensortest.Close(t, want, weights.MatMul(pos), 1e-6)
		if from == to {
			tensortest.Close(t, pos, weights.MatMul(pos), 0)
		}
	}
}
