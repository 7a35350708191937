package pretrain

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/promptcam/promptcam/data"
	"github.com/promptcam/promptcam/vit"
	"github.com/promptcam/promptcam/vit/probe"
)

// halves opens a folder of class folders, half of each class for testing.
func halves(t *testing.T, dir string) *data.Set {
	t.Helper()
	set, err := data.Open(dir, data.Options{TestShare: 0.5, Seed: 1})
	require.NoError(t, err)
	return set
}

// An image is found by itself, whatever the network.
func TestNeighboursFindThemselves(t *testing.T) {
	s := smallConfig(t)
	b, err := vit.New(s.Backbone(), rand.New(rand.NewPCG(1, 2)))
	require.NoError(t, err)
	n, err := OpenTest(t.Context(), halves(t, tiles(t, t.TempDir(), 50)), s.Backbone(), 0)
	require.NoError(t, err)
	assert.Len(t, n.Bank.Images, 75)
	assert.Len(t, n.Asked.Images, 75)
	f, err := probe.Pooled(t.Context(), b, n.Bank.Images)
	require.NoError(t, err)
	assert.Equal(t, []int{75, 48}, f.Shape())
	similar := f.Slice(1, 0, 24).MatMul(f.Slice(1, 0, 24).Transpose())
	for i, best := range similar.ArgMax() {
		assert.InDelta(t, 1, similar.At(i, i), 1e-5)
		assert.InDelta(t, 1, similar.At(i, best), 1e-5)
	}
	few, err := OpenTest(t.Context(), halves(t, tiles(t, t.TempDir(), 10)), s.Backbone(), 2)
	require.NoError(t, err)
	assert.Len(t, few.Bank.Images, 6)
	assert.Equal(t, []int{0, 0, 1, 1, 2, 2}, few.Bank.Labels)
}
