package vit

import (
	"math/rand/v2"
	"testing"

	"github.com/promptcam/promptcam/tensor/tensortest"
)

func TestResampleWeightsAreThoseOfLoad(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, c := range [][2]grid{{{12, 12}, {6, 6}}, {{3, 5}, {3, 5}}, {{3, 5}, {7, 2}}, {{4, 4}, {9, 9}}} {
		from, to := c[0], c[1]
		pos := tensortest.Random(rng, 1, from.h*from.w, 3)
		want := resizePosEmbed(pos, 0, from, to)
		weights := ResampleWeights([2]int{from.h, from.w}, [2]int{to.h, to.w})
		tensortest.Close(t, want, weights.MatMul(pos), 1e-6)
		if from == to {
			tensortest.Close(t, pos, weights.MatMul(pos), 0)
		}
	}
}
