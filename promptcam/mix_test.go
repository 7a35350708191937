package promptcam

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/promptcam/promptcam/data"
	"github.com/promptcam/promptcam/tensor"
	"github.com/promptcam/promptcam/tensor/tensortest"
	"github.com/stretchr/testify/assert"
)

func TestMixture(t *testing.T) {
	const images, prefix, patches, d, classes = 5, 2, 9, 3, 4
	rng := rand.New(rand.NewPCG(1, 2))
	b := &data.Batch{Kind: data.Tokens, Values: tensortest.Random(rng, images, prefix+patches, d), Labels: []int{0, 1, 2, 3, 0}}
	before, teacher := b.Values.Clone(), tensortest.Random(rng, images, classes)
	var m mixture
	seen := map[float32]bool{}
	for range 200 {
		m.draw(rng, b, patches)
		seen[m.own] = true
		assert.Equal(t, before.Data(), b.Values.Data(), "the loader's tokens stay")
		assert.Equal(t, []int{0, 1, 2, 3, 4}, slices.Sorted(slices.Values(m.others)))
		mixed := m.of(teacher)
		for i, other := range m.others {
			assert.Equal(t, b.Labels[other], m.labels[i])
			kept := 0
			for r := range prefix + patches {
				row := m.tokens.Select(0, i).Select(0, r).Data()
				switch {
				case slices.Equal(row, before.Select(0, i).Select(0, r).Data()):
					if r >= prefix {
						kept++
					}
				default:
					assert.GreaterOrEqual(t, r, prefix, "the class token and registers stay")
					assert.Equal(t, before.Select(0, other).Select(0, r).Data(), row)
				}
			}
			if other != i {
				assert.InDelta(t, float64(m.own)*patches, kept, 1e-5)
			}
			want := tensor.New(classes)
			for c := range classes {
				want.Data()[c] = m.own*teacher.At(i, c) + (1-m.own)*teacher.At(other, c)
			}
			tensortest.Close(t, want, mixed.Select(0, i), 1e-6)
		}
	}
	assert.Len(t, seen, patches+1, "any number of patches")
}
