package birds

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/promptcam/promptcam/data"
)

func TestBirdsAreOthersInEveryEpoch(t *testing.T) {
	draw := func() *Flock {
		return &Flock{Birds: 3, Pictures: 3, Size: 42, Batch: 6, Piece: 4, Rise: 1.8, Seed: 1}
	}
	d := draw()
	at := func(i, epoch, scene int) *data.RGB {
		img, err := d.At(t.Context(), i, epoch, scene)
		require.NoError(t, err)
		return img
	}
	first := at(0, 0, 0)
	assert.Equal(t, first, at(0, 0, 0))
	assert.NotEqual(t, first, at(1, 0, 0))
	assert.NotEqual(t, first, at(0, 1, 0))
	assert.NotEqual(t, first, at(0, 0, 1))
	for _, change := range []func(f *Flock){
		func(f *Flock) { f.Seed = 2 }, func(f *Flock) { f.Pictures = 1 }, func(f *Flock) { f.Kin = 0.5 },
	} {
		other := draw()
		change(other)
		assert.NotEqual(t, d.Identity(), other.Identity())
	}
	assert.Equal(t, d.Identity(), draw().Identity())
}

// alike returns the share of their traits that two birds have in common, on average over the pairs
// of an epoch that together accepts.
func alike(d *Flock, epoch int, together func(i, j int) bool) float64 {
	equal, all := 0, 0
	for i := range d.Birds {
		a, _ := d.bird(i, epoch)
		for j := range i {
			if together(i, j) {
				b, _ := d.bird(j, epoch)
				all += len(a)
				equal += len(a) - len(a.Diff(b))
			}
		}
	}
	return float64(equal) / float64(all)
}

// Two birds of a piece have a trait in common if both inherit it, or by chance, as two of
// different pieces do.
func TestBirdsBecomeKin(t *testing.T) {
	d := &Flock{Birds: 240, Pictures: 3, Size: 42, Batch: 40, Piece: 16, Kin: 0.7, Rise: 6, Seed: 1} // pieces of 16, 16 and 8
	piece := func(i int) int { return 3*(i/40) + i%40/16 }
	kin := func(i, j int) bool { return piece(i) == piece(j) }
	strangers := func(i, j int) bool { return piece(i) != piece(j) && (i+j)%7 == 0 } // not all: they are many
	chance := alike(d, 0, strangers)
	for epoch, inherits := range map[int]float64{0: 0, 1: 0.7 / 6, 3: 0.35, 6: 0.7, 9: 0.7} {
		both := inherits * inherits
		assert.InDelta(t, both+(1-both)*chance, alike(d, epoch, kin), 0.04, "epoch %d", epoch)
		assert.InDelta(t, chance, alike(d, epoch, strangers), 0.03, "epoch %d", epoch)
	}
	assert.Equal(t, 1., alike(&Flock{Birds: 80, Batch: 40, Piece: 16, Kin: 1, Rise: 3, Seed: 1}, 3, kin), "all is inherited")
	before, _ := d.bird(3, 6)
	after, _ := d.bird(3, 7)
	assert.NotEqual(t, before, after, "each epoch has other ancestors")
}
